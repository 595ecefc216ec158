"""Many writes of one transaction together: a handful of statements, however many they are."""

from dataclasses import dataclass
from typing import Any

import psycopg

from virage.core import audit, db, events
from virage.core.callers import Caller
from virage.core.fhir.index import keys, registry
from virage.core.fhir.index.dates import moment
from virage.core.fhir.store import containing, copying, places, statements, uniqueness, writing
from virage.core.fhir.store.packing import Packed
from virage.core.fhir.store.reading import Located
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Version
from virage.core.fhir.store.writing import STALE, Prepared, StaleVersion

MERGED = 300
"""From so many on, the token index takes them in at once, at the end, rather than as they come."""


@dataclass(slots=True)
class Write:
    """A create under an id of ours (`new_id`), or an update of the resource that has this id, which also creates."""

    resource: dict[str, Any]
    id: str
    update: bool = False
    if_match: int | None = None


class StaleAmong(StaleVersion):
    """One of several writes names a version that is not the current one; `place` says which write."""

    def __init__(self, place: int) -> None:
        super().__init__(STALE)
        self.place = place


def write(space: Space, writes: list[Write], *, by: Caller) -> list[Version]:
    """Write them all in the transaction under way, each with its trace and event; no two may be of the same resource.

    Raises StaleAmong where an `if_match` is not the current version, Duplicate where an identifier that may not be held twice is
    (its `place` says whose), SerializationFailure, to be tried again, when someone else wrote the same meanwhile.
    """
    epoch = registry.agree()
    updated = writing.now()
    held = _hold(space, [each for each in writes if each.update])
    fresh: list[Packed] = []
    following: list[tuple[Prepared, Located, Version]] = []
    written: list[Version] = []
    told: list[tuple[str, Prepared]] = []
    for place, each in enumerate(writes):
        prepared = writing.prepare(space, each.resource, each.id, None)
        before = held.get(prepared.rid)
        if each.if_match is not None and (before is None or before[0] != each.if_match):
            raise StaleAmong(place)
        if before is None:
            version = _version(prepared, each.resource, 1, updated, True)
            fresh.append(copying.packed(space, prepared, version.body, writing.instant(updated), each.update))
        else:
            prepared = writing.staying(prepared, before[1])
            version = _version(prepared, each.resource, before[0] + 1, updated, before[2])
            following.append((prepared, before, version))
        written.append(version)
        told.append(("create" if before is None else "update", prepared))
        if prepared.epoch != epoch:
            raise _overtaken()
    merged = len(writes) >= MERGED
    if merged:
        copying.await_merge()
    try:
        _insert(fresh, updated)
        _replace(space, following, updated, by)
    except psycopg.errors.UniqueViolation:
        raise _overtaken() from None
    if merged:
        copying.merge()
    uniqueness.hold_together(
        [
            (prepared.type, prepared.rid, uniqueness.claims(space.code, each.resource))
            for each, (_, prepared) in zip(writes, told, strict=True)
        ],
        [prepared.rid for prepared, _, _ in following],
    )
    audit.traces([writing.traced(by, space, verb, prepared) for verb, prepared in told])
    if events.heard(writing.WRITTEN):
        for (verb, prepared), version in zip(told, written, strict=True):
            writing.announce(space, verb, prepared.type, prepared.id, version.version, prepared.patient)
    return written


def _version(prepared: Prepared, resource: dict[str, Any], number: int, updated: int, created: bool) -> Version:
    body = writing.stamp(resource, prepared.id, number, updated)
    return Version(prepared.type, prepared.id, number, moment(updated), body, prepared.compartment, created=created)


def _overtaken() -> psycopg.errors.SerializationFailure:
    return psycopg.errors.SerializationFailure("someone else wrote one of the resources meanwhile")


def _hold(space: Space, updates: list[Write]) -> dict[int, Located]:
    """The current versions of what is to be updated, by row id, kept from others until the end; always in the same order."""
    guessed: list[tuple[int, int]] = []
    rids = []
    for each in updates:
        type_ = writing.resource_type(each.resource)
        rid = keys.h64(f"{space.code}/{type_}/{places.check_id(each.id)}")
        guess = places.guess(space.code, type_, each.id)
        if guess is not None:
            guessed.append((guess, rid))
        if places.has_compartments(type_):
            rids.append(rid)
    held: dict[int, Located] = {}
    with db.cursor() as cursor:
        if guessed:
            cursor.execute(statements.HOLD, [list(column) for column in zip(*guessed, strict=True)])
            held = {row[0]: row[1:] for row in cursor}
        left = [rid for rid in rids if rid not in held]
        if left:
            cursor.execute(statements.HOLD_LOCATED, [left])
            held |= {row[0]: row[1:] for row in cursor}
    return held


def _insert(fresh: list[Packed], updated: int) -> None:
    if not fresh:
        return
    copying.copy_in(fresh, updated)
    located = [(each.rid, each.compartment) for each in fresh if each.locator]
    if located:
        with db.cursor() as cursor:
            cursor.execute(statements.ADD_LOCATORS, [list(column) for column in zip(*sorted(located), strict=True)])
            if cursor.rowcount != len(located):
                raise _overtaken()


def _replace(space: Space, following: list[tuple[Prepared, Located, Version]], updated: int, by: Caller) -> None:
    staying = [each for each in following if each[0].compartment == each[1][1]]
    for prepared, (_, old, _, holds), version in following:
        # It concerns another patient now: rare enough to go alone.
        if prepared.compartment != old and not writing.move(
            space, prepared, old, version, updated, by, False, False, held=holds
        ):
            raise _overtaken()
    if not staying:
        return
    with db.changing(prepared.rid for prepared, _, _ in staying), db.cursor() as cursor:
        cursor.execute(
            statements.replace_many(),
            [
                [prepared.compartment for prepared, _, _ in staying],
                [prepared.rid for prepared, _, _ in staying],
                updated,
                ["{" + ",".join(map(str, prepared.tokens)) + "}" for prepared, _, _ in staying],
                [version.body for _, _, version in staying],
            ],
        )
    lines = [
        copying.packed(space, prepared, version.body, writing.instant(updated), True)
        for prepared, _, version in staying
    ]
    copying.narrow_in(
        [[line.dates for line in lines], [line.strings for line in lines], [line.numbers for line in lines]]
    )
    containing.clear(space.code, [(held[1], prepared.rid) for prepared, held, _ in staying if held[3]])
    containing.insert([(prepared.compartment, prepared.rid, updated, prepared.parts) for prepared, _, _ in staying])
