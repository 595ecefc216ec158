"""A read from memory is what a read from the database would be: never older than what was acknowledged."""

import random
import threading

import pytest

from virage.core import db as database
from virage.core.callers import system
from virage.core.fhir.bulk import erasing
from virage.core.fhir.service import FhirService
from virage.core.fhir.store import Store, Write, kept, reading, space

BY = system("test")


@pytest.fixture
def store(own_database, monkeypatch):
    monkeypatch.setenv("_VIRAGE_ATTACHED", "1")
    kept.start()
    yield Store(space("fhir"))
    kept.stop()


def observation(subject="Patient/p1", **more):
    code = {"coding": [{"system": "http://loinc.org", "code": "a"}]}
    return {"resourceType": "Observation", "status": "final", "code": code, "subject": {"reference": subject}, **more}


@pytest.fixture
def statements(monkeypatch):
    """How often the database was asked for a resource."""
    asked = []
    ask = reading._row
    monkeypatch.setattr(reading, "_row", lambda *given: asked.append(given[1:]) or ask(*given))
    return asked


def elsewhere(work):
    """Run on another connection, to its end."""

    def whole():
        work()
        database.let_go()

    thread = threading.Thread(target=whole)
    thread.start()
    thread.join()


def test_what_was_read_is_not_asked_for_again_until_it_changes(store, statements):
    made = store.create(observation(), by=BY)
    store.update(observation(id=made.id, status="amended"), by=BY)
    statements.clear()
    first = store.read("Observation", made.id)
    again = store.read("Observation", made.id)
    assert (first.version, again) == (2, first)
    assert len(statements) == 1
    elsewhere(lambda: store.update(observation(id=made.id, status="corrected"), by=BY))
    assert store.read("Observation", made.id).version == 3
    elsewhere(lambda: store.delete("Observation", made.id, by=BY))
    assert store.read("Observation", made.id).deleted
    elsewhere(lambda: store.update(observation(id=made.id), by=BY))
    assert store.read("Observation", made.id).version == 5


def test_many_writes_together_a_move_and_an_erasure_are_seen(store):
    store.update({"resourceType": "Patient", "id": "p1"}, by=BY)
    store.update(observation(id="one"), by=BY)
    assert store.read("Observation", "one").version == 1

    def together():
        with database.transaction():
            store.write([Write(observation(id="one", status="amended"), "one", True)], by=BY)

    elsewhere(together)
    assert store.read("Observation", "one").version == 2
    elsewhere(lambda: store.update(observation("Patient/p2", id="one"), by=BY))
    assert store.read("Observation", "one").resource["subject"] == {"reference": "Patient/p2"}
    assert store.read("Patient", "p1").version == 1
    service = FhirService(base="/fhir", space="fhir", code=space("fhir").code, title="Test")
    elsewhere(lambda: erasing.erase(service, "p1", by=BY))
    assert store.read("Patient", "p1") is None


def test_what_is_not_committed_is_given_to_nobody_else(store, statements):
    made = store.create(observation(), by=BY)
    store.read("Observation", made.id)
    with pytest.raises(ZeroDivisionError), database.transaction():
        store.update(observation(id=made.id, status="amended"), by=BY)
        assert store.read("Observation", made.id).version == 2
        found = []
        elsewhere(lambda: found.extend([store.read("Observation", made.id), store.read("Observation", made.id)]))
        assert [each.version for each in found] == [1, 1]
        raise ZeroDivisionError
    assert store.read("Observation", made.id).version == 1
    statements.clear()
    assert store.read("Observation", made.id).version == 1
    assert statements == []  # undone for certain, so it is kept again


def test_what_a_reader_makes_of_a_version_is_its_own(store):
    made = store.create(observation(), by=BY)
    store.read("Observation", made.id).resource["status"] = "entered-in-error"
    assert store.read("Observation", made.id).resource["status"] == "final"


def test_memory_is_bounded_and_what_is_asked_for_stays(store, monkeypatch, statements):
    monkeypatch.setattr(kept, "_limit", 64 * 1024)
    often = store.create(observation(), by=BY)
    made = [store.create(observation(), by=BY) for _ in range(300)]
    large = store.create(observation(note=[{"text": "x" * kept.LARGEST}]), by=BY)
    statements.clear()
    for each in made:
        store.read("Observation", each.id)
        store.read("Observation", often.id)
    assert [given for given in statements if given[1] == often.id] == [("Observation", often.id)]
    sizes = [len(entry[2].body) + kept._OVERHEAD for held in (kept._young, kept._old) for entry in held.values()]
    assert 16 * 1024 < sum(sizes) <= 66 * 1024
    statements.clear()
    for _ in range(2):
        store.read("Observation", large.id)
    assert len(statements) == 2


def test_nobody_reads_an_older_version_than_was_acknowledged(store):
    """Writers and readers at once: what a reader finds is at least what was acknowledged before it asked."""
    names = [store.create(observation(), by=BY).id for _ in range(3)]
    acknowledged = dict.fromkeys(names, 1)
    failures, done = [], threading.Event()

    def write(seed):
        draw = random.Random(seed)
        for _ in range(120):
            name = draw.choice(names)
            version = store.update(observation(id=name), by=BY).version
            acknowledged[name] = max(acknowledged[name], version)
        database.let_go()

    def read(seed):
        draw = random.Random(seed)
        while not done.is_set():
            name = draw.choice(names)
            least = acknowledged[name]
            found = store.read("Observation", name).version
            if found < least:
                failures.append((name, found, least))
        database.let_go()

    readers = [threading.Thread(target=read, args=(seed,)) for seed in range(3)]
    writers = [threading.Thread(target=write, args=(seed,)) for seed in range(10, 12)]
    for thread in (*readers, *writers):
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in readers:
        thread.join()
    assert failures == []
    assert max(acknowledged.values()) > 50


def test_with_a_database_of_its_own_nothing_is_kept(store, monkeypatch, statements):
    monkeypatch.delenv("_VIRAGE_ATTACHED")
    kept.start()
    made = store.create(observation(), by=BY)
    for _ in range(2):
        store.read("Observation", made.id)
    assert len(statements) == 2
