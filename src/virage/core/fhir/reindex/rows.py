"""Rows indexed anew: version and time stay, only what they are found by changes."""

from collections import Counter
from typing import Any

from virage.core import db
from virage.core.fhir import json
from virage.core.fhir.index import Indexer, indexer, registry
from virage.core.fhir.reindex import table
from virage.core.fhir.store import containing, places, statements
from virage.core.fhir.store.bucketing import bucketed, parts_of
from virage.core.fhir.store.containing import Part

Narrow = tuple[list[Any], ...]
Key = tuple[int, int]
Wanted = tuple[int, list[int], list[int], Narrow, int, tuple[Part, ...]]
"""Version, tokens as they are and as they are to be, rows of the narrow tables, time, what the resource contains."""


def index_anew(space: int, code: int, rows: list[Any], revising: bool) -> tuple[int, list[list[int]]]:
    """Bring the entries of these rows (compartment, rid, version, updated, tokens, body) to the present plan, in the
    transaction under way. Gives how many changed, and those that somebody else holds: [compartment, rid, version].

    A row whose version is no longer that one was written by someone who knew the present plan. Locks are never waited for.
    """
    type_ = places.TYPES[code]
    fresh = indexer(space, type_)
    changing = None if revising else Indexer(space, type_, registry.building(space, type_), {})
    leaving = Indexer(space, type_, table.leaving(space, type_), {})
    wanted: dict[Key, Wanted] = {}
    for compartment, rid, version, updated, tokens, body in rows:
        resource = json.loads(bytes(body))
        if changing is not None and not _touched(changing, resource) and not _touched(leaving, resource):
            continue
        made, narrow, parts = _entries(space, type_, fresh, leaving, resource, compartment, tokens)
        # Users' parameters do not look into what is contained.
        wanted[compartment, rid] = (version, tokens, made, narrow, updated, parts if revising else ())
    if not wanted:
        return 0, []
    held = _narrow_rows(list(wanted))
    changed = {
        key: each
        for key, each in wanted.items()
        if each[1] != each[2]
        or each[5]
        or any(Counter(have) != Counter(want) for have, want in zip(held[key], each[3], strict=True))
    }
    free = _hold(changed)
    _write({key: changed[key] for key in free})
    if revising:
        containing.clear(space, free)
        containing.insert([(*key, changed[key][4], changed[key][5]) for key in free])
    return len(free), [[*key, changed[key][0]] for key in _contended(changed, free)]


def _touched(plan: Indexer, resource: dict[str, Any]) -> bool:
    found = plan.index(resource)
    return bool(found.tokens or found.dates or found.strings or found.numbers)


def _entries(
    space: int, type_: str, fresh: Indexer, leaving: Indexer, resource: dict[str, Any], compartment: int, had: list[int]
) -> tuple[list[int], Narrow, tuple[Part, ...]]:
    found = fresh.index(resource)
    patients = [str(resource["id"])] if type_ == "Patient" else found.patients
    tokens, narrow = bucketed(space, type_, found, compartment, patients)
    placed = places.patient_key(patients[0]) == compartment if patients else not fresh.in_compartments
    if not placed:
        # It may be filed under a patient that it does not name itself: nothing else says so but the token that is there.
        gone, _ = bucketed(space, type_, leaving.index(resource), compartment, [])
        tokens = sorted({*tokens, *had} - (set(gone) - set(tokens)))
    return tokens, narrow, parts_of(space, found, compartment)


def _narrow_rows(keys: list[Key]) -> dict[Key, list[list[tuple[Any, ...]]]]:
    found: dict[Key, list[list[tuple[Any, ...]]]] = {key: [[], [], []] for key in keys}
    with db.cursor() as cursor:
        for place, (name, columns, _) in enumerate(statements.NARROW):
            cursor.execute(
                f"SELECT t.compartment, t.rid, {columns} FROM unnest(%s::bigint[], %s::bigint[]) u(c, i)"
                f" JOIN {name} t ON t.compartment = u.c AND t.rid = u.i",
                _columns(keys),
            )
            for row in cursor:
                found[row[0], row[1]][place].append(row[2:])
    return found


def _columns(keys: list[Key]) -> list[list[int]]:
    return [[key[0] for key in keys], [key[1] for key in keys]]


def _hold(changed: dict[Key, Wanted]) -> list[Key]:
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT t.compartment, t.rid FROM fhir_resource t JOIN unnest(%s::bigint[], %s::bigint[], %s::integer[]) u(c, i, v)"
            " ON t.compartment = u.c AND t.rid = u.i AND t.version = u.v WHERE t.tokens IS NOT NULL FOR UPDATE OF t SKIP LOCKED",
            [*_columns(list(changed)), [each[0] for each in changed.values()]],
        )
        return [(row[0], row[1]) for row in cursor]


def _contended(changed: dict[Key, Wanted], free: list[Key]) -> list[Key]:
    """Those still at the version that was read, which somebody holds."""
    rest = [key for key in changed if key not in set(free)]
    if not rest:
        return []
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT t.compartment, t.rid FROM fhir_resource t JOIN unnest(%s::bigint[], %s::bigint[], %s::integer[]) u(c, i, v)"
            " ON t.compartment = u.c AND t.rid = u.i AND t.version = u.v",
            [*_columns(rest), [changed[key][0] for key in rest]],
        )
        return [(row[0], row[1]) for row in cursor]


def _write(changed: dict[Key, Wanted]) -> None:
    if not changed:
        return
    keys = list(changed)
    with db.cursor() as cursor:
        cursor.executemany(
            "UPDATE fhir_resource SET tokens = %s::bigint[] WHERE compartment = %s AND rid = %s",
            [(changed[key][2], *key) for key in keys],
        )
        for place, (name, columns, types) in enumerate(statements.NARROW):
            cursor.execute(
                f"DELETE FROM {name} t USING unnest(%s::bigint[], %s::bigint[]) u(c, i)"
                " WHERE t.compartment = u.c AND t.rid = u.i",
                _columns(keys),
            )
            lines = [(*key, *row) for key in keys for row in changed[key][3][place]]
            if lines:
                arrays = ", ".join(f"%s::{each}[]" for each in ("bigint", "bigint", *types))
                cursor.execute(
                    f"INSERT INTO {name} (compartment, rid, {columns}) SELECT * FROM unnest({arrays})",
                    [list(column) for column in zip(*lines, strict=True)],
                )
