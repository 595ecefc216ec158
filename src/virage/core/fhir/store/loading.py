"""Thousands of resources a second, by binary COPY: for the sandbox, imports and loaders."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from virage.core import audit, db
from virage.core.callers import Caller
from virage.core.fhir.index import registry
from virage.core.fhir.store import copying, uniqueness
from virage.core.fhir.store.packing import Packed
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.uniqueness import Duplicate
from virage.core.fhir.store.writing import now


@dataclass(frozen=True, slots=True)
class Loaded:
    """What a load did: how many were written, how many were there already; `refused` are those of which another resource holds an
    identifier, by their place in what was given.
    """

    written: int
    present: int
    refused: dict[int, Duplicate] = field(default_factory=dict)


def load(space: Space, resources: Iterable[dict[str, Any]], *, by: Caller, batch: int = 5000) -> Loaded:
    """Write new resources, those without `id` under an id of ours; one that is there already is left as it is.

    Each batch is one transaction with one trace (inside a transaction already open, all are part of it): a load that was
    stopped goes on where it was when run again with the same ids. While the server takes a batch in, the next one is made
    ready. Memory does not grow with the number. No event is told. Resources must be valid. Raises Duplicate, and undoes the batch,
    when one holds an identifier that another one holds and that may not be held twice.
    """
    written = present = 0
    given = iter(resources)
    with ThreadPoolExecutor(1, "fhir-load") as ahead:
        resources = list(islice(given, batch))
        chunk = _prepare(space, resources)
        while chunk:
            following = list(islice(given, batch))
            coming = ahead.submit(_prepare, space, following)
            with db.transaction():
                epoch = registry.agree()
                while any(line.epoch != epoch for line in chunk):
                    chunk = _prepare(space, resources)
                    epoch = registry.agree()
                taken = take(space, chunk, by=by)
                for refused in taken.refused.values():
                    raise refused
            written += taken.written
            present += taken.present
            resources, chunk = following, coming.result()
    return Loaded(written, present)


def _prepare(space: Space, resources: list[dict[str, Any]]) -> list[Packed]:
    return [copying.ready(space, resource) for resource in resources]


def take(space: Space, lines: list[Packed], *, by: Caller) -> Loaded:
    """Write those that are not there yet, each once, with one trace: one transaction, or a part of that under way.

    They are of the epoch that this transaction agreed on.
    """
    with db.transaction():
        done, refused = _write(lines)
        if done:
            audit.trace(by=by, action=f"{space.name}.load", title=f"{done} ressources")
    return Loaded(done, len(lines) - done - len(refused), refused)


def _write(lines: list[Packed]) -> tuple[int, dict[int, Duplicate]]:
    there = _present([line for line in lines if line.given])
    fresh, numbers = [], []
    for number, line in enumerate(lines):
        if line.rid not in there:
            fresh.append(line)
            numbers.append(number)
            if line.given:
                there.add(line.rid)
    held = uniqueness.take((line.type, line.rid, line.claims) for line in fresh)
    refused = {numbers[place]: Duplicate(fresh[place].type, system) for place, system in held.items()}
    if held:
        fresh = [line for place, line in enumerate(fresh) if place not in held]
    if not fresh:
        return 0, refused
    copying.await_merge()
    copying.copy_in(fresh, now())
    copying.locators_in(fresh)
    copying.merge()
    return len(fresh), refused


def _present(lines: list[Packed]) -> set[int]:
    """Which of these are in the store already, wherever they are."""
    if not lines:
        return set()
    rids = [line.rid for line in lines]
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT r.rid FROM unnest(%s::bigint[], %s::bigint[]) u(c, i)"
            " JOIN fhir_resource r ON r.compartment = u.c AND r.rid = u.i"
            " UNION SELECT rid FROM fhir_locator WHERE rid = ANY(%s)",
            [[line.compartment for line in lines], rids, rids],
        )
        return {row[0] for row in cursor}
