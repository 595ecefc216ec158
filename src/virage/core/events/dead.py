"""What could not be delivered, for operators: seen, and tried again."""

import uuid
from dataclasses import dataclass
from datetime import datetime

from virage.core import db


@dataclass(frozen=True, slots=True)
class Letter:
    """A delivery that failed for good: `error` says why without a word on anybody."""

    id: int
    event: uuid.UUID
    name: str
    room: str
    emitted: datetime
    died: datetime
    attempts: int
    error: str


def dead_letters(most: int = 100) -> list[Letter]:
    """The latest dead letters."""
    with db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT id, event, name, room, emitted, died, attempts, error FROM events_dead ORDER BY id DESC LIMIT %s",
            (most,),
        ).fetchall()
    return [Letter(*row) for row in rows]


def pending() -> tuple[int, int]:
    """How many deliveries wait, and how many are dead."""
    with db.cursor() as cursor:
        row = cursor.execute(
            "SELECT (SELECT count(*) FROM events_delivery), (SELECT count(*) FROM events_dead)"
        ).fetchone()
    assert row is not None
    return row[0], row[1]


def retry(number: int | None = None) -> int:
    """Put one dead letter (all without `number`) back among the deliveries due now; answers how many."""
    with db.cursor() as cursor:
        cursor.execute(
            "WITH risen AS (DELETE FROM events_dead WHERE %s::bigint IS NULL OR id = %s::bigint RETURNING *)"
            " INSERT INTO events_delivery (event, name, room, key, payload, emitted)"
            " SELECT event, name, room, key, payload, emitted FROM risen",
            (number, number),
        )
        return cursor.rowcount
