"""Many writes together leave what the same writes leave one by one, by a number of statements that does not grow."""

import threading

import psycopg
import pytest

from virage.core import db as db_engine
from virage.core.callers import system
from virage.core.fhir.store import StaleAmong, Store, Write, space, together

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def observation(subject="Patient/p1", **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "a"}]},
        "subject": {"reference": subject},
        "effectiveDateTime": "2020",
        "valueQuantity": {"value": 1.50, "code": "kg"},
        **more,
    }


def put(id, **more):
    return Write(observation(id=id, **more), id, True)


def rows(table):
    with db_engine.cursor() as cursor:
        cursor.execute(f"SELECT count(*) FROM {table}")
        return cursor.fetchone()[0]


def test_what_was_there_is_replaced_what_was_not_is_made(store):
    for id in ("here", "moved", "gone"):
        store.update(observation(id=id), by=BY)
    store.delete("Observation", "gone", by=BY)
    fresh = store.new_id("Observation", ["p1"])
    traces = rows("audit_trace")
    with db_engine.transaction():
        written = store.write(
            [
                Write(observation(status="amended"), fresh),
                put("here", effectiveDateTime="2021"),
                put("moved", subject="Patient/p2"),
                put("gone"),
                put("new"),
                Write({"resourceType": "Organization", "id": "org", "name": "Hôpital"}, "org", True),
            ],
            by=BY,
        )
    assert [(each.id, each.version, each.created) for each in written] == [
        (fresh, 1, True),
        ("here", 2, False),
        ("moved", 2, False),
        ("gone", 3, True),
        ("new", 1, True),
        ("org", 1, True),
    ]
    assert rows("audit_trace") == traces + 6
    for each in written:
        found = store.read(each.type, each.id)
        assert (found.body, found.version, found.last_updated) == (each.body, each.version, each.last_updated)

    def found(**params):
        page = store.search("Observation", [(name.replace("_", "-"), value) for name, value in params.items()])
        return {each.id for each in page.matches}

    assert found(patient="p1") == {fresh, "here", "gone", "new"}
    assert found(patient="p2") == {"moved"}
    assert found(date="2021") == {"here"}
    assert found(status="amended") == {fresh}
    assert found(value_quantity="1.5") == {fresh, "here", "moved", "gone", "new"}
    assert [each.version for each in store.history("Observation", "here").versions] == [2, 1]
    assert [each.version for each in store.history("Observation", "moved").versions] == [2, 1]
    assert [each.version for each in store.history("Observation", "gone").versions] == [3, 2, 1]
    assert store.search("Organization", [("name", "hopital")]).matches[0].id == "org"
    # Once more over what was written together.
    with db_engine.transaction():
        again = store.write([put("here"), put("moved", subject="Patient/p2"), put("new")], by=BY)
    assert [each.version for each in again] == [3, 3, 2]
    assert found(date="2021") == set()


def test_a_version_that_is_not_the_current_one_is_told_with_its_place(store):
    store.update(observation(id="a"), by=BY)
    with pytest.raises(StaleAmong) as refused, db_engine.transaction():
        store.write([put("b"), Write(observation(id="a"), "a", True, 7)], by=BY)
    assert refused.value.place == 1
    assert store.read("Observation", "b") is None
    with db_engine.transaction():
        assert store.write([Write(observation(id="a"), "a", True, 1)], by=BY)[0].version == 2


@pytest.mark.parametrize("count", [3, together.MERGED])
def test_statements_do_not_grow_with_the_writes(store, monkeypatch, count):
    sent = []
    execute, copy = psycopg.Cursor.execute, psycopg.Cursor.copy
    monkeypatch.setattr(
        psycopg.Cursor, "execute", lambda self, q, *a, **k: (sent.append(q), execute(self, q, *a, **k))[1]
    )
    monkeypatch.setattr(psycopg.Cursor, "copy", lambda self, q, *a, **k: (sent.append(q), copy(self, q, *a, **k))[1])
    merging = 3 if count >= together.MERGED else 0

    def statements(writes):
        with db_engine.transaction():
            sent.clear()
            store.write(writes, by=BY)
            # One asks for the epoch of the index.
            return len(sent) - merging - 1

    ids = [f"o{number}" for number in range(count)]
    # Resources, dates, numbers, traces.
    assert statements([Write(observation(), store.new_id("Observation", ["p1"])) for _ in ids]) == 4
    # Looked for, and located.
    assert statements([put(id) for id in ids]) == 6
    # Looked for, replaced, dates, numbers, traces.
    assert statements([put(id) for id in ids]) == 5


def test_transactions_that_cross_are_both_done(own_database):
    store = Store(space("fhir"))
    ids = [f"o{number}" for number in range(20)]
    failed = []

    def work(order):
        try:
            for _ in range(3):
                db_engine.retrying(lambda: store.write([put(id) for id in order], by=BY))
        except Exception as error:
            failed.append(error)
        finally:
            db_engine.connection().close()

    threads = [threading.Thread(target=work, args=(order,)) for order in (ids, ids[::-1])]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert {store.read("Observation", id).version for id in ids} == {6}
