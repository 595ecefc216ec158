"""The rows of subscriptions and of their notices."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from virage.core import db
from virage.core.callers import Caller
from virage.core.fhir.bulk.jobs import text_of
from virage.core.fhir.store import places
from virage.core.fhir.subscriptions.rules import Declared

_COLUMNS = "space, id, state, owner::text, declared::text, events, failures, problem, ends, ends <= clock_timestamp()"
_NOTICE = "number, focus, version, at, state, attempts, due, tried, code, problem"


@dataclass(frozen=True, slots=True)
class Subscribed:
    """A subscription as the machinery knows it; `space` is the number of the base, `events` the number of the last event."""

    space: int
    id: str
    state: str
    owner: Caller
    declared: Declared
    events: int
    failures: int
    problem: str
    ends: datetime | None
    over: bool | None
    """Whether the end has come; None when there is none."""


@dataclass(frozen=True, slots=True)
class Notice:
    """One thing to tell one subscriber; `state` is pending, sent, failed or withheld."""

    number: int
    focus: str
    version: int
    at: datetime
    state: str
    attempts: int
    due: datetime
    tried: datetime | None
    code: int | None
    problem: str


def _subscribed(row: Any) -> Subscribed:
    owner = orjson.loads(row[3])
    owner["scopes"] = frozenset(owner["scopes"])
    return Subscribed(row[0], row[1], row[2], Caller(**owner), Declared(**orjson.loads(row[4])), *row[5:])


def declare(space: int, id: str, owner: Caller, declared: Declared, state: str) -> None:
    """Write or replace a subscription; its events and their numbers stay."""
    with db.cursor() as cursor:
        cursor.execute(
            "INSERT INTO subscription (space, id, type, state, owner, declared, ends, heartbeat)"
            " VALUES (%s, %s, %s, %s, %s::json, %s::json, %s::timestamptz, %s) ON CONFLICT (space, id) DO UPDATE SET"
            " type = EXCLUDED.type, state = EXCLUDED.state, owner = EXCLUDED.owner, declared = EXCLUDED.declared,"
            " ends = EXCLUDED.ends, heartbeat = EXCLUDED.heartbeat, failures = 0, problem = ''",
            [
                space,
                id,
                places.type_code(declared.type),
                state,
                text_of(owner),
                orjson.dumps(declared.as_json()).decode(),
                declared.ends or None,
                declared.heartbeat,
            ],
        )


def forget(space: int, id: str) -> None:
    """No more of it, nor of what was to be told."""
    with db.cursor() as cursor:
        cursor.execute("DELETE FROM subscription_notice WHERE space = %s AND id = %s", [space, id])
        cursor.execute("DELETE FROM subscription WHERE space = %s AND id = %s", [space, id])


def get(space: int, id: str) -> Subscribed | None:
    """One subscription."""
    with db.cursor() as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM subscription WHERE space = %s AND id = %s", [space, id]
        ).fetchone()
    return None if row is None else _subscribed(row)


def ids(space: int) -> list[str]:
    """The ids of the subscriptions of a base."""
    with db.cursor() as cursor:
        return [row[0] for row in cursor.execute("SELECT id FROM subscription WHERE space = %s", [space]).fetchall()]


def looking_at(space: int, type: int) -> list[Subscribed]:
    """Active subscriptions to a type, whose end has not come."""
    with db.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM subscription WHERE space = %s AND type = %s AND state = 'active'"
            " AND (ends IS NULL OR ends > clock_timestamp()) ORDER BY id",
            [space, type],
        )
        return [_subscribed(row) for row in cursor]


def note(one: Subscribed, focus: str, version: int) -> int:
    """Write a notice under the next number of its subscription."""
    with db.transaction(), db.cursor() as cursor:
        row = cursor.execute(
            "UPDATE subscription SET events = events + 1 WHERE space = %s AND id = %s RETURNING events",
            [one.space, one.id],
        ).fetchone()
        if row is None:
            return 0
        cursor.execute(
            "INSERT INTO subscription_notice (space, id, number, focus, version) VALUES (%s, %s, %s, %s, %s)",
            [one.space, one.id, row[0], focus, version],
        )
        return int(row[0])


def take(space: int, id: str, most: int) -> list[Notice]:
    """The first notices that wait, `most` of them, if they are due: their attempt is counted, and nobody else has them for two minutes.

    Those that were tried together are tried again together: what waits behind them does not share their attempts.
    """
    with db.transaction(), db.cursor() as cursor:
        # One at a time: else a second worker, held up by the first, would go on with what came after.
        cursor.execute("SELECT FROM subscription WHERE space = %s AND id = %s FOR NO KEY UPDATE", [space, id])
        cursor.execute(
            "WITH waiting AS (SELECT number, due, attempts FROM subscription_notice"
            " WHERE space = %s AND id = %s AND state = 'pending' ORDER BY number LIMIT %s),"
            " first AS (SELECT due, attempts FROM waiting ORDER BY number LIMIT 1)"
            " UPDATE subscription_notice SET attempts = attempts + 1, tried = clock_timestamp(),"
            " due = clock_timestamp() + interval '2 minutes' WHERE space = %s AND id = %s AND number IN"
            " (SELECT w.number FROM waiting w JOIN first f ON w.attempts = f.attempts WHERE f.due <= clock_timestamp())"
            f" RETURNING {_NOTICE}",
            [space, id, most, space, id],
        )
        return sorted((Notice(*row) for row in cursor), key=lambda each: each.number)


def settle(
    space: int, id: str, notices: Sequence[Notice], state: str, code: int | None, problem: str, pause: float = 0
) -> None:
    """Write how a delivery went, for those not settled yet; with `pending`, when it is to be tried again (seconds)."""
    with db.cursor() as cursor:
        cursor.execute(
            "UPDATE subscription_notice SET state = %s, code = %s, problem = %s,"
            " due = clock_timestamp() + make_interval(secs => %s) WHERE space = %s AND id = %s AND number = ANY(%s)"
            " AND state = 'pending'",
            [state, code, problem, pause, space, id, [each.number for each in notices]],
        )


def change(space: int, id: str, state: str, problem: str, failures: int) -> None:
    """Write the state of a subscription."""
    with db.cursor() as cursor:
        cursor.execute(
            "UPDATE subscription SET state = %s, problem = %s, failures = %s WHERE space = %s AND id = %s",
            [state, problem, failures, space, id],
        )


def spoke(space: int, id: str) -> None:
    """The endpoint just took something."""
    with db.cursor() as cursor:
        cursor.execute("UPDATE subscription SET spoken = clock_timestamp() WHERE space = %s AND id = %s", [space, id])


def silent() -> list[tuple[int, str]]:
    """Active subscriptions whose endpoint has heard nothing for longer than they ask for."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT space, id FROM subscription WHERE state = 'active' AND heartbeat > 0"
            " AND spoken <= clock_timestamp() - make_interval(secs => heartbeat)"
        )
        return [(row[0], row[1]) for row in cursor]


