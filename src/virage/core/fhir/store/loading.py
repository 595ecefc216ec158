"""Thousands of resources a second, by binary COPY: for the sandbox, imports and loaders."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

from virage.core import audit, db
from virage.core.callers import Caller
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.writing import Prepared, now, prepare, stamp

_RESOURCE = (
    ("compartment", "rid", "space", "type", "version", "updated", "id", "tokens", "body"),
    ("int8", "int8", "int2", "int2", "int4", "int8", "text", "int8[]", "bytea"),
)
_NARROW = (
    ("fhir_date", ("k", "low", "high"), ("int8", "int8", "int8")),
    ("fhir_string", ("k", "folded", "exact"), ("int8", "text", "text")),
    ("fhir_number", ("k", "low", "high", "code", "unit"), ("int8", "float8", "float8", "int8", "int8")),
)


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: how many were written, how many were there already."""

    written: int
    present: int


def load(space: Space, resources: Iterable[dict[str, Any]], *, by: Caller, batch: int = 5000) -> Loaded:
    """Write new resources, those without `id` under an id of ours; one that is there already is left as it is.

    Each batch is one transaction with one trace: a load that was stopped goes on where it was when run again with the same
    ids. Memory does not grow with the number. No event is told. Resources must be valid.
    """
    written = present = 0
    given = iter(resources)
    while chunk := list(islice(given, batch)):
        with db.transaction():
            done = _batch(space, chunk)
            if done:
                audit.trace(by=by, action=f"{space.name}.load", title=f"{done} ressources")
        written += done
        present += len(chunk) - done
    return Loaded(written, present)


def _batch(space: Space, resources: list[dict[str, Any]]) -> int:
    updated = now()
    ready: dict[int, tuple[Prepared, dict[str, Any]]] = {}
    for resource in resources:
        prepared = prepare(space, resource, resource.get("id"), None)
        ready.setdefault(prepared.rid, (prepared, resource))
    given = [rid for rid, (_, resource) in ready.items() if "id" in resource]
    if given:
        for rid in _present(ready, given):
            del ready[rid]
    if not ready:
        return 0

    def rows() -> Iterator[tuple[Any, ...]]:
        for prepared, resource in ready.values():
            body = stamp(resource, prepared.id, 1, updated)
            yield (
                prepared.compartment,
                prepared.rid,
                space.code,
                prepared.code,
                1,
                updated,
                prepared.id,
                prepared.tokens,
                body,
            )

    db.copy_rows("fhir_resource", _RESOURCE[0], rows(), types=_RESOURCE[1])
    for place, (table, columns, types) in enumerate(_NARROW):
        if any(prepared.narrow[place] for prepared, _ in ready.values()):
            db.copy_rows(
                table,
                ("compartment", "rid", *columns),
                (
                    (prepared.compartment, prepared.rid, *row)
                    for prepared, _ in ready.values()
                    for row in prepared.narrow[place]
                ),
                types=("int8", "int8", *types),
            )
    located = [(prepared.rid, prepared.compartment) for prepared, _ in ready.values() if prepared.located]
    if located:
        db.copy_rows("fhir_locator", ("rid", "compartment"), located, types=("int8", "int8"))
    return len(ready)


def _present(ready: dict[int, tuple[Prepared, dict[str, Any]]], rids: list[int]) -> set[int]:
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
