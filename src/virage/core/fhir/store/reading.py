"""Reading by id: one statement, on one shard."""

from collections.abc import Iterable
from dataclasses import replace
from functools import lru_cache
from typing import Any

from virage.core import db
from virage.core.fhir.index import keys
from virage.core.fhir.index.dates import moment
from virage.core.fhir.index.membership import member
from virage.core.fhir.store import kept, places, statements
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Version

Row = tuple[int, str, int, int, bytes | None, int]


def version_of(row: Row) -> Version:
    """The value of a row selected with `statements.SELECTED`."""
    code, id_, version, updated, body, compartment = row
    return Version(
        places.TYPES[code],
        id_,
        version,
        moment(updated),
        body or b"",
        compartment,
        deleted=body is None,
        created=version == 1,
    )


_READ = b"SELECT version, updated, body FROM fhir_resource WHERE compartment = $1 AND rid = $2"


def _read(compartment: int, rid: int) -> tuple[int, int, bytes | None] | None:
    """Version, date and body of what a place holds, without a cursor: every read by id goes through here."""
    result = db.fetch_prepared(b"fhir_read", _READ, (b"%d" % compartment, b"%d" % rid))
    if not result.ntuples:
        return None
    value = result.get_value
    version, updated = value(0, 0) or b"", value(0, 1) or b""
    return int.from_bytes(version, "big"), int.from_bytes(updated, "big", signed=True), value(0, 2)


def _fetch(statement: str, values: list[Any]) -> Row | None:
    with db.cursor() as cursor:
        cursor.execute(statement, values)
        return cursor.fetchone()


@lru_cache(maxsize=8192)
def _keys(space: int, type_: str, id_: str) -> tuple[int | None, int]:
    """The compartment where a resource is expected, as far as its id tells, and its row id."""
    return places.guess(space, type_, id_), keys.row_id(space, type_, id_)


def _row(space: Space, type_: str, id_: str) -> Row | None:
    code = places.type_code(type_)
    if not places.ID.fullmatch(id_):
        return None
    guess, rid = _keys(space.code, type_, id_)
    if guess is not None:
        held = _read(guess, rid)
        if held is not None:
            return code, id_, *held, guess
        if not places.has_compartments(type_):
            return None
    # An id that a client chose, or a resource that moved to another patient.
    return _fetch(statements.LOCATE, [rid])


def read(space: Space, type_: str, id_: str) -> Version | None:
    """The current version, `deleted` perhaps; None when there never was one."""
    version = current(space, type_, id_)
    # What its reader makes of it (`Version.resource`) is its own.
    return version if version is None or not kept.on() else replace(version)


def current(space: Space, type_: str, id_: str) -> Version | None:
    """The same, shared with whoever else reads it: for its bytes."""
    key = (space.code, type_, id_)
    version = kept.find(key)
    if version is not None:
        return version
    mark = kept.mark(keys.row_id(*key)) if kept.on() else None
    row = _row(space, type_, id_)
    if row is None:
        return None
    version = version_of(row)
    if mark is not None and not version.deleted:
        kept.keep(key, mark, version)
    return version


Located = tuple[int, int, bool, bool]
"""Current version number, compartment, whether it is deleted, and whether it may contain other resources."""


def locate(space: Space, type_: str, id_: str) -> Located | None:
    """Where a resource is; None when there never was one."""
    row = _row(space, type_, id_)
    return None if row is None else (row[2], row[5], row[4] is None, row[4] is not None and b'"contained":[' in row[4])


def vread(space: Space, type_: str, id_: str, version: int) -> Version | None:
    """That version, `deleted` perhaps; None when there is none."""
    current = read(space, type_, id_)
    if current is None or current.version == version:
        return current
    if not 0 < version < current.version:
        return None
    row = _fetch(statements.VREAD, [current.compartment, keys.row_id(space.code, type_, id_), version])
    return None if row is None else version_of(row)


def read_many(space: Space, references: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Version]:
    """The current versions of several resources by (type, id), in two statements at most; deleted ones are left out."""
    known: list[tuple[int, int]] = []
    unknown: list[int] = []
    for type_, id_ in dict.fromkeys(references):
        if type_ not in places.TYPE_CODES:
            continue
        rid = keys.row_id(space.code, type_, id_)
        guess = places.guess(space.code, type_, id_)
        if guess is not None:
            known.append((guess, rid))
        if places.has_compartments(type_):
            unknown.append(rid)
    found: dict[tuple[str, str], Version] = {}
    with db.cursor() as cursor:
        if known:
            cursor.execute(
                f"SELECT {statements.SELECTED} FROM unnest(%s::bigint[], %s::bigint[]) u(c, i)"
                " JOIN fhir_resource r ON r.compartment = u.c AND r.rid = u.i WHERE r.body IS NOT NULL",
                [[each[0] for each in known], [each[1] for each in known]],
            )
            found.update(((v.type, v.id), v) for v in map(version_of, cursor))
        missing = [rid for rid in unknown if rid not in {keys.row_id(space.code, *key) for key in found}]
        if missing:
            cursor.execute(
                f"SELECT {statements.SELECTED} FROM fhir_locator l JOIN fhir_resource r"
                " ON r.compartment = l.compartment AND r.rid = l.rid WHERE l.rid = ANY(%s) AND r.body IS NOT NULL",
                [missing],
            )
            found.update(((v.type, v.id), v) for v in map(version_of, cursor))
    return found


# The types that a space holds, by leaps from one to the next in the index.
_PRESENT = """
WITH RECURSIVE t(n) AS (
    (SELECT type FROM fhir_resource WHERE space = %s ORDER BY type LIMIT 1)
    UNION ALL
    SELECT (SELECT r.type FROM fhir_resource r WHERE r.space = %s AND r.type > t.n ORDER BY r.type LIMIT 1)
    FROM t WHERE t.n IS NOT NULL
)
SELECT n FROM t WHERE n IS NOT NULL
"""


def present_types(space: Space) -> list[int]:
    """The numbers of the types of which a space holds anything, deleted or not."""
    with db.cursor() as cursor:
        cursor.execute(_PRESENT, [space.code, space.code])
        return [row[0] for row in cursor]


# A type stops at the first bucket that has something. The `OFFSET 0` has each bucket planned for all of its rows: the planner, which
# does not know how rare `key | bucket` is, would else read the whole table until it meets the first.
_ABOUT = """
SELECT m.type FROM unnest(%s::int[], %s::bigint[]) m(type, key) WHERE EXISTS (
    SELECT FROM unnest(%s::bigint[]) b(n)
    CROSS JOIN LATERAL (SELECT FROM fhir_resource r WHERE r.tokens @> ARRAY[m.key | b.n] OFFSET 0) found)
"""


def types_about(space: Space, patient: str, types: list[str]) -> set[str]:
    """Those of these types of which something, not deleted, is in the compartment of a patient (logical id)."""
    known = [type_ for type_ in types if type_ in places.TYPE_CODES]
    codes = [places.TYPE_CODES[type_] for type_ in known]
    members = [member(space.code, type_, patient) for type_ in known]
    # Most of what concerns a patient is filed under it: its own bucket first.
    own = keys.bucket(places.patient_key(patient))
    buckets = [own, *(each for each in keys.ORDERED if each != own)]
    with db.cursor() as cursor:
        cursor.execute(_ABOUT, [codes, members, buckets])
        return {places.TYPES[row[0]] for row in cursor}
