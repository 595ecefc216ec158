"""Cursors of pages: opaque to clients, and checked, because they come back from outside. Pure."""

import base64
import binascii
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import orjson

from virage.core.errors import Malformed

_MAX = 8000  # five sort keys of 200 characters of four bytes, and a place


class BadCursor(Malformed):
    """The cursor is not one of ours, or belongs to another query."""

    code = "FHIR.CURSOR"
    issue = "value"


def seal(question: str, values: Sequence[Any]) -> str:
    """A cursor that stands after the row with these sort values, in the answer to this question."""
    body = orjson.dumps(list(values))
    return base64.urlsafe_b64encode(_mark(question, body) + body).decode().rstrip("=")


def bad_cursor() -> BadCursor:
    """The refusal of a cursor."""
    return BadCursor("Ce lien de page n'est plus valable : recommencez la recherche depuis le début.", path="_cursor")


def unseal(question: str, cursor: str, kinds: Sequence[type | tuple[type, ...]]) -> list[Any]:
    """The sort values of a cursor. Raises BadCursor unless it was sealed for this question, with values of these kinds."""
    refusal = bad_cursor()
    if len(cursor) > _MAX:
        raise refusal
    try:
        data = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        values = orjson.loads(data[8:])
    except (ValueError, binascii.Error):
        raise refusal from None
    if _mark(question, data[8:]) != data[:8] or type(values) is not list or len(values) != len(kinds):
        raise refusal
    if not all(isinstance(value, kind) for value, kind in zip(values, kinds, strict=True)):
        raise refusal
    return values


def _mark(question: str, body: bytes) -> bytes:
    # Not a secret: a forged cursor shows nothing that its query would not. It keeps pages of one query out of another.
    return blake2b(question.encode() + b"\0" + body, digest_size=8).digest()
