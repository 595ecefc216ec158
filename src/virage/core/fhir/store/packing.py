"""Rows in PostgreSQL's binary COPY format, packed by hand: a third of the time of a load otherwise. Pure.

Format: PostgreSQL documentation, « COPY », « Binary Format ». Each row is the number of columns, then for each its length and
its bytes, big-endian.
"""

from functools import lru_cache
from struct import Struct
from typing import Any

HEADER = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
TRAILER = b"\xff\xff"
_INT8 = 20  # the OID of the type

_length = Struct(">i").pack
_resource = Struct(">hiqiqihihiiiqi").pack
_date = Struct(">hiqiqiqiqiq").pack
_string = Struct(">hiqiqiqi").pack
_number = Struct(">hiqiqiqididiqiq").pack
_locator = Struct(">hiqiq").pack


@lru_cache(maxsize=512)
def _array(count: int) -> Any:
    return Struct(">iiiiii" + "iq" * count).pack


def bigints(values: list[int]) -> bytes:
    """A bigint[] with its length before it."""
    count = len(values)
    if not count:
        return b"\x00\x00\x00\x0c" + b"\x00" * 8 + _length(_INT8)
    pairs: list[int] = [8] * (2 * count)
    pairs[1::2] = values
    return bytes(_array(count)(20 + 12 * count, 1, 0, _INT8, count, 1, *pairs))


def resource(
    compartment: int, rid: int, space: int, code: int, updated: int, id_: str, tokens: list[int], body: bytes
) -> bytes:
    """A first version, in the order of `statements.COLUMNS`."""
    name = id_.encode()
    return (
        _resource(9, 8, compartment, 8, rid, 2, space, 2, code, 4, 1, 8, updated, len(name))
        + name
        + bigints(tokens)
        + _length(len(body))
        + body
    )


def date(compartment: int, rid: int, k: int, low: int, high: int) -> bytes:
    return _date(5, 8, compartment, 8, rid, 8, k, 8, low, 8, high)


def string(compartment: int, rid: int, k: int, folded: str, exact: str) -> bytes:
    one, two = folded.encode(), exact.encode()
    return _string(5, 8, compartment, 8, rid, 8, k, len(one)) + one + _length(len(two)) + two


def number(compartment: int, rid: int, k: int, low: float, high: float, code: int, unit: int) -> bytes:
    return _number(7, 8, compartment, 8, rid, 8, k, 8, low, 8, high, 8, code, 8, unit)


def locator(rid: int, compartment: int) -> bytes:
    return _locator(2, 8, rid, 8, compartment)
