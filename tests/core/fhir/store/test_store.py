"""The life of a resource in the store, on the real database."""

import json
import threading

import pytest

from virage.core import db
from virage.core.callers import system
from virage.core.errors import Conflict
from virage.core.fhir.store import StaleVersion, Store, patient_key, places, space

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def observation(patient: str = "p1", **more):
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8302-2"}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": "2020-05-01",
        **more,
    }


def test_a_created_resource_reads_back_as_it_is_served(store):
    made = store.create(observation(), by=BY)
    read = store.read("Observation", made.id)
    assert read is not None
    assert read.body == made.body
    body = json.loads(read.body)
    assert body["id"] == made.id
    assert body["meta"]["versionId"] == "1"
    assert body["meta"]["lastUpdated"].endswith("Z")
    assert made.created
    assert not read.deleted


def test_an_id_of_ours_carries_the_patient_compartment(store):
    made = store.create(observation("somebody"), by=BY)
    assert made.compartment == patient_key("somebody") == places.decode(made.id)


def test_each_write_is_traced_in_its_transaction(store):
    made = store.create(observation(), by=BY)
    with db.cursor() as cursor:
        cursor.execute("SELECT action, patient FROM audit_trace ORDER BY recorded DESC LIMIT 1")
        assert cursor.fetchone() == ("fhir.create", "p1")
    store.delete("Observation", made.id, by=BY)
    with db.cursor() as cursor:
        cursor.execute("SELECT action FROM audit_trace ORDER BY recorded DESC LIMIT 1")
        assert cursor.fetchone() == ("fhir.delete",)


def test_versions_follow_each_other(store):
    made = store.create(observation(), by=BY)
    changed = store.update({**observation(), "id": made.id, "status": "amended"}, by=BY)
    assert (changed.version, changed.created) == (2, False)
    assert store.vread("Observation", made.id, 1).resource["status"] == "final"
    assert store.vread("Observation", made.id, 2).resource["status"] == "amended"
    assert store.vread("Observation", made.id, 3) is None
    gone = store.delete("Observation", made.id, by=BY)
    assert gone is not None
    assert gone.version == 3
    assert store.read("Observation", made.id).deleted
    assert store.delete("Observation", made.id, by=BY) is None
    back = store.update({**observation(), "id": made.id}, by=BY)
    assert (back.version, back.created) == (4, True)
    page = store.history("Observation", made.id, total=True)
    assert [(v.version, v.deleted) for v in page.versions] == [(4, False), (3, True), (2, False), (1, False)]
    assert page.total == 4


def test_a_stale_if_match_is_refused(store):
    made = store.create(observation(), by=BY)
    store.update({**observation(), "id": made.id}, by=BY, if_match=1)
    with pytest.raises(StaleVersion):
        store.update({**observation(), "id": made.id}, by=BY, if_match=1)
    with pytest.raises(StaleVersion):
        store.delete("Observation", made.id, by=BY, if_match=1)
    assert store.read("Observation", made.id).version == 2


def test_an_id_that_a_client_chose_is_found_wherever_it_lives(store):
    made = store.update({**observation("p9"), "id": "chosen"}, by=BY)
    assert made.created
    assert made.compartment == patient_key("p9")
    assert store.read("Observation", "chosen").body == made.body
    with pytest.raises(Conflict):
        store.create(observation("p8"), by=BY, id="chosen")


def test_a_resource_moves_with_its_patient_and_keeps_its_past(store):
    made = store.create(observation("p1"), by=BY)
    moved = store.update({**observation("p2"), "id": made.id}, by=BY)
    assert moved.compartment == patient_key("p2") != made.compartment
    assert store.read("Observation", made.id).version == 2
    assert store.vread("Observation", made.id, 1).body == made.body
    assert [v.version for v in store.history("Observation", made.id).versions] == [2, 1]
    assert [v.id for v in store.search("Observation", [("patient", "p2")]).matches] == [made.id]
    assert store.search("Observation", [("patient", "p1")]).matches == []
    again = store.update({**observation("p1"), "id": made.id}, by=BY)
    assert (again.version, again.compartment) == (3, patient_key("p1"))
    assert store.read("Observation", made.id).body == again.body


def test_decimals_leave_as_they_came(store):
    from virage.core.fhir import json as fhir_json

    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50}}'
    made = store.create(fhir_json.loads(body), by=BY)
    assert b"72.50" in store.read("Observation", made.id).body


@pytest.mark.django_db(transaction=True)
def test_parallel_updates_never_lose_one(transactional_db):
    store = Store(space("fhir"))
    made = store.create({"resourceType": "Basic", "code": {"text": "0"}}, by=BY, trace=False)
    errors: list[Exception] = []

    def work(number: int) -> None:
        from django.db import connections

        try:
            for turn in range(5):
                store.update({"resourceType": "Basic", "id": made.id, "code": {"text": f"{number}.{turn}"}}, by=BY)
        except Exception as error:
            errors.append(error)
        finally:
            connections["default"].close()

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    written = [v.resource["code"]["text"] for v in store.history("Basic", made.id, count=100).versions]
    assert errors == []
    assert len(written) == len(set(written)) == store.read("Basic", made.id).version == 21


def test_histories_page_without_loss(store):
    made = [store.create(observation(f"p{n % 2}"), by=BY, trace=False) for n in range(4)]
    store.create({"resourceType": "Basic", "code": {"text": "x"}}, by=BY, trace=False)
    store.update({**observation("p0"), "id": made[0].id}, by=BY, trace=False)
    store.delete("Observation", made[1].id, by=BY, trace=False)

    def walk(type):
        seen, cursor = [], None
        while True:
            page = store.history(type, count=2, cursor=cursor)
            assert len(page.versions) <= 2
            seen += [(v.id, v.version) for v in page.versions]
            cursor = page.next
            if cursor is None:
                return seen

    assert len(walk("Observation")) == len(set(walk("Observation"))) == 6
    assert len(set(walk(None))) == 7
    assert store.history(total=True).total == 7
    times = [v.last_updated for v in store.history().versions]
    assert times == sorted(times, reverse=True)
    first = store.vread("Observation", made[0].id, 1)
    assert store.history("Observation", made[0].id, since=first.last_updated).versions[-1].version == 1
    from datetime import timedelta

    instant = (first.last_updated, first.last_updated + timedelta(milliseconds=1))
    current = store.history("Observation", made[0].id, at=instant).versions
    assert [v.version for v in current][-1] == 1
    assert store.history("Observation", "nothing").versions == []
