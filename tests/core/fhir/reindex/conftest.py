"""A base of which this process has not heard yet, and short ways to post parameters."""

import time

import pytest

from tests.core.fhir.router.conftest import ask, ask_for_real  # noqa: F401  fixtures
from virage.core.fhir.index import registry
from virage.core.fhir.reindex import engine


@pytest.fixture(autouse=True)
def _afresh(monkeypatch):
    """Each test has a database of its own, of which this process has not heard yet."""
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)
    monkeypatch.setattr(registry, "_known", registry.Known())
    registry._number += 1
    yield
    registry._number += 1


def parameter(code, expression, type="string", base="Patient", **more):
    return {
        "resourceType": "SearchParameter",
        "url": f"https://exemple.test/SearchParameter/{code}",
        "name": code.replace("-", "_"),
        "status": "active",
        "description": code,
        "code": code,
        "base": [base],
        "type": type,
        "expression": expression,
        **more,
    }


def found(answer):
    assert answer.status == 200, answer.texts
    return sorted(
        entry["resource"]["id"] for entry in answer.json.get("entry", ()) if entry["search"]["mode"] == "match"
    )


def finish():
    for _ in range(2000):
        left = engine.step()
        if left == engine.IDLE:
            return
        if left == engine.WAIT:
            time.sleep(0.05)
    raise AssertionError("the re-indexing does not end")
