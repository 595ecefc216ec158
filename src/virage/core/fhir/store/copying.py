"""First versions by the thousand: binary COPY into each table, the token index fed at once."""

import secrets
from collections.abc import Iterable
from typing import Any

from virage.core import db
from virage.core.fhir.index import keys
from virage.core.fhir.store import packing, pending, statements, uniqueness
from virage.core.fhir.store.containing import Part
from virage.core.fhir.store.packing import Packed
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.writing import Prepared, instant, prepare, stamped

_CHUNK = 1 << 18
_MARK = secrets.token_hex(12)
"""As long as an instant, and found nowhere else."""


def ready(space: Space, resource: dict[str, Any]) -> Packed:
    """A new resource ready to be copied, whatever the time at which it will be."""
    given = resource.get("id")
    prepared = prepare(space, resource, given, None)
    made = packed(space, prepared, stamped(resource, prepared.id, 1, _MARK), _MARK, given is not None)
    claims = uniqueness.claims(space.code, resource)
    return made if claims is None else made._replace(type=prepared.type, claims=claims)


def packed(space: Space, prepared: Prepared, body: bytes, mark: str, given: bool) -> Packed:
    """What `ready` gives, from what is prepared already; `mark` stands in `body` for the instant, or is the instant."""
    made = packing.pack(
        prepared.compartment,
        prepared.rid,
        space.code,
        prepared.code,
        prepared.id,
        prepared.tokens,
        prepared.narrow,
        body,
        mark.encode(),
        given,
        prepared.located,
        prepared.epoch,
    )
    if not prepared.parts:
        return made
    return made._replace(parts=tuple(_part(prepared, each, mark) for each in prepared.parts))


def _part(prepared: Prepared, part: Part, mark: str) -> Packed:
    return packing.pack(
        prepared.compartment,
        keys.contained_row(prepared.rid, part.number),
        part.space,
        part.code,
        part.id,
        part.tokens,
        part.narrow,
        part.body,
        mark.encode(),
        False,
        False,
        prepared.epoch,
        part.number,
    )


def copy_in(lines: list[Packed], updated: int) -> None:
    """Write the rows of resources that are not there, but for their locators. Raises UniqueViolation when one is."""
    parts = [part for line in lines for part in line.parts]
    lines = [*lines, *parts] if parts else lines
    _copy(f"fhir_resource ({statements.COLUMNS})", packing.rows(lines, updated, instant(updated).encode()))
    narrow_in([[line.dates for line in lines], [line.strings for line in lines], [line.numbers for line in lines]])


def narrow_in(tables: list[list[bytes]]) -> None:
    """Write the rows of the narrow tables, in the order of `statements.NARROW`."""
    for (table, columns, _), rows in zip(statements.NARROW, tables, strict=True):
        if any(rows):
            _copy(f"{table} (compartment, rid, {columns})", rows)


def locators_in(lines: list[Packed]) -> None:
    """Write the locators of new resources."""
    rows = [line.locator for line in lines if line.locator]
    if rows:
        _copy("fhir_locator (rid, compartment)", rows)


def await_merge() -> None:
    """Let the token index keep what comes, until `merge`: sorted and at once it takes several times less work."""
    with db.cursor() as cursor:
        cursor.execute(f"SET LOCAL gin_pending_list_limit = '{pending.DURING_LOAD}'")


def merge() -> None:
    """Have the token index take in what waits, and no longer let it."""
    pending.take_in()
    with db.cursor() as cursor:
        cursor.execute("SET LOCAL gin_pending_list_limit TO DEFAULT")


def _copy(into: str, rows: Iterable[bytes]) -> None:
    with db.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        waiting, size = [packing.HEADER], 0
        for row in rows:
            waiting.append(row)
            size += len(row)
            if size > _CHUNK:
                copy.write(b"".join(waiting))
                waiting, size = [], 0
        copy.write(b"".join([*waiting, packing.TRAILER]))
