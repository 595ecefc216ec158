"""The face of `core.db` against a real server."""

import threading
import time

import psycopg
import pytest

from tests.site.running import PATIENCE
from virage.core import db


@pytest.fixture
def table(own_database):
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE thing (number int PRIMARY KEY, word text)")


def count() -> int:
    with db.cursor() as cursor:
        return cursor.execute("SELECT count(*) FROM thing").fetchone()[0]


def test_outside_a_transaction_each_statement_stands(table):
    with db.cursor() as cursor:
        cursor.execute("INSERT INTO thing VALUES (%s, %s)", (1, "un"))
        with pytest.raises(psycopg.errors.UniqueViolation):
            cursor.execute("INSERT INTO thing VALUES (%s, %s)", (1, "un"))
    assert count() == 1


def test_a_failed_transaction_leaves_nothing_and_calls_nothing(table):
    called = []
    with pytest.raises(ZeroDivisionError), db.transaction():
        db.after_commit(lambda: called.append(1))
        with db.cursor() as cursor:
            cursor.execute("INSERT INTO thing VALUES (1, 'un')")
        raise ZeroDivisionError
    assert count() == 0
    assert called == []


def test_copy_text_and_binary(table):
    assert db.copy_rows("thing", ("number", "word"), [(1, "é"), (2, None)]) == 2
    assert db.copy_rows("thing", ("number", "word"), [(3, "x")], types=("int4", "text")) == 1
    assert count() == 3


def test_a_cut_connection_is_replaced_outside_a_transaction(table):
    raw = db.connection().connection
    with psycopg.connect(raw.info.dsn, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s)", (raw.info.backend_pid,))
    deadline = time.monotonic() + PATIENCE
    while db.connection().connection is raw:
        assert time.monotonic() < deadline, "the cut is not noticed"
        time.sleep(0.02)
    assert count() == 0


def test_retrying_runs_again_after_a_deadlock(table):
    db.copy_rows("thing", ("number", "word"), [(1, "a"), (2, "b")])
    both = threading.Barrier(2, timeout=120)
    runs = []

    def swap(first: int, second: int) -> None:
        from django.db import connections

        met = False

        def work() -> None:
            nonlocal met
            runs.append(first)
            with db.cursor() as cursor:
                cursor.execute("UPDATE thing SET word = word || 'x' WHERE number = %s", (first,))
                if not met:
                    met = True
                    both.wait()
                cursor.execute("UPDATE thing SET word = word || 'x' WHERE number = %s", (second,))

        db.retrying(work)
        connections.close_all()

    other = threading.Thread(target=swap, args=(2, 1))
    other.start()
    swap(1, 2)
    other.join()
    with db.cursor() as cursor:
        assert cursor.execute("SELECT word FROM thing ORDER BY number").fetchall() == [("axx",), ("bxx",)]
    assert len(runs) == 3


def test_lock_needs_a_transaction_and_excludes(table):
    with pytest.raises(RuntimeError):
        db.lock("x")
    raw = db.connection().connection
    with db.transaction():
        db.lock("x")
        with psycopg.connect(raw.info.dsn) as other:
            held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = %s"
            assert other.execute(held, (raw.info.backend_pid,)).fetchone() == (1,)


@pytest.mark.django_db(transaction=True)
def test_a_prepared_read_outlives_the_drivers_forgetting():
    def read(value: int) -> bytes | None:
        result = db.fetch_prepared(b"test_prepared", b"SELECT $1::int + 1", (b"%d" % value,))
        return result.get_value(0, 0)

    assert int.from_bytes(read(1), "big") == 2
    with db.cursor() as cursor:
        cursor.execute("DEALLOCATE ALL")
    assert int.from_bytes(read(2), "big") == 3
    with db.transaction():
        assert int.from_bytes(read(3), "big") == 4
    with pytest.raises(psycopg.errors.DivisionByZero):
        db.fetch_prepared(b"test_failing", b"SELECT 1 / $1::int", (b"0",))
    assert int.from_bytes(read(4), "big") == 5
