"""Long data steps: after a migration changed the form, the worker fills it piece by piece while the house runs.

A step is a function that handles one piece and says where it stopped. Its position is written in the transaction of the
piece, so a killed worker resumes exactly there, and a piece is never half done.
"""

from collections.abc import Callable

from virage.core import db

Step = Callable[[str], str | None]
"""Receives the position (empty at first), handles the next piece, answers the new position, None when all is done."""

_steps: dict[str, Step] = {}


def register(name: str, step: Step) -> None:
    """Declare a step; a room does so in its `tasks.py`. `name` is unique for ever, such as `dmp.0007_titles`."""
    _steps[name] = step


def advance(name: str, most: int = 1000) -> bool:
    """Handle pieces of one step until it is done (true) or `most` pieces were handled (false).

    Only one worker advances a step at a time: another one finds it locked, and answers false at once.
    """
    for _ in range(most):
        with db.transaction(), db.cursor() as cursor:
            cursor.execute("INSERT INTO db_backfill (name) VALUES (%s) ON CONFLICT DO NOTHING", (name,))
            row = cursor.execute(
                "SELECT position, finished IS NOT NULL FROM db_backfill WHERE name = %s FOR UPDATE SKIP LOCKED", (name,)
            ).fetchone()
            if row is None:
                return False
            position, finished = row
            if finished:
                return True
            reached = _steps[name](position)
            if reached is None:
                cursor.execute("UPDATE db_backfill SET finished = clock_timestamp() WHERE name = %s", (name,))
                return True
            cursor.execute(
                "UPDATE db_backfill SET position = %s, pieces = pieces + 1, moved = clock_timestamp() WHERE name = %s",
                (reached, name),
            )
    return False


def unfinished() -> list[str]:
    """Declared steps that are not done yet, in the order declared."""
    with db.cursor() as cursor:
        done = {row[0] for row in cursor.execute("SELECT name FROM db_backfill WHERE finished IS NOT NULL").fetchall()}
    return [name for name in _steps if name not in done]
