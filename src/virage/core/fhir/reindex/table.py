"""The rows of users' parameters and of the re-indexing."""

import secrets
from collections.abc import Collection
from typing import Any

import orjson

from virage.core import db
from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam, parse_search_parameter
from virage.core.fhir.index import registry
from virage.core.fhir.index.registry import Known, Own, ProgramOld

_KEPT = ("code", "url", "type", "expression", "target", "component", "base", "name", "comparator")
_SERVED = ("announced", "building", "active", "leaving")


def param(source: dict[str, Any], key: str) -> SearchParam:
    """The parameter of a stored definition."""
    read = parse_search_parameter(source)
    return SearchParam(
        read.code,
        read.url,
        read.type,
        read.expression,
        read.targets,
        read.components,
        read.base,
        read.name,
        read.comparators,
        key,
    )


def source_of(resource: dict[str, Any]) -> dict[str, Any]:
    """What of a SearchParameter makes its index: two that agree in this are indexed alike."""
    return {name: resource[name] for name in _KEPT if name in resource}


def load() -> Known:
    """What holds now, in one statement. Raises ProgramOld (503)."""
    with db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT e.n, e.known, e.revised, p.key, p.space, p.id, p.state, p.source::text FROM reindex_epoch e"
            " LEFT JOIN reindex_parameter p ON p.state = ANY(%s) ORDER BY p.said, p.key",
            [list(_SERVED)],
        ).fetchall()
    if not rows:
        return Known()
    epoch, known, revised = rows[0][:3]
    if known > registry.REVISION:
        raise ProgramOld(
            "Un programme plus récent écrit dans cette base de données : redémarrez celui-ci à sa version."
        )
    own = tuple(Own(row[3], row[4], row[5], row[6], param(orjson.loads(row[7]), row[3])) for row in rows if row[3])
    return Known(epoch, revised, own)


def leaving(space: int, type_: str) -> list[SearchParam]:
    """The parameters of a type whose entries the re-indexing takes away."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT key, source::text FROM reindex_parameter WHERE space = %s AND state = 'cleaning'", [space]
        )
        found = [param(orjson.loads(source), key) for key, source in cursor]
    return [each for each in found if any(definitions.is_a(type_, base) for base in each.base)]


def are_active(keys: Collection[str]) -> bool:
    """Whether each of these definitions is served at this moment."""
    with db.cursor() as cursor:
        row = cursor.execute(
            "SELECT count(*) FROM reindex_parameter WHERE key = ANY(%s) AND state = 'active'", [list(keys)]
        ).fetchone()
    return row is not None and row[0] == len(keys)


def of_resource(space: int, id: str) -> list[tuple[str, str, dict[str, Any]]]:
    """The definitions that a resource has made: (key, state, source), the latest last."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT key, state, source::text FROM reindex_parameter WHERE space = %s AND id = %s ORDER BY said",
            [space, id],
        )
        return [(key, state, orjson.loads(source)) for key, state, source in cursor]


def live(space: int) -> list[Own]:
    """The definitions of a space that are served, or will be."""
    return [each for each in load().own if each.space == space and each.state != "leaving"]


def ids(space: int) -> list[str]:
    """The resources that have made definitions."""
    with db.cursor() as cursor:
        cursor.execute("SELECT DISTINCT id FROM reindex_parameter WHERE space = %s", [space])
        return [row[0] for row in cursor]


def announce(space: int, id: str, source: dict[str, Any]) -> str:
    """A new definition, which the re-indexing takes up; gives its key."""
    key = secrets.token_hex(8)
    with db.cursor() as cursor:
        cursor.execute(
            "INSERT INTO reindex_parameter (key, space, id, state, source) VALUES (%s, %s, %s, 'announced', %s::json)",
            [key, space, id, orjson.dumps(source).decode()],
        )
    return key


def retire(key: str) -> None:
    """A definition is served no more; what is indexed by it goes with the next re-indexing."""
    with db.cursor() as cursor:
        cursor.execute("DELETE FROM reindex_parameter WHERE key = %s AND state = 'announced'", [key])
        cursor.execute(
            "UPDATE reindex_parameter SET state = 'leaving' WHERE key = %s AND state IN ('building', 'active')", [key]
        )


def stamp_when_empty() -> None:
    """A house that holds nothing has all that this program indexes."""
    with db.cursor() as cursor:
        cursor.execute(
            "UPDATE reindex_epoch SET known = %s, revised = %s WHERE known < %s AND NOT EXISTS (SELECT FROM fhir_resource)",
            [registry.REVISION] * 3,
        )


def progress(key: str) -> int:
    """How much of the re-indexing that a definition waits for is done, in hundredths."""
    with db.cursor() as cursor:
        row = cursor.execute(
            "SELECT p.state, r.seen, r.places::text FROM reindex_parameter p"
            " LEFT JOIN reindex_run r ON r.finished IS NULL WHERE p.key = %s",
            [key],
        ).fetchone()
    if row is None or row[0] != "building" or row[2] is None:
        return 100 if row is not None and row[0] == "active" else 0
    total = sum(place[3] for place in orjson.loads(row[2]))
    return min(99, 100 * row[1] // total) if total else 99
