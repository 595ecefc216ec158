"""Create, update, delete: one statement each (an update first reads the version it replaces)."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from virage.core import audit, db, events
from virage.core.callers import Caller
from virage.core.errors import Conflict, Invalid, VirageError
from virage.core.fhir import json
from virage.core.fhir.index import indexer, keys, registry
from virage.core.fhir.index.dates import moment
from virage.core.fhir.store import containing, places, statements, uniqueness
from virage.core.fhir.store.bucketing import bucketed, parts_of
from virage.core.fhir.store.containing import Part
from virage.core.fhir.store.reading import Located, locate
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.uniqueness import Claims
from virage.core.fhir.store.version import Version

_ATTEMPTS = 8
WRITTEN = "fhir.written"
"""The event of every write: {space, type, id, version, interaction, patient}."""


STALE = "La ressource a changé depuis que vous l'avez lue : relisez-la, puis recommencez."


class StaleVersion(VirageError):
    """Somebody wrote the resource since the caller read it."""

    code = "FHIR.VERSION"
    status = 412
    issue = "conflict"


@dataclass(slots=True)
class Prepared:
    """A resource ready to be written: where it goes, and its index entries with the bucket in their keys."""

    type: str
    id: str
    code: int
    rid: int
    compartment: int
    patient: str
    located: bool
    tokens: list[int]
    narrow: tuple[list[Any], ...]
    kept: tuple[bool, ...]
    epoch: int = 0
    parts: tuple[Part, ...] = ()
    """What it contains."""


def now() -> int:
    """The time in microseconds since 1970, to the millisecond, as instants are written."""
    return time.time_ns() // 1_000_000 * 1000


@lru_cache(maxsize=64)
def instant(updated: int) -> str:
    """The FHIR instant of microseconds since 1970, in UTC to the millisecond."""
    return moment(updated).strftime("%Y-%m-%dT%H:%M:%S.") + f"{updated // 1000 % 1000:03d}Z"


def resource_type(resource: dict[str, Any]) -> str:
    """The type of a resource. Raises Invalid without one, Malformed (404) when R4 has no such type."""
    found = resource.get("resourceType")
    if type(found) is not str:
        raise Invalid("Il manque « resourceType ».", code="FHIR.TYPE", path="resourceType", issue="required")
    places.type_code(found)
    return found


def prepare(space: Space, resource: dict[str, Any], id_: str | None, patient: str | None) -> Prepared:
    """Find the place and the index entries of a resource; draws an id when none is given."""
    type_ = resource_type(resource)
    if id_ is not None:
        places.check_id(id_)
    elif type_ == "Patient" or not places.has_compartments(type_):
        id_ = places.encode(places.random_key())
    plan = indexer(space.code, type_)
    if type_ == "Patient":
        resource = {**resource, "id": id_}
    entries = plan.index(resource)
    patients = entries.patients
    if patient and patient not in patients:
        patients.append(patient)
    expected = places.guess(space.code, type_, id_) if id_ is not None else None
    if type_ == "Patient":
        assert id_ is not None
        compartment, patients = places.patient_key(id_), [id_]
    elif patients:
        compartment = places.patient_key(patients[0])
    elif expected is not None:
        compartment = expected
    elif id_ is not None:
        compartment = places.own_key(space.code, type_, id_)
    else:
        compartment = places.random_key()
    if id_ is None:
        id_ = places.encode(compartment)
        expected = compartment
    tokens, narrow = bucketed(space.code, type_, entries, compartment, patients)
    return Prepared(
        type_,
        id_,
        places.type_code(type_),
        # Not `keys.row_id`, which remembers what references are likely to say again.
        keys.h64(f"{space.code}/{type_}/{id_}"),
        compartment,
        patients[0] if patients else "",
        expected != compartment,
        tokens,
        narrow,
        (bool(narrow[0]), bool(narrow[1]), bool(narrow[2])),
        plan.epoch,
        parts_of(space.code, entries, compartment),
    )


def new_id(space: Space, type_: str, patients: list[str]) -> str:
    """An id for a resource that is not written yet, which carries the compartment of the first of its patients."""
    if patients and places.has_compartments(type_):
        return places.encode(places.patient_key(patients[0]))
    return places.encode(places.random_key())


def stamp(resource: dict[str, Any], id_: str, version: int, updated: int) -> bytes:
    """The JSON to store and serve: the resource with its id, version and time."""
    return stamped(resource, id_, version, instant(updated))


def stamped(resource: dict[str, Any], id_: str, version: int, at: str) -> bytes:
    """The same, with the instant as it is to be written."""
    meta = resource.get("meta")
    given = meta if type(meta) is dict else {}
    whole = {
        "resourceType": resource["resourceType"],
        "id": id_,
        "meta": {**given, "versionId": str(version), "lastUpdated": at},
    }
    for key, value in resource.items():
        if key not in whole:
            whole[key] = value
    return json.dumps(whole)


def _arrays(prepared: Prepared) -> list[Any]:
    return [list(column) for rows in prepared.narrow if rows for column in zip(*rows, strict=True)]


def traced(by: Caller, space: Space, verb: str, prepared: Prepared) -> audit.Row:
    """The trace of a write, as `audit.INSERT` takes it."""
    return audit.row(
        by=by,
        action=f"{space.name}.{verb}",
        patient=prepared.patient,
        entities=(f"{prepared.type}/{prepared.id}",),
    )


def announce(space: Space, verb: str, type_: str, id_: str, version: int, patient: str) -> None:
    """Tell those who hear of writes, in the transaction under way."""
    payload = {
        "space": space.name,
        "type": type_,
        "id": id_,
        "version": version,
        "interaction": verb,
        "patient": patient,
    }
    events.emit(WRITTEN, payload, key=f"{type_}/{id_}")


def create(
    space: Space,
    resource: dict[str, Any],
    *,
    by: Caller,
    id: str | None = None,
    patient: str | None = None,
    event: bool = True,
    trace: bool = True,
) -> Version:
    """Write a new resource. Raises Conflict when the id is taken, Duplicate when an identifier is that may not be held twice."""
    written = _create(space, resource, by, id, patient, event, trace)
    if written is None and registry.refresh():
        written = _create(space, resource, by, id, patient, event, trace)
    if written is None:
        raise Conflict("Une ressource porte déjà cet identifiant.", code="FHIR.EXISTS", issue="duplicate")
    return written


def _create(
    space: Space, resource: dict[str, Any], by: Caller, id_: str | None, patient: str | None, event: bool, trace: bool
) -> Version | None:
    prepared = prepare(space, resource, id_, patient)
    updated = now()
    body = stamp(resource, prepared.id, 1, updated)
    row = (
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
    values: list[Any] = [prepared.rid, prepared.compartment] if prepared.located else []
    values += [prepared.epoch, *row]
    values += _arrays(prepared)
    if trace:
        values += traced(by, space, "create", prepared)
    statement = statements.insert(prepared.kept, prepared.located, trace)
    claims = uniqueness.claims(space.code, resource)
    if not _run(statement, values, space, "create", prepared, 1, event, claims, updated):
        return None
    return Version(prepared.type, prepared.id, 1, moment(updated), body, prepared.compartment, created=True)


def _run(
    statement: str,
    values: list[Any],
    space: Space,
    verb: str,
    prepared: Prepared,
    version: int,
    event: bool,
    claims: Claims | None,
    updated: int,
    held: bool = False,
) -> bool:
    """Run a write. With an event that somebody hears, identifiers to be held alone, something contained now or before (`held`): all
    in one transaction."""
    heard = event and events.heard(WRITTEN)
    # A resource that was not there is kept by nobody.
    change = db.changing((prepared.rid,)) if version > 1 else nullcontext()
    if not heard and claims is None and not prepared.parts and not held:
        with change:
            return _execute(statement, values)

    def whole() -> bool:
        if not _execute(statement, values):
            return False
        if claims is not None:
            uniqueness.hold(prepared.type, prepared.rid, claims, new=version == 1)
        if held:
            containing.clear(space.code, [(prepared.compartment, prepared.rid)])
        if prepared.parts:
            containing.insert([(prepared.compartment, prepared.rid, updated, prepared.parts)])
        if heard:
            announce(space, verb, prepared.type, prepared.id, version, prepared.patient)
        return True

    with change:
        return db.retrying(whole)


def _execute(statement: str, values: list[Any]) -> bool:
    with db.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone() is not None


def _busy() -> Conflict:
    return Conflict(
        "D'autres modifient cette ressource sans relâche : réessayez dans un instant.",
        code="FHIR.BUSY",
        issue="lock-error",
    )


@contextmanager
def in_turn(space: Space, type_: str, id_: str, again: bool) -> Iterator[None]:
    """Once a race was lost (`again`), the resource is held from other writers first, so that each has its turn."""
    if not again:
        yield
        return
    with db.transaction():
        current = locate(space, type_, id_)
        if current is not None:
            with db.cursor() as cursor:
                cursor.execute(statements.HOLD_ONE, [current[1], keys.row_id(space.code, type_, id_)])
        yield


def update(
    space: Space,
    resource: dict[str, Any],
    *,
    by: Caller,
    if_match: int | None = None,
    patient: str | None = None,
    event: bool = True,
    trace: bool = True,
) -> Version:
    """Write the next version of a resource, or its first (`Version.created`).

    Raises StaleVersion (412) when `if_match` is not the current version, Conflict when others keep on writing it, Duplicate when
    another resource holds an identifier that may not be held twice.
    """
    type_ = resource_type(resource)
    id_ = resource.get("id")
    if type(id_) is not str:
        raise Invalid(
            "Une mise à jour porte l'identifiant de la ressource.", code="FHIR.ID", path="id", issue="required"
        )
    places.check_id(id_)
    for attempt in range(_ATTEMPTS):
        with in_turn(space, type_, id_, attempt > 0):
            current = locate(space, type_, id_)
            if if_match is not None and (current is None or current[0] != if_match):
                raise StaleVersion(STALE)
            if current is None:
                written = _create(space, resource, by, id_, patient, event, trace)
            else:
                written = _replace(space, resource, by, id_, current, patient, event, trace)
            if written is not None:
                return written
        registry.refresh()
    raise _busy()


def _replace(
    space: Space,
    resource: dict[str, Any],
    by: Caller,
    id_: str,
    current: Located,
    patient: str | None,
    event: bool,
    trace: bool,
) -> Version | None:
    version, compartment, deleted, held = current
    prepared = prepare(space, resource, id_, patient)
    prepared = staying(prepared, compartment)
    updated = now()
    body = stamp(resource, id_, version + 1, updated)
    written = Version(prepared.type, id_, version + 1, moment(updated), body, prepared.compartment, created=deleted)
    claims = uniqueness.claims(space.code, resource)
    if prepared.compartment != compartment:
        return written if move(space, prepared, compartment, written, updated, by, event, trace, claims, held) else None
    values: list[Any] = [compartment, prepared.rid, version, prepared.epoch]
    values += [version + 1, updated, prepared.tokens, body]
    values += _arrays(prepared)
    if trace:
        values += traced(by, space, "update", prepared)
    statement = statements.replace(prepared.kept, not deleted, trace)
    done = _run(statement, values, space, "update", prepared, version + 1, event, claims, updated, held)
    return written if done else None


def staying(prepared: Prepared, compartment: int) -> Prepared:
    """The same, where it is already if it no longer concerns a patient, or never did."""
    if prepared.patient or prepared.type == "Patient" or prepared.compartment == compartment:
        return prepared
    return at(prepared, compartment)


def at(prepared: Prepared, compartment: int) -> Prepared:
    """The same, in another compartment."""
    bucket = keys.bucket(compartment)
    mask = keys.MASK
    return replace(
        prepared,
        compartment=compartment,
        tokens=sorted((token & mask) | bucket for token in prepared.tokens),
        narrow=tuple([((row[0] & mask) | bucket, *row[1:]) for row in rows] for rows in prepared.narrow),
        parts=tuple(containing.at(part, bucket) for part in prepared.parts),
    )


def move(
    space: Space,
    prepared: Prepared,
    old: int,
    written: Version,
    updated: int,
    by: Caller,
    event: bool,
    trace: bool,
    claims: Claims | None = None,
    held: bool = False,
) -> bool:
    """The resource now concerns another patient: it moves there with its past, in one transaction."""
    new = prepared.compartment
    with suppress(_Overtaken), db.changing((prepared.rid,)), db.transaction():
        if not _execute(statements.depart(), [old, prepared.rid, written.version - 1, prepared.epoch, new]):
            return False
        values: list[Any] = [
            prepared.epoch,
            new,
            prepared.rid,
            space.code,
            prepared.code,
            written.version,
            updated,
            prepared.id,
            prepared.tokens,
            written.body,
        ]
        values += _arrays(prepared)
        if trace:
            values += traced(by, space, "update", prepared)
        with db.cursor() as cursor:
            cursor.execute(statements.MOVE_VERSIONS, [old, prepared.rid, new])
            cursor.execute(statements.SET_LOCATOR, [prepared.rid, new])
            cursor.execute(statements.insert(prepared.kept, False, trace), values)
            if cursor.fetchone() is None:
                raise _Overtaken
        if held:
            containing.clear(space.code, [(old, prepared.rid)])
        if prepared.parts:
            containing.insert([(new, prepared.rid, updated, prepared.parts)])
        if claims is not None:
            uniqueness.hold(prepared.type, prepared.rid, claims, new=False)
        if event and events.heard(WRITTEN):
            announce(space, "update", prepared.type, prepared.id, written.version, prepared.patient)
        return True
    return False


class _Overtaken(Exception):
    """The index has another epoch since the first half of the move."""


def delete(
    space: Space,
    type_: str,
    id_: str,
    *,
    by: Caller,
    if_match: int | None = None,
    event: bool = True,
    trace: bool = True,
) -> Version | None:
    """Mark a resource as deleted; gives that version, or None when there is nothing (any more) to delete.

    Its past versions stay readable. Raises StaleVersion (412) when `if_match` is not the current version.
    """
    code = places.type_code(type_)
    for attempt in range(_ATTEMPTS):
        with in_turn(space, type_, id_, attempt > 0):
            current = locate(space, type_, id_)
            if current is not None and if_match is not None and current[0] != if_match:
                raise StaleVersion(STALE)
            if current is None or current[2]:
                return None
            version, compartment, _, held = current
            updated = now()
            rid = keys.row_id(space.code, type_, id_)
            values: list[Any] = [compartment, rid, version, registry.epoch(), version + 1, updated, None, None]
            prepared = Prepared(type_, id_, code, rid, compartment, "", False, [], ([], [], []), (False, False, False))
            if trace:
                values += traced(by, space, "delete", prepared)
            statement = statements.replace(prepared.kept, True, trace)
            claims: Claims | None = {} if uniqueness.is_declared(space.code, type_) else None
            if _run(statement, values, space, "delete", prepared, version + 1, event, claims, updated, held):
                return Version(type_, id_, version + 1, moment(updated), b"", compartment, deleted=True)
        registry.refresh()
    raise _busy()