def notices(space: int, id: str, first: int, last: int, most: int) -> list[Notice]:
    """Notices by number, both ends included, the first `most`."""
    with db.cursor() as cursor:
        cursor.execute(
            f"SELECT {_NOTICE} FROM subscription_notice WHERE space = %s AND id = %s AND number BETWEEN %s AND %s"
            " ORDER BY number LIMIT %s",
            [space, id, first, last, most],
        )
        return [Notice(*row) for row in cursor]


def overdue() -> list[tuple[int, str]]:
    """Active subscriptions that have a notice due: their delivery must have been lost with a worker."""
    with db.cursor() as cursor:
        cursor.execute(
            "SELECT DISTINCT n.space, n.id FROM subscription_notice n JOIN subscription s USING (space, id)"
            " WHERE n.state = 'pending' AND n.due < clock_timestamp() - interval '30 seconds' AND s.state = 'active'"
        )
        return [(row[0], row[1]) for row in cursor]


def ended() -> list[tuple[int, str]]:
    """Subscriptions whose end has come."""
    with db.cursor() as cursor:
        cursor.execute("SELECT space, id FROM subscription WHERE ends <= clock_timestamp() AND state <> 'off'")
        return [(row[0], row[1]) for row in cursor]


def trim(days: int = 30) -> int:
    """Let go of old notices that are settled; gives how many."""
    with db.cursor() as cursor:
        cursor.execute(
            "DELETE FROM subscription_notice WHERE state <> 'pending' AND at < clock_timestamp() - make_interval(days => %s)",
            [days],
        )
        return cursor.rowcount
