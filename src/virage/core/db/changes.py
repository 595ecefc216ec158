"""What is being changed, told to every process of this machine before it changes: so that one may keep what it has read.

A key falls in one of `SLOTS`, each with two counters: changes begun, and changes that ended, by commit or rollback. What was read
while both are equal holds as long as the first does not move. A change whose end is not known (the process was killed, the
connection was lost in its commit) is never ended: what falls in its slot is kept by nobody any more.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psycopg
from django.db.utils import DatabaseError

from virage.core.counters import Counters
from virage.core.db.session import connection, in_transaction

SLOTS = 1 << 16
_counters = Counters("changes", 2 * SLOTS)


def slot(key: int) -> int:
    """The place of a key, for `begun` and `settled`."""
    return key % SLOTS * 2


def begun(slot: int) -> int:
    """How many changes in this slot were ever begun."""
    return int(_counters.view()[slot])


def settled(slot: int) -> int | None:
    """The same when all of them have ended, else None. To be asked before the database is read."""
    view = _counters.view()
    number = int(view[slot])
    return number if view[slot + 1] == number else None


def change(keys: Iterable[int]) -> None:
    """Say, in the transaction under way and before its end, that it changes what has these keys. The change ends with it."""
    slots = sorted({slot(key) for key in keys})
    _counters.advance(slots)
    connection().changing.extend(slots)


@contextmanager
def changing(keys: Iterable[int]) -> Iterator[None]:
    """Around the statements that change what has these keys (not those that only add), with or without a transaction."""
    if in_transaction():
        change(keys)
        yield
        return
    slots = sorted({slot(key) for key in keys})
    _counters.advance(slots)
    try:
        yield
    except Exception as error:
        if not _in_doubt(error):
            ended(slots)
        raise
    ended(slots)


def ended(slots: Iterable[int]) -> None:
    """The changes of these slots were committed or undone, for certain."""
    _counters.advance(each + 1 for each in slots)


def _in_doubt(error: Exception) -> bool:
    """Whether the database may have committed all the same: it said nothing, or something of itself rather than of the statement."""
    cause = error if isinstance(error, psycopg.Error) else error.__cause__
    if not isinstance(cause, psycopg.Error):
        return isinstance(error, DatabaseError)
    return cause.sqlstate is None or cause.sqlstate.startswith(("08", "57P", "58", "XX"))
