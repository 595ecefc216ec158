"""Delivering what was said: claim, handle, forget; retry with growing pauses; give up visibly."""

import logging
import select
import threading
import traceback
from typing import Any

import orjson
import psycopg
from django.db import Error as DjangoError
from django.db import close_old_connections, connections

from virage.core import db
from virage.core.errors import VirageError
from virage.core.events.outbox import CHANNEL, Event, handler_of

logger = logging.getLogger("virage.events")

MOST_ATTEMPTS = 8
_BATCH = 20
_LEASE = "5 seconds"
"""A claimed delivery whose worker was killed comes back after this time; while its handler runs, its row is locked."""

# A claim counts the attempt before the handler runs, so that one which kills the worker does not come back for ever.
# Of deliveries with the same key, only the first is due.
_CLAIM = f"""
UPDATE events_delivery SET attempts = attempts + 1, due = clock_timestamp() + interval '{_LEASE}'
WHERE id = ANY (ARRAY(
    SELECT id FROM events_delivery AS mine
    WHERE due <= clock_timestamp() AND (key = '' OR NOT EXISTS (
        SELECT 1 FROM events_delivery AS before
        WHERE before.room = mine.room AND before.key = mine.key AND before.id < mine.id AND before.key <> ''))
    ORDER BY due, id LIMIT {_BATCH} FOR UPDATE SKIP LOCKED))
RETURNING id
"""
_TAKE = """
SELECT event, name, room, payload::text, emitted, attempts FROM events_delivery WHERE id = %s FOR UPDATE SKIP LOCKED
"""


def drain(most: int = 10_000) -> int:
    """Deliver what is due, now, in this thread; answers how many deliveries were tried. For tests and commands."""
    tried = 0
    while tried < most and (done := deliver_batch()):
        tried += done
    return tried


def deliver_batch() -> int:
    """Claim a few due deliveries and handle each in its own transaction; answers how many were claimed."""
    with db.cursor() as cursor:
        claimed = sorted(row[0] for row in cursor.execute(_CLAIM).fetchall())
    for number in claimed:
        try:
            _deliver(number)
        except Exception as error:  # whatever a handler raises, the other deliveries go on
            _note_failure(number, error)
    return len(claimed)


def _deliver(number: int) -> None:
    """Handle one delivery: the handler's writes and the delivery's end are one transaction."""
    with db.transaction(), db.cursor() as cursor:
        row = cursor.execute(_TAKE, (number,)).fetchone()
        if row is None:
            return  # another worker has it, or had it
        event, name, room, payload, at, _ = row
        handler = handler_of(name, room)
        if handler is None:
            raise VirageError(f"La pièce {room} n'écoute plus {name}.", code="EVENTS.NO_HANDLER")
        handler(Event(name, orjson.loads(payload), event, at))
        cursor.execute("DELETE FROM events_delivery WHERE id = %s", (number,))


def _note_failure(number: int, error: Exception) -> None:
    """Put the delivery off, or among the dead after the last attempt."""
    said = describe(error)
    with db.transaction(), db.cursor() as cursor:
        row = cursor.execute(_TAKE, (number,)).fetchone()
        if row is None:
            return
        name, room, attempts = row[1], row[2], row[5]
        if attempts < MOST_ATTEMPTS:
            cursor.execute(
                "UPDATE events_delivery SET due = clock_timestamp() + make_interval(secs => %s), error = %s WHERE id = %s",
                (pause_after(attempts), said, number),
            )
        else:
            cursor.execute(
                "WITH gone AS (DELETE FROM events_delivery WHERE id = %s RETURNING *)"
                " INSERT INTO events_dead (event, name, room, key, payload, emitted, attempts, due, error)"
                " SELECT event, name, room, key, payload, emitted, attempts, due, %s FROM gone",
                (number, said),
            )
    level = logging.ERROR if attempts >= MOST_ATTEMPTS else logging.WARNING
    logger.log(level, "%s to %s failed (attempt %d of %d): %s", name, room, attempts, MOST_ATTEMPTS, said)


def pause_after(attempts: int) -> float:
    """Seconds before the next attempt: 1, 4, 16, … an hour at most."""
    return float(min(4 ** (attempts - 1), 3600))


def describe(error: BaseException) -> str:
    """What may be written of an error: refusals of ours say nothing personal, of others only the kind and the place."""
    if isinstance(error, VirageError):
        return f"{error.code}: {error.text}"
    frames = traceback.extract_tb(error.__traceback__)
    where = f" at {frames[-1].filename.rpartition('/')[2]}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{where}"


def run(stop: threading.Event) -> None:
    """Deliver until `stop`; woken by NOTIFY, and by itself every second. Survives a database that goes away."""
    pause = 0.5
    while not stop.is_set():
        try:
            raw: psycopg.Connection[Any] = db.connection().connection
            woken = threading.Event()

            def wake(_: object, woken: threading.Event = woken) -> None:
                woken.set()

            raw.add_notify_handler(wake)
            raw.execute(f"LISTEN {CHANNEL}")
            while not stop.is_set() and db.connection().connection is raw:
                woken.clear()
                if not deliver_batch() and not woken.is_set():
                    _sleep(raw, stop)
                pause = 0.5
        except (psycopg.Error, DjangoError, OSError, VirageError) as error:
            logger.warning("delivery interrupted: %s", describe(error))
            close_old_connections()
            stop.wait(pause)
            pause = min(pause * 2, 10)
    connections["default"].close()


def _sleep(raw: psycopg.Connection[Any], stop: threading.Event) -> None:
    """Wait for a notification, a second at most."""
    for _ in range(4):
        if stop.is_set() or select.select([raw.fileno()], [], [], 0.25)[0]:
            return
