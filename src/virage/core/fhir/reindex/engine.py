"""The re-indexing: it goes once through the rows that were there when what is indexed changed, in small transactions.

1. *Turn*: announced definitions begin to be written by everyone, under a new epoch; those that leave are written no more.
2. *Wait* for the transactions that were under way at the turn: they alone may still write by the epoch before.
3. *Go through* the rows of the types concerned, by the order of their last change, up to the last change there was. A row that
   is written meanwhile is whole: it needs no second look.
4. *Finish*: definitions become active, those that left are forgotten, the revision is reached.
"""

import secrets
import time
from typing import Any

import orjson
import psycopg

from virage.core import db
from virage.core.db.session import Cursor
from virage.core.fhir import definitions
from virage.core.fhir.index import keys, registry
from virage.core.fhir.reindex import rows
from virage.core.fhir.store import places

BATCH = 500
_LOCK = "fhir.reindex"
IDLE, BUSY, WAIT, MORE = "idle", "busy", "wait", "more"
"""What a step leaves: nothing to do; another worker is at it; come back in a second; go on."""

# Transactions of this database that may hold a snapshot from before the turn. What CREATE INDEX CONCURRENTLY waits for.
_OPEN = (
    "SELECT l.virtualtransaction FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid"
    " WHERE l.locktype = 'virtualxid' AND l.granted AND a.datname = current_database() AND l.pid <> pg_backend_pid()"
)


def run(seconds: float) -> str:
    """Step after step, for a while; what the last one left."""
    until = time.monotonic() + seconds
    while (left := step()) == MORE:
        if time.monotonic() > until:
            break
    return left


def step() -> str:
    """One step, in one transaction; a worker that is killed loses that step only."""
    registry.refresh()
    with db.transaction(), db.cursor() as cursor:
        row = cursor.execute("SELECT pg_try_advisory_xact_lock(hashtext(%s))", [_LOCK]).fetchone()
        if row is None or not row[0]:
            return BUSY
        cursor.execute(
            f"SELECT {registry.EPOCH}, number, revision, waiting, places::text, place, after, late::text"
            " FROM (VALUES (1)) one LEFT JOIN reindex_run ON finished IS NULL"
        )
        row = cursor.fetchone()
        assert row is not None
        epoch, *current = row
        if epoch != registry.epoch():
            return MORE  # another worker turned it in between: the plan is to be made anew
        if current[0] is None:
            return _turn(cursor)
        number, revision, waiting, listed, place, after, late = current
        if listed is None:
            return _wait(cursor, number, revision, waiting)
        held = orjson.loads(late)
        if held:
            return _late(cursor, number, held, revision is not None)
        todo = orjson.loads(listed)
        if place == len(todo):
            return _finish(cursor, number, revision)
        return _go_through(cursor, number, todo[place], after, revision is not None)


def _turn(cursor: Cursor) -> str:
    cursor.execute("SELECT state FROM reindex_parameter WHERE state IN ('announced', 'leaving') FOR UPDATE")
    changing = bool(cursor.fetchall())
    row = cursor.execute("SELECT known FROM reindex_epoch FOR UPDATE").fetchone()
    revising = row is not None and row[0] < registry.REVISION
    if row is None or not (changing or revising):
        return IDLE
    cursor.execute("UPDATE reindex_parameter SET state = 'building' WHERE state = 'announced'")
    cursor.execute("UPDATE reindex_parameter SET state = 'cleaning' WHERE state = 'leaving'")
    cursor.execute(
        "UPDATE reindex_epoch SET n = %s, known = greatest(known, %s)", [secrets.randbits(62) + 1, registry.REVISION]
    )
    cursor.execute("INSERT INTO reindex_run (revision) VALUES (%s)", [registry.REVISION if revising else None])
    return MORE


