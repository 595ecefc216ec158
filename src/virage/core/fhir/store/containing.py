"""Contained resources in the index: a row of their own each, beside that of the resource that contains them.

Such a row is in the space that stands for what is contained (`keys.CONTAINED`), so that nothing else meets it. Its row id follows from
that of its holder and from its place there, which is what its `version` says; its time is that of its holder.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from virage.core import db
from virage.core.fhir.index import keys
from virage.core.fhir.store import statements

_SPAN = 1 << 16  # of what `keys.contained_row` gives for one row

HOLDER = f"({{r}}.rid # ({{r}}.version::bigint << {keys.LOCAL_BITS}))"
"""The row id of the holder of a contained resource `{r}`, in SQL."""


def near(row: str, other: str) -> str:
    """In SQL, that `row` is that of a resource contained in that of the row id `other`: a range, then the exact test."""
    return (
        f"{row}.rid >= ({other} & {-_SPAN}) AND {row}.rid <= ({other} | {_SPAN - 1})"
        f" AND {HOLDER.format(r=row)} = {other}"
    )


@dataclass(frozen=True, slots=True)
class Part:
    """A contained resource ready to be written; the keys of its entries have their bucket."""

    space: int
    code: int
    number: int
    id: str
    tokens: list[int]
    narrow: tuple[list[Any], ...]
    body: bytes


Held = tuple[int, int, int, tuple[Part, ...]]
"""Compartment and row id of a resource, its time, what it contains."""


def at(part: Part, bucket: int) -> Part:
    """The same in another bucket."""
    return replace(
        part,
        tokens=[(token & keys.MASK) | bucket for token in part.tokens],
        narrow=tuple([((row[0] & keys.MASK) | bucket, *row[1:]) for row in rows] for rows in part.narrow),
    )


_CLEAR = (
    "WITH held AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) h(compartment, rid)),"
    " gone AS (DELETE FROM fhir_resource r USING held WHERE r.compartment = held.compartment AND r.space = %s"
    f" AND {near('r', 'held.rid')} RETURNING r.compartment, r.rid), "
    + ", ".join(
        f"{table}_out AS (DELETE FROM {table} t USING gone WHERE t.compartment = gone.compartment AND t.rid = gone.rid)"
        for table, _, _ in statements.NARROW
    )
    + " SELECT 1"
)
_INSERT = (
    "WITH "
    + ", ".join(
        f"{table}_in AS (INSERT INTO {table} (compartment, rid, {columns})"
        f" SELECT * FROM unnest({', '.join(f'%s::{each}[]' for each in ('bigint', 'bigint', *types))}))"
        for table, columns, types in statements.NARROW
    )
    + f" INSERT INTO fhir_resource ({statements.COLUMNS}) SELECT u.c, u.i, u.space, u.type, u.number, u.updated, u.id,"
    " u.tokens::bigint[], u.body FROM unnest(%s::bigint[], %s::bigint[], %s::smallint[], %s::smallint[], %s::integer[],"
    " %s::bigint[], %s::text[], %s::text[], %s::bytea[]) u(c, i, space, type, number, updated, id, tokens, body)"
)


def clear(space: int, held: Sequence[tuple[int, int]]) -> None:
    """Take away what these resources (compartment, row id) contained."""
    if held:
        with db.cursor() as cursor:
            cursor.execute(_CLEAR, [*(list(column) for column in zip(*held, strict=True)), space | keys.CONTAINED])


def insert(held: Sequence[Held]) -> None:
    """Write what these resources contain, of which nothing is there."""
    lines = [
        (compartment, keys.contained_row(rid, part.number), part.space, part.code, part.number, updated, part)
        for compartment, rid, updated, parts in held
        for part in parts
    ]
    if not lines:
        return
    columns = [list(column) for column in zip(*lines, strict=True)]
    parts: list[Part] = columns.pop()
    narrow: list[list[Any]] = []
    for place, (_, _, types) in enumerate(statements.NARROW):
        rows = [(line[0], line[1], *row) for line in lines for row in line[-1].narrow[place]]
        narrow += [[row[each] for row in rows] for each in range(2 + len(types))]
    with db.cursor() as cursor:
        cursor.execute(
            _INSERT,
            [
                *narrow,
                *columns,
                [part.id for part in parts],
                ["{" + ",".join(map(str, part.tokens)) + "}" for part in parts],
                [part.body for part in parts],
            ],
        )
