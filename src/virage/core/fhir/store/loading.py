"""Thousands of resources a second, by binary COPY: for the sandbox, imports and loaders."""

from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

from virage.core import audit, db
from virage.core.callers import Caller
from virage.core.fhir.store import packing, statements
from virage.core.fhir.store.pending import DURING_LOAD
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.writing import Prepared, now, prepare, stamp

_PACKERS = (packing.date, packing.string, packing.number)
_CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: how many were written, how many were there already."""

    written: int
    present: int


Ready = dict[int, tuple[Prepared, dict[str, Any]]]


def load(space: Space, resources: Iterable[dict[str, Any]], *, by: Caller, batch: int = 5000) -> Loaded:
    """Write new resources, those without `id` under an id of ours; one that is there already is left as it is.

    Each batch is one transaction with one trace (inside a transaction already open, all are part of it): a load that was
    stopped goes on where it was when run again with the same ids. While the server takes a batch in, the next one is made
    ready. Memory does not grow with the number. No event is told. Resources must be valid.
    """
    written = present = 0
    given = iter(resources)
    with ThreadPoolExecutor(1, "fhir-load") as ahead:
        chunk = list(islice(given, batch))
        ready = _prepare(space, chunk)
        while chunk:
            following = list(islice(given, batch))
            coming = ahead.submit(_prepare, space, following)
            with db.transaction():
                done = _write(space, ready)
                if done:
                    audit.trace(by=by, action=f"{space.name}.load", title=f"{done} ressources")
            written += done
            present += len(chunk) - done
            chunk, ready = following, coming.result()
    return Loaded(written, present)


def _prepare(space: Space, resources: list[dict[str, Any]]) -> Ready:
    ready: Ready = {}
    for resource in resources:
        prepared = prepare(space, resource, resource.get("id"), None)
        ready.setdefault(prepared.rid, (prepared, resource))
    return ready


def _write(space: Space, ready: Ready) -> int:
    given = [rid for rid, (_, resource) in ready.items() if "id" in resource]
    if given:
        for rid in _present(ready, given):
            del ready[rid]
    if not ready:
        return 0
    updated = now()
    lines = [prepared for prepared, _ in ready.values()]
    # The index takes the batch in at once, sorted: several times less work than row by row.
    with db.cursor() as cursor:
        cursor.execute(f"SET LOCAL gin_pending_list_limit = '{DURING_LOAD}'")
    _copy(
        f"fhir_resource ({statements.COLUMNS})",
        (
            packing.resource(
                line.compartment,
                line.rid,
                space.code,
                line.code,
                updated,
                line.id,
                line.tokens,
                stamp(resource, line.id, 1, updated),
            )
            for line, resource in ready.values()
        ),
    )
    for place, (table, columns, _) in enumerate(statements.NARROW):
        pack: Any = _PACKERS[place]
        if any(line.narrow[place] for line in lines):
            _copy(
                f"{table} (compartment, rid, {columns})",
                (pack(line.compartment, line.rid, *row) for line in lines for row in line.narrow[place]),
            )
    if any(line.located for line in lines):
        _copy(
            "fhir_locator (rid, compartment)",
            (packing.locator(line.rid, line.compartment) for line in lines if line.located),
        )
    with db.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('fhir_resource_tokens')")
        cursor.execute("SET LOCAL gin_pending_list_limit TO DEFAULT")
    return len(ready)


def _copy(into: str, rows: Iterator[bytes]) -> None:
    with db.cursor() as cursor, cursor.copy(f"COPY {into} FROM STDIN (FORMAT BINARY)") as copy:
        waiting, size = [packing.HEADER], 0
        for row in rows:
            waiting.append(row)
            size += len(row)
            if size > _CHUNK:
                copy.write(b"".join(waiting))
                waiting, size = [], 0
        copy.write(b"".join([*waiting, packing.TRAILER]))


def _present(ready: Ready, rids: list[int]) -> set[int]:
    """Which of these are in the store already, wherever they are."""
    compartments = [ready[rid][0].compartment for rid in rids]
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT r.rid FROM unnest(%s::bigint[], %s::bigint[]) u(c, i)"
            " JOIN fhir_resource r ON r.compartment = u.c AND r.rid = u.i"
            " UNION SELECT rid FROM fhir_locator WHERE rid = ANY(%s)",
            [compartments, rids, rids],
        )
        return {row[0] for row in cursor}
