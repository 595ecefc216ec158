"""Histories: of one resource, of a type, of the whole space; newest first, with cursors that hold while others write."""

from datetime import datetime
from typing import Any

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.fhir.index import keys
from virage.core.fhir.index.dates import microseconds
from virage.core.fhir.search.cursors import seal, unseal
from virage.core.fhir.search.facts import facts
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import Row, locate, present_types, version_of
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import HistoryPage, Version

MAX_COUNT = 1000
_LINES = "type, id, version, updated, body, compartment, rid"
_BATCHES = 20


def history(
    space: Space,
    type_: str | None,
    id_: str | None,
    *,
    since: datetime | None = None,
    at: tuple[datetime, datetime] | None = None,
    count: int = 50,
    cursor: str | None = None,
    access: Filter | None = None,
    total: bool = False,
) -> HistoryPage:
    """A page of versions, newest first.

    `since` leaves out what was written before; `at` keeps versions that were current at some time in that range. Versions that
    `access` does not let through are left out, and deletions with what was deleted. `total` counts (only without `access`).
    """
    count = max(0, min(count, MAX_COUNT))
    question = f"history/{space.code}/{type_}/{id_}/{since}/{at}"
    where: list[str] = []
    values: list[Any] = []
    types: list[int] | None = None
    if type_ is not None and id_ is not None:
        found = locate(space, type_, id_)
        if found is None:
            return HistoryPage([], 0 if total else None)
        where.append("compartment = %s AND rid = %s")
        values += [found[1], keys.row_id(space.code, type_, id_)]
    else:
        where.append("space = %s")
        values.append(space.code)
        # Each type has its own way down the index.
        types = [places.type_code(type_)] if type_ is not None else present_types(space)
        where.append("type = t.n")
    if since is not None:
        where.append("updated >= %s")
        values.append(microseconds(since))
    if at is not None:
        where.append("updated < %s AND coalesce(ended, %s) > %s")
        values += [microseconds(at[1]), 1 << 62, microseconds(at[0])]
    selected = types, where, values, at is not None
    counted = _count(*selected) if total and (access is None or isinstance(access, Everything)) else None
    after = unseal(question, cursor, (int, int, int, int)) if cursor else None
    versions: list[Version] = []
    for _ in range(_BATCHES):
        asked = count + 1 - len(versions)
        rows = _batch(*selected, after, asked)
        for row in rows:
            version = version_of(row[:6])
            if _let_through(space, version, row[6], access):
                if len(versions) == count:
                    return HistoryPage(versions, counted, seal(question, after) if after else None)
                versions.append(version)
            after = [row[3], row[5], row[6], row[2]]
        if len(rows) < asked:
            return HistoryPage(versions, counted, None)
    # So much was not for this caller that the rest is for the next page, where there may be none.
    return HistoryPage(versions, counted, seal(question, after) if after else None)


def _source(ended: bool) -> str:
    if not ended:
        return f"(SELECT space, {_LINES} FROM fhir_resource UNION ALL SELECT space, {_LINES} FROM fhir_version) h"
    # The end of a version is the beginning of the next one, which may be the current row.
    following = (
        "(SELECT min(n.updated) FROM (SELECT compartment, rid, version, updated FROM fhir_version UNION ALL"
        " SELECT compartment, rid, version, updated FROM fhir_resource) n"
        " WHERE n.compartment = v.compartment AND n.rid = v.rid AND n.version = v.version + 1) AS ended"
    )
    return (
        f"(SELECT space, {_LINES}, NULL::bigint AS ended FROM fhir_resource"
        f" UNION ALL SELECT space, {_LINES}, {following} FROM fhir_version v) h"
    )


def _batch(
    types: list[int] | None, where: list[str], values: list[Any], ended: bool, after: list[int] | None, count: int
) -> list[Any]:
    conditions, given = list(where), list(values)
    if after is not None:
        conditions.append("(updated, compartment, rid, version) < (%s, %s, %s, %s)")
        given += after
    order = "ORDER BY updated DESC, compartment DESC, rid DESC, version DESC LIMIT %s"
    text = f"SELECT {_LINES} FROM {_source(ended)} WHERE {' AND '.join(conditions)} {order}"
    given.append(count)
    if types is not None:
        text = f"SELECT x.* FROM unnest(%s::smallint[]) t(n) CROSS JOIN LATERAL ({text}) x {order}"
        given = [types, *given, count]
    with db.cursor() as cursor:
        cursor.execute(text, given)
        return cursor.fetchall()


def _count(types: list[int] | None, where: list[str], values: list[Any], ended: bool) -> int:
    with db.cursor() as cursor:
        source = _source(ended) if types is None else f"unnest(%s::smallint[]) t(n) CROSS JOIN {_source(ended)}"
        given = values if types is None else [types, *values]
        cursor.execute(f"SELECT count(*) FROM {source} WHERE {' AND '.join(where)}", given)
        row = cursor.fetchone()
        assert row is not None
        return int(row[0])


def _let_through(space: Space, version: Version, rid: int, access: Filter | None) -> bool:
    if access is None or isinstance(access, Everything):
        return True
    resource = version.resource if not version.deleted else _before(version, rid)
    return resource is not None and access.admits(facts(space.code, resource)).allowed


def _before(version: Version, rid: int) -> dict[str, Any] | None:
    """What a deletion deleted."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT type, id, version, updated, body, compartment FROM fhir_version WHERE compartment = %s AND rid = %s"
            " AND version < %s AND body IS NOT NULL ORDER BY version DESC LIMIT 1",
            [version.compartment, rid, version.version],
        )
        row: Row | None = cursor.fetchone()
    return None if row is None else version_of(row).resource
