"""Business identifiers of which one resource of a type may hold a value: the database refuses the second, whoever comes first.

A service declares the identifier systems (`FhirService.unique`; VIRAGE_FHIR_UNIQUE for the shared store). The table `fhir_unique`
has a row for each value held, under a digest of it: it never shows the value. Types without declaration touch it in no way.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from functools import partial
from typing import Any
from uuid import UUID

from virage.core import db
from virage.core.db import backfill
from virage.core.errors import Conflict
from virage.core.fhir import json
from virage.core.fhir.store import places

Claims = dict[UUID, str]
"""Digests of the identifiers that a resource holds, each with its system."""

_declared: dict[tuple[int, str], frozenset[str]] = {}
_PIECE = 500


class Duplicate(Conflict):
    """Another resource holds an identifier that only one may hold; `system` is its system, `place` whose write it was."""

    code = "FHIR.IDENTIFIER_TAKEN"
    status = 409
    issue = "duplicate"

    def __init__(self, type: str, system: str, place: int = 0) -> None:
        super().__init__(
            f"Une autre ressource {type} porte déjà cet identifiant du système « {system} » : cherchez-la par cet identifiant et "
            "mettez-la à jour, au lieu d'en écrire une seconde.",
            path=f"{type}.identifier",
        )
        self.system = system
        self.place = place


def declare(space: int, systems: Mapping[str, Collection[str]]) -> None:
    """Have one resource of a type hold a value of these systems, from now on; what is stored already is taken in by the worker."""
    for type_, wanted in systems.items():
        _declared[space, type_] = frozenset(wanted)
        digest = hashlib.sha256("\n".join(sorted(wanted)).encode()).hexdigest()[:12]
        backfill.register(f"fhir.unique.{space}.{type_}.{digest}", partial(_take_in, space, type_))


def is_declared(space: int, type_: str) -> bool:
    """Whether resources of this type hold identifiers that are to be unique."""
    return (space, type_) in _declared


def claims(space: int, resource: dict[str, Any]) -> Claims | None:
    """What a resource would hold; None for a type without declaration.

    An identifier that was (`use` = `old`) is nobody's any more: it may have been given again.
    """
    type_ = resource["resourceType"]
    systems = _declared.get((space, type_))
    if systems is None:
        return None
    given = resource.get("identifier")
    found: Claims = {}
    for each in given if isinstance(given, list) else [given]:
        if isinstance(each, dict) and each.get("system") in systems and each.get("use") != "old":
            value = each.get("value")
            if isinstance(value, str):
                found[_key(space, type_, each["system"], value)] = each["system"]
    return found


def _key(space: int, type_: str, system: str, value: str) -> UUID:
    return UUID(bytes=hashlib.sha256(f"{space}/{type_}/{system}|{value}".encode()).digest()[:16])


def hold(type_: str, rid: int, wanted: Claims, *, new: bool) -> None:
    """Hold these and let go of the others, in the transaction under way; waits for another one that writes the same.

    Raises Duplicate when another resource holds one of them.
    """
    if not new:
        with db.cursor() as cursor:
            cursor.execute("DELETE FROM fhir_unique WHERE rid = %s AND key <> ALL(%s::uuid[])", [rid, list(wanted)])
    kept = _insert([(key, rid) for key in wanted])
    for key, system in wanted.items():
        if key not in kept:
            raise Duplicate(type_, system)


def release(rids: list[int]) -> None:
    """Let go of all that these resources hold."""
    with db.cursor() as cursor:
        cursor.execute("DELETE FROM fhir_unique WHERE rid = ANY(%s)", [rids])


def hold_together(wanted: list[tuple[str, int, Claims | None]], updated: list[int]) -> None:
    """The same for many writes, of which `updated` are the row ids of those that replace a version.

    Raises Duplicate, whose `place` says which of `wanted`.
    """
    ours = {rid for _, rid, asked in wanted if asked is not None}
    if not ours:
        return
    replaced = [rid for rid in updated if rid in ours]
    if replaced:
        release(replaced)
    refused = take(wanted)
    if refused:
        place, system = min(refused.items())
        raise Duplicate(wanted[place][0], system, place)


def take(wanted: Iterable[tuple[str, int, Claims | None]]) -> dict[int, str]:
    """Hold what resources ask for, the first come first; gives the places of those of which something is held by another, each
    with the system. Of these nothing is held that was not before.
    """
    asked = [(place, rid, each) for place, (_, rid, each) in enumerate(wanted) if each]
    if not asked:
        return {}
    first: dict[UUID, int] = {}
    for _, rid, each in asked:
        for key in each:
            first.setdefault(key, rid)
    kept = _insert(list(first.items()))
    refused: dict[int, str] = {}
    vain: list[tuple[UUID, int]] = []
    for place, rid, each in asked:
        lost = next((system for key, system in each.items() if key not in kept or first[key] != rid), None)
        if lost is not None:
            refused[place] = lost
            vain += [(key, rid) for key in each if first[key] == rid]
    if vain:
        with db.cursor() as cursor:
            cursor.execute("DELETE FROM fhir_unique WHERE key = ANY(%s)", [[key for key, _ in vain if key in kept]])
    return refused


def _insert(rows: list[tuple[UUID, int]]) -> set[UUID]:
    """Hold each for its resource; gives those that are, now or before. Always in one order: transactions that cross do not block."""
    if not rows:
        return set()
    keys, rids = zip(*sorted(rows), strict=True)
    with db.cursor() as cursor:
        cursor.execute(
            "INSERT INTO fhir_unique (key, rid) SELECT * FROM unnest(%s::uuid[], %s::bigint[])"
            " ON CONFLICT (key) DO UPDATE SET rid = fhir_unique.rid WHERE fhir_unique.rid = EXCLUDED.rid RETURNING key",
            [list(keys), list(rids)],
        )
        return {row[0] for row in cursor}


def _take_in(space: int, type_: str, position: str) -> str | None:
    """A piece of what was stored before the declaration. Of two that hold the same, the first written keeps it."""
    after = [int(each) for each in position.split(".")] if position else [0, -(1 << 63), -(1 << 63)]
    with db.cursor() as cursor:
        # Held until the end of the piece: who writes one of them meanwhile settles what it holds afterwards.
        rows = cursor.execute(
            "SELECT updated, compartment, rid, body FROM fhir_resource WHERE space = %s AND type = %s"
            " AND (updated, compartment, rid) > (%s, %s, %s) ORDER BY updated, compartment, rid LIMIT %s FOR SHARE",
            [space, places.type_code(type_), *after, _PIECE],
        ).fetchall()
    held: dict[UUID, int] = {}
    for _, _, rid, body in rows:
        if body is not None:
            for key in claims(space, json.loads(body)) or ():
                held.setdefault(key, rid)
    _insert(list(held.items()))
    return ".".join(map(str, rows[-1][:3])) if rows else None
