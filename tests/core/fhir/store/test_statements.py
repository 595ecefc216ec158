"""How many SQL statements each operation of the store sends. A number that changes is looked into, not adjusted."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from virage.core import db as db_engine
from virage.core import events
from virage.core.access import InPatient
from virage.core.callers import system
from virage.core.fhir.index import registry
from virage.core.fhir.store import WRITTEN, Store, space

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


@pytest.fixture
def sent(monkeypatch):
    """The statements sent while the block runs, by psycopg cursors or straight to libpq."""
    seen: list[str] = []
    real = psycopg.Cursor.execute

    def execute(self, query, *rest, **more):
        seen.append(str(query))
        return real(self, query, *rest, **more)

    prepared = db_engine.fetch_prepared

    def fetch_prepared(name, statement, values):
        seen.append(str(statement))
        return prepared(name, statement, values)

    monkeypatch.setattr(psycopg.Cursor, "execute", execute)
    monkeypatch.setattr(db_engine, "fetch_prepared", fetch_prepared)

    @contextmanager
    def counting(expected: int) -> Iterator[None]:
        seen.clear()
        yield
        assert len(seen) == expected, "\n".join(seen)

    return counting


def observation(**more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "a"}]},
        "subject": {"reference": "Patient/p1"},
        "effectiveDateTime": "2020",
        **more,
    }


def test_statements_of_each_operation(store, sent):
    registry.refresh()  # once in a process, whoever is first
    with sent(1):
        made = store.create(observation(), by=BY)
    with sent(1):
        store.read("Observation", made.id)
    with sent(2):
        store.update({**observation(), "id": made.id}, by=BY)
    with sent(2):
        store.vread("Observation", made.id, 1)
    with sent(2):
        store.update({**observation(), "id": "chosen"}, by=BY)
    with sent(1):
        store.read("Observation", "chosen")
    with sent(2):
        store.history("Observation", made.id)
    with sent(1):
        store.history("Observation")
    for params in (
        [("code", "a")],
        [("code", "a"), ("date", "2020")],
        [("patient", "p1")],
        [("_id", made.id)],
        [("subject:Patient.family", "x")],
        [],
    ):
        # A chain asks first which types of resources are contained in others.
        expected = 2 if params and ("." in params[0][0] or params[0][0] == "_id") else 1
        with sent(expected):
            store.search("Observation", params)
    with sent(1):
        store.search("Observation", [("code", "a")], total=True)
    with sent(2):
        store.search("Observation", [("code", "a")], total=True, count=1)
    with sent(1):
        store.search("Observation", [("code", "a")], access=InPatient("p1"))
    with sent(2):
        store.search("Observation", [("code", "a"), ("_include", "Observation:subject")])
    with sent(2):
        store.delete("Observation", made.id, by=BY)


def test_an_event_that_somebody_hears_is_written_with_the_resource(store):
    heard = []
    events.hear(WRITTEN, "test", heard.append)
    try:
        made = store.create(observation(), by=BY)
        store.update({**observation(), "id": made.id}, by=BY)
        store.update({**observation(), "id": made.id, "subject": {"reference": "Patient/p2"}}, by=BY)
        store.delete("Observation", made.id, by=BY)
        store.create(observation(), by=BY, event=False)
        from virage.core import db as database

        with database.cursor() as cursor:
            cursor.execute("SELECT payload FROM events_delivery WHERE name = %s ORDER BY id", [WRITTEN])
            import json

            told = [json.loads(row[0]) if isinstance(row[0], str) else row[0] for row in cursor.fetchall()]
    finally:
        events.forget(WRITTEN, "test")
    assert [(each["interaction"], each["version"], each["id"]) for each in told] == [
        ("create", 1, made.id),
        ("update", 2, made.id),
        ("update", 3, made.id),
        ("delete", 4, made.id),
    ]
    assert told[2]["patient"] == "p2"


def test_the_pending_list_of_the_index_is_kept_short(own_database):
    from virage.core import db as database
    from virage.core.fhir.store.pending import keep_short

    keep_short()
    database.connection().close()
    with database.cursor() as cursor:
        cursor.execute("SHOW gin_pending_list_limit")
        assert cursor.fetchone() == ("64kB",)
    Store(space("fhir")).load([observation() for _ in range(10)], by=BY)
    with database.cursor() as cursor:
        cursor.execute("SHOW gin_pending_list_limit")
        assert cursor.fetchone() == ("64kB",)


def test_what_writes_left_waiting_is_taken_in(db):
    from virage.core import db as database
    from virage.core.fhir.tasks import take_in_tokens

    def pages() -> int:
        with database.cursor() as cursor:
            cursor.execute("SELECT gin_clean_pending_list('fhir_resource_tokens')")
            return int(cursor.fetchone()[0])

    store = Store(space("fhir"))
    store.create(observation(), by=BY)
    assert pages() > 0
    store.create(observation(), by=BY)
    take_in_tokens(0)
    assert pages() == 0