def _wait(cursor: Cursor, number: int, revision: int | None, waiting: list[str] | None) -> str:
    still = {row[0] for row in cursor.execute(_OPEN).fetchall()}
    if waiting is not None:
        still &= set(waiting)
    if still:
        cursor.execute(
            "UPDATE reindex_run SET waiting = %s, moved = clock_timestamp() WHERE number = %s", [sorted(still), number]
        )
        return WAIT
    found = []
    for space, type_ in _concerned(cursor, revision):
        row = cursor.execute(
            "SELECT max(updated), count(*) FROM fhir_resource WHERE space = %s AND type = %s", [space, type_]
        ).fetchone()
        if row is not None and row[1]:
            found.append([space, type_, *row])
    cursor.execute(
        "UPDATE reindex_run SET waiting = '{}', places = %s::json, moved = clock_timestamp() WHERE number = %s",
        [orjson.dumps(found).decode(), number],
    )
    return MORE


def _concerned(cursor: Cursor, revision: int | None) -> list[tuple[int, int]]:
    """The (space, type) whose rows may change."""
    if revision is not None:
        # What is contained goes with its holder.
        return cursor.execute(
            "SELECT DISTINCT space, type FROM fhir_resource WHERE space < %s ORDER BY 1, 2", [keys.CONTAINED]
        ).fetchall()
    found: set[tuple[int, int]] = set()
    for space, bases in cursor.execute(
        "SELECT space, source->'base' #>> '{}' FROM reindex_parameter WHERE state IN ('building', 'cleaning')"
    ).fetchall():
        for code, name in enumerate(places.TYPES):
            if any(definitions.is_a(name, base) for base in orjson.loads(bases)):
                found.add((space, code))
    return sorted(found)


def _go_through(cursor: Cursor, number: int, place: list[int], after: list[int] | None, revising: bool) -> str:
    space, type_, bound, _ = place
    cursor.execute(
        "SELECT compartment, rid, version, updated, tokens, body FROM fhir_resource WHERE space = %s AND type = %s"
        " AND (updated, compartment, rid) > (%s, %s, %s) AND updated <= %s AND tokens IS NOT NULL"
        " ORDER BY updated, compartment, rid LIMIT %s",
        [space, type_, *(after or [-(1 << 62), 0, 0]), bound, BATCH],
    )
    found = cursor.fetchall()
    changed, late = rows.index_anew(space, type_, found, revising)
    last = found[-1] if found else None
    cursor.execute(
        "UPDATE reindex_run SET place = place + %s, after = %s, late = %s::json, seen = seen + %s, changed = changed + %s,"
        " moved = clock_timestamp() WHERE number = %s",
        [
            int(len(found) < BATCH),
            [last[3], last[0], last[1]] if last and len(found) == BATCH else None,
            orjson.dumps([[*each, space, type_] for each in late]).decode(),
            len(found),
            changed,
            number,
        ],
    )
    return MORE


def _late(cursor: Cursor, number: int, late: list[list[int]], revising: bool) -> str:
    """A row that somebody held: this transaction holds no other, so that waiting for it can block nobody."""
    compartment, rid, version, space, type_ = late[0]
    try:
        with db.transaction():
            cursor.execute("SET LOCAL lock_timeout = '2s'")
            cursor.execute(
                "SELECT compartment, rid, version, updated, tokens, body FROM fhir_resource WHERE compartment = %s"
                " AND rid = %s AND version = %s AND tokens IS NOT NULL FOR UPDATE",
                [compartment, rid, version],
            )
            found: list[Any] = cursor.fetchall()
    except psycopg.errors.LockNotAvailable:
        return WAIT
    # Written since by someone who knew the epoch: nothing is left to do.
    changed, _ = rows.index_anew(space, type_, found, revising)
    cursor.execute(
        "UPDATE reindex_run SET late = %s::json, changed = changed + %s, moved = clock_timestamp() WHERE number = %s",
        [orjson.dumps(late[1:]).decode(), changed, number],
    )
    return MORE


def _finish(cursor: Cursor, number: int, revision: int | None) -> str:
    cursor.execute("UPDATE reindex_parameter SET state = 'active' WHERE state = 'building'")
    cursor.execute("DELETE FROM reindex_parameter WHERE state = 'cleaning'")
    if revision is not None:
        cursor.execute("UPDATE reindex_epoch SET revised = greatest(revised, %s)", [revision])
    cursor.execute("UPDATE reindex_run SET finished = clock_timestamp() WHERE number = %s", [number])
    return MORE
