"""Rows in PostgreSQL's binary COPY format, packed by hand: a third of the time of a load otherwise. Pure.

Format: PostgreSQL documentation, « COPY », « Binary Format ». Each row is the number of columns, then for each its length and
its bytes, big-endian.
"""

from functools import lru_cache
from struct import Struct
from typing import Any, NamedTuple
from uuid import UUID

HEADER = b"PGCOPY\n\xff\r\n\x00" + b"\x00" * 8
TRAILER = b"\xff\xff"
_INT8 = 20  # the OID of the type

_length = Struct(">i").pack
_head = Struct(">hiqiqihihiii").pack
_time = Struct(">q").pack
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


class Packed(NamedTuple):
    """A first version as COPY takes it, table by table, but for the time: that is known when it is written.

    `head`, `middle` and `tail` are what surrounds the two places of the time in the row of `fhir_resource`; `given` says that the
    id came with the resource, so that it may be there already; `epoch` is that of the plan of its entries; `claims` are the
    identifiers that it is to hold alone, as `store.uniqueness` makes them, of a resource of `type`.
    """

    rid: int
    compartment: int
    given: bool
    head: bytes
    middle: bytes
    tail: bytes
    dates: bytes
    strings: bytes
    numbers: bytes
    locator: bytes
    epoch: int = 0
    type: str = ""
    claims: dict[UUID, str] | None = None
    parts: tuple["Packed", ...] = ()
    """What the resource contains."""


def pack(
    compartment: int,
    rid: int,
    space: int,
    code: int,
    id_: str,
    tokens: list[int],
    narrow: tuple[list[Any], ...],
    body: bytes,
    mark: bytes,
    given: bool,
    located: bool,
    epoch: int,
    version: int = 1,
) -> Packed:
    """The rows of a resource; `mark` stands in `body` where the instant goes, and is as long. Of what is contained, whose body has
    no instant, there is no `tail`."""
    name = id_.encode()
    before, _, after = body.partition(mark)
    dates, strings, numbers = narrow
    return Packed(
        rid,
        compartment,
        given,
        _head(9, 8, compartment, 8, rid, 2, space, 2, code, 4, version, 8),
        _length(len(name)) + name + bigints(tokens) + _length(len(body)) + before,
        after,
        b"".join([_date(5, 8, compartment, 8, rid, 8, k, 8, low, 8, high) for k, low, high in dates]),
        b"".join([string(compartment, rid, *row) for row in strings]) if strings else b"",
        b"".join(
            [
                _number(7, 8, compartment, 8, rid, 8, k, 8, low, 8, high, 8, unit_code, 8, unit)
                for k, low, high, unit_code, unit in numbers
            ]
        ),
        _locator(2, 8, rid, 8, compartment) if located else b"",
        epoch,
    )


def rows(packed: list[Packed], updated: int, instant: bytes) -> list[bytes]:
    """The rows of `fhir_resource`, in the order of `statements.COLUMNS`, written at this time."""
    time = _time(updated)
    return [
        b"".join((each.head, time, each.middle, instant, each.tail) if each.tail else (each.head, time, each.middle))
        for each in packed
    ]


def string(compartment: int, rid: int, k: int, folded: str, exact: str) -> bytes:
    one, two = folded.encode(), exact.encode()
    return _string(5, 8, compartment, 8, rid, 8, k, len(one)) + one + _length(len(two)) + two
