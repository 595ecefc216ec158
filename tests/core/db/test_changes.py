"""What is being changed is known to every process before it is changed, and until its end is certain."""

import multiprocessing
import os
import threading

import psycopg
import pytest

from virage.core import db
from virage.core.counters import Counters
from virage.core.db import changes

pytestmark = pytest.mark.usefixtures("own_database")

KEY = 123_456_789
SLOT = changes.slot(KEY)


def started():
    """Where the slot stands: changes begun, and whether all have ended."""
    return changes.begun(SLOT), changes.settled(SLOT) is not None


def test_a_change_is_unsettled_until_its_transaction_ends():
    before, settled = started()
    assert settled
    with db.transaction():
        with db.transaction(), db.changing([KEY]):
            assert started() == (before + 1, False)
        assert started() == (before + 1, False)  # a savepoint is no end
    assert started() == (before + 1, True)
    with pytest.raises(ZeroDivisionError), db.transaction():
        db.change([KEY])
        assert started() == (before + 2, False)
        raise ZeroDivisionError
    assert started() == (before + 2, True)


def test_a_change_of_one_statement_ends_with_it_whether_it_was_taken_or_refused():
    before, _ = started()
    with db.changing([KEY]), db.cursor() as cursor:
        cursor.execute("SELECT 1")
        assert started() == (before + 1, False)
    assert started() == (before + 1, True)
    with pytest.raises(psycopg.errors.UndefinedTable), db.changing([KEY]), db.cursor() as cursor:
        cursor.execute("SELECT * FROM nothing_of_this_name")
    assert started() == (before + 2, True)


def _lose_connection():
    with db.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        ((number,),) = cursor.fetchall()
    ended = threading.Thread(target=_terminate, args=(number,))
    ended.start()
    ended.join()


def _terminate(number):
    with db.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 300000)", (number,))
    db.let_go()


def test_a_change_whose_end_nobody_heard_never_ends():
    other = KEY + 1
    slot = changes.slot(other)
    with pytest.raises(Exception, match=r"terminat|closed|lost"), db.transaction():
        db.change([other])
        _lose_connection()
    assert changes.settled(slot) is None
    with db.transaction():
        db.change([KEY])  # on a new connection: its end is not that of the one before
    assert changes.settled(slot) is None
    assert changes.settled(SLOT) is not None
    with pytest.raises(psycopg.OperationalError), db.changing([KEY + 2]):
        _lose_connection()
        raise psycopg.OperationalError("the server said nothing more")
    assert changes.settled(changes.slot(KEY + 2)) is None


def test_keys_of_one_slot_count_once():
    before, _ = started()
    with db.changing([KEY, KEY + changes.SLOTS, KEY]):
        assert started() == (before + 1, False)
    assert started() == (before + 1, True)


def _advance(name, times):
    counters = Counters(name, 4)
    for _ in range(times):
        counters.advance((1, 3))


def test_counters_are_those_of_every_process():
    name = f"counted-{os.getpid()}"
    counters = Counters(name, 4)
    assert list(counters.view()) == [0, 0, 0, 0]
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_advance, args=(name, 300)) for _ in range(2)]
    for process in processes:
        process.start()
    threads = [threading.Thread(target=_advance, args=(name, 300)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for each in (*threads, *processes):
        each.join()
    assert list(counters.view()) == [0, 1200, 0, 1200]
