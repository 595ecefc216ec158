"""Saying what happened, in the transaction of what happened."""

import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson

from virage.core import db

CHANNEL = "virage_events"
_LEAST_PAUSE = 0.05


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened: `name` is dotted (`dmp.published`), `payload` holds ids only, `at` is when it was said.

    `id` is the same for every room and every attempt, so that a handler with effects outside the database can tell a second
    delivery from a second event.
    """

    name: str
    payload: Mapping[str, Any]
    id: uuid.UUID
    at: datetime


Handler = Callable[[Event], None]

_heard: dict[str, dict[str, Handler]] = defaultdict(dict)
_last_wake = 0.0


def hear(name: str, room: str, handler: Handler) -> None:
    """Let `room` hear the events called `name`. One handler for each room and name; the site calls this at start."""
    _heard[name][room] = handler


def forget(name: str, room: str) -> None:
    """Let `room` no longer hear `name`."""
    _heard.get(name, {}).pop(room, None)


def handler_of(name: str, room: str) -> Handler | None:
    """The function by which a room hears a name."""
    return _heard.get(name, {}).get(room)


def heard(name: str) -> bool:
    """Whether any room hears `name`: a writer may spare itself a transaction when none does."""
    return bool(_heard.get(name))


def emit(name: str, payload: Mapping[str, Any], *, key: str = "") -> None:
    """Say that `name` happened. Free when no room hears it.

    `payload` must be JSON and hold ids only: it is stored and shown to operators. Deliveries with the same `key` reach a
    room one after the other, in the order said. Raises TypeError when the payload is not JSON.
    """
    rooms = _heard.get(name)
    if not rooms:
        return
    text = orjson.dumps(payload).decode()
    with db.cursor() as cursor:
        cursor.execute(
            "INSERT INTO events_delivery (event, name, room, key, payload)"
            " SELECT %s, %s, room, %s, %s::jsonb FROM unnest(%s::text[]) AS room",
            (uuid.uuid4(), name, key, text, list(rooms)),
        )
    db.after_commit(_wake)


def _wake() -> None:
    """Tell the workers, after the commit and not too often.

    A NOTIFY inside the transaction would make all commits of the database wait for each other. One that is lost or left out
    costs a second at most: workers also look by themselves.
    """
    global _last_wake
    now = time.monotonic()
    if now - _last_wake < _LEAST_PAUSE or db.in_transaction():
        return
    _last_wake = now
    with db.cursor() as cursor:
        cursor.execute(f"NOTIFY {CHANNEL}")
