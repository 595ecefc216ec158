"""Events through the real outbox."""

import select
import threading
import time

import pytest

from virage.core import db, events
from virage.core.errors import Conflict
from virage.core.events import delivery
from virage.core.events.worker import Worker


@pytest.fixture
def heard(own_database):
    """Two rooms that hear `test.said`; what each received."""
    received = {"a": [], "b": []}
    for room, box in received.items():
        events.hear("test.said", room, box.append)
    yield received
    for room in received:
        events.forget("test.said", room)


@pytest.fixture
def failing(own_database):
    """A room whose handler fails as often as `left` says; the attempts made."""
    state = {"left": 10**6, "attempts": 0}

    def handler(event):
        state["attempts"] += 1
        with db.cursor() as cursor:
            cursor.execute(
                "INSERT INTO events_dead (event, name, room, payload) VALUES (%s, 'mark', 'x', '{}')", (event.id,)
            )
        if state["left"]:
            state["left"] -= 1
            raise Conflict("Pas maintenant.", code="TEST.NOT_NOW")

    events.hear("test.fails", "a", handler)
    yield state
    events.forget("test.fails", "a")


def make_due():
    with db.cursor() as cursor:
        cursor.execute("UPDATE events_delivery SET due = clock_timestamp()")


def marks():
    with db.cursor() as cursor:
        return cursor.execute("SELECT count(*) FROM events_dead WHERE name = 'mark'").fetchone()[0]


def test_every_room_hears_once(heard):
    events.emit("test.said", {"id": "1"})
    assert events.drain() == 2
    assert [event.payload for event in heard["a"]] == [{"id": "1"}]
    assert heard["a"][0].id == heard["b"][0].id
    assert events.pending() == (0, 0)


def test_a_rolled_back_transaction_says_nothing(heard):
    with pytest.raises(ZeroDivisionError), db.transaction():
        events.emit("test.said", {"id": "1"})
        raise ZeroDivisionError
    assert events.pending() == (0, 0)


def test_what_nobody_hears_costs_nothing(own_database):
    with db.transaction():
        events.emit("test.unheard", {"id": "1"})
    assert events.pending() == (0, 0)


def test_a_failure_is_put_off_and_leaves_no_half_work(failing):
    failing["left"] = 1
    events.emit("test.fails", {})
    assert delivery.deliver_batch() == 1
    assert failing["attempts"] == 1
    assert marks() == 0
    assert events.pending() == (1, 0)
    make_due()
    events.drain()
    assert failing["attempts"] == 2
    assert marks() == 1
    assert events.pending()[0] == 0


def test_the_last_failure_makes_a_dead_letter_that_can_rise(failing):
    events.emit("test.fails", {"id": "7"})
    for _ in range(delivery.MOST_ATTEMPTS):
        make_due()
        events.drain()
    assert events.pending() == (0, 1)
    (letter,) = events.dead_letters()
    assert (letter.name, letter.attempts) == ("test.fails", delivery.MOST_ATTEMPTS)
    assert letter.error == "TEST.NOT_NOW: Pas maintenant."
    failing["left"] = 0
    assert events.retry(letter.id) == 1
    events.drain()
    assert events.pending() == (0, 1)  # the mark of the handler that went well
    assert marks() == 1


def test_an_error_of_others_is_told_without_its_text():
    try:
        int("1 85 05 78 006 084 36")
    except ValueError as error:
        said = delivery.describe(error)
    assert said.startswith("ValueError at test_events.py:")
    assert "85" not in said.partition("py:")[0]


def test_pauses_grow_to_an_hour():
    assert [delivery.pause_after(n) for n in range(1, 9)] == [1, 4, 16, 64, 256, 1024, 3600, 3600]


def test_one_key_keeps_its_order(heard):
    for number in range(30):
        events.emit("test.said", {"n": number}, key="patient")
    while events.drain():
        pass
    assert [event.payload["n"] for event in heard["b"]] == list(range(30))


def test_a_claim_whose_worker_died_comes_back(heard):
    events.emit("test.said", {})
    with db.cursor() as cursor:
        assert len(cursor.execute(delivery._CLAIM).fetchall()) == 2  # claimed, then killed
    assert events.drain() == 0
    make_due()
    assert events.drain() == 2


def test_the_worker_is_woken_by_the_notification(heard, monkeypatch):
    stop, done, asleep = threading.Event(), threading.Event(), threading.Event()

    def sleep(raw, stop) -> None:
        """As `delivery._sleep`, but that nothing else than a notification wakes it up."""
        asleep.set()
        while not stop.is_set() and not select.select([raw.fileno()], [], [], 0.1)[0]:
            pass

    monkeypatch.setattr(delivery, "_sleep", sleep)
    events.hear("test.said", "b", lambda event: done.set())
    thread = threading.Thread(target=delivery.run, args=(stop,))
    thread.start()
    try:
        assert asleep.wait(60)
        events.emit("test.said", {})
        assert done.wait(60)
    finally:
        stop.set()
        thread.join()


def test_periodic_work_goes_on_after_the_database_was_away(own_database, django_db_blocker, caplog):
    def ordered() -> int:
        with db.cursor() as cursor:
            return cursor.execute("SELECT count(*) FROM procrastinate_periodic_defers").fetchone()[0]

    def ordered_within(seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not ordered() and time.monotonic() < deadline:
            time.sleep(0.05)
        return ordered() > 0

    worker = Worker()
    worker.start()
    try:
        assert ordered_within(60)
        with db.cursor() as cursor:
            cursor.execute("TRUNCATE procrastinate_periodic_defers")
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        # At once when the worker noticed and began anew; with the next minute when only idle connections were lost.
        assert ordered_within(150)
    finally:
        worker.stop()
    assert len(caplog.records) < 20, "it says what happened, it does not repeat it"
