"""The journal keeps quiet about people."""

import io
import logging
import sys

from virage.core.errors import Conflict
from virage.site.logs import Discreet

SECRET = "284056311308795"


def written(call) -> str:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(Discreet("%(levelname)s %(name)s %(message)s"))
    logger = logging.getLogger("django.request")
    logger.addHandler(handler)
    try:
        call(logger)
    finally:
        logger.removeHandler(handler)
    return stream.getvalue()


def test_an_address_is_not_written():
    said = written(lambda log: log.warning("Not Found: %s", f"/p/{SECRET}", extra={"status_code": 404}))
    assert SECRET not in said
    assert "404" in said


def test_the_text_of_a_foreign_error_is_not_written():
    try:
        int(f"{SECRET} x")
    except ValueError:
        said = written(lambda log: log.error("Internal Server Error: %s", "/", exc_info=sys.exc_info()))
    assert SECRET not in said
    assert "ValueError" in said
    assert "test_logs.py" in said


def test_a_refusal_of_ours_is_written_with_its_code():
    try:
        raise Conflict("Déjà fait.", code="TEST.DONE")
    except Conflict:
        said = written(lambda log: log.error("x", exc_info=sys.exc_info()))
    assert "TEST.DONE: Déjà fait." in said
