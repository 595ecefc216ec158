"""$export through the router: the order, the work in slices, the manifest, the files."""

import orjson
import pytest

from tests.core.fhir.router.conftest import SOFTWARE, asking, observation, patient
from virage.core import db
from virage.core.callers import Caller
from virage.core.fhir import SHARED, FhirRequest, router
from virage.core.fhir.bulk import exporting, jobs
from virage.core.fhir.service import register_egress

ASYNC = {"prefer": "respond-async"}


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))


def _order(ask, path, **headers):
    told = ask("GET", path, **{**ASYNC, **headers})
    assert told.status == 202, told.body
    return told.headers["Content-Location"].partition("/fhir/")[2]


def _finish(ask, status):
    """Run the job to its end and give its manifest."""
    job = status.partition("job=")[2]
    while exporting.run(job):
        pass
    told = ask("GET", status)
    assert told.status == 200, told.body
    return told.json


def _read(ask, url, caller=SOFTWARE):
    request = FhirRequest("GET", *_parts(url), caller=caller, base="http://test.local/fhir")
    response = router.handle(SHARED, request)
    assert response.status == 200
    data = b"".join(response.stream)
    assert len(data) == int(response.headers["Content-Length"])
    return [orjson.loads(line) for line in data.splitlines()]


def _parts(url):
    path, _, query = url.partition("/fhir/")[2].partition("?")
    return path, query


def _export(ask, path="$export", caller=SOFTWARE, **headers):
    manifest = _finish(ask, _order(ask, path, **headers))
    return manifest, [each for file in manifest["output"] for each in _read(ask, file["url"], caller)]


def _names(resources):
    return sorted(f"{each['resourceType']}/{each['id']}" for each in resources)


def _world(ask):
    anne, bob = (ask("POST", "Patient", patient()).json["id"] for _ in range(2))
    made = [ask("POST", "Observation", observation(f"Patient/{who}")).json["id"] for who in (anne, anne, bob)]
    place = ask("POST", "Organization", {"resourceType": "Organization", "name": "Essai"}).json["id"]
    return anne, bob, made, place


def test_everything_of_the_base(ask):
    anne, bob, made, place = _world(ask)
    status = _order(ask, "$export")
    under_way = ask("GET", status)
    assert under_way.status == 202
    assert under_way.headers["Retry-After"]
    assert under_way.headers["X-Progress"]
    manifest = _finish(ask, status)
    assert manifest["requiresAccessToken"] is True
    assert manifest["request"] == "http://test.local/fhir/$export"
    found = [each for file in manifest["output"] for each in _read(ask, file["url"])]
    expected = [f"Patient/{anne}", f"Patient/{bob}", *(f"Observation/{id}" for id in made), f"Organization/{place}"]
    assert _names(found) == sorted(expected)
    assert sum(file["count"] for file in manifest["output"]) == len(expected)
    stored = ask("GET", f"Patient/{anne}").json
    assert [each for each in found if each["id"] == anne] == [stored]


def test_types_filters_elements_and_since(ask):
    anne, bob, made, _ = _world(ask)
    _, found = _export(ask, "$export?_type=Patient")
    assert _names(found) == sorted([f"Patient/{anne}", f"Patient/{bob}"])
    _, found = _export(ask, f"$export?_type=Observation&_typeFilter=Observation?patient={bob}")
    assert _names(found) == [f"Observation/{made[2]}"]
    both = f"Observation%3Fpatient%3D{bob},Observation%3F_id%3D{made[0]}"
    _, found = _export(ask, f"$export?_type=Observation&_typeFilter={both}")
    assert _names(found) == sorted([f"Observation/{made[2]}", f"Observation/{made[0]}"])
    _, found = _export(ask, "$export?_type=Patient&_elements=gender")
    assert all("name" not in each and each["gender"] == "female" for each in found)
    _, found = _export(ask, "$export?_since=2999-01-01T00:00:00Z")
    assert found == []


def test_patients_and_groups(ask):
    anne, bob, made, place = _world(ask)
    _, found = _export(ask, "Patient/$export")
    assert f"Organization/{place}" not in _names(found)
    assert len(found) == 5
    group = {
        "resourceType": "Group",
        "type": "person",
        "actual": True,
        "member": [
            {"entity": {"reference": f"Patient/{anne}"}},
            {"entity": {"reference": f"Patient/{bob}"}, "inactive": True},
        ],
    }
    id = ask("POST", "Group", group).json["id"]
    _, found = _export(ask, f"Group/{id}/$export?_type=Patient,Observation")
    assert _names(found) == sorted([f"Patient/{anne}", f"Observation/{made[0]}", f"Observation/{made[1]}"])


def test_the_rules_of_the_caller_hold(ask):
    anne, _, _, _ = _world(ask)
    limited = Caller(
        kind="software",
        subject="limited",
        patient=anne,
        scopes=frozenset({"patient/Observation.rs", "patient/Patient.r"}),
    )
    theirs = asking(caller=limited)
    status = _order(theirs, "$export")
    manifest = _finish(theirs, status)
    assert [(file["type"], file["count"]) for file in manifest["output"]] == [("Observation", 2)]
    assert theirs("GET", "$export?_type=Patient", **ASYNC).status == 403
    # Nobody else sees the job or its files, not even who may read all.
    assert ask("GET", status).status == 404
    assert ask("GET", manifest["output"][0]["url"].partition("/fhir/")[2]).status == 404


def test_a_state_of_one_moment(ask, monkeypatch):
    """What changes, appears or goes after the order is exported as it was."""
    anne, bob, made, _ = _world(ask)
    status = _order(ask, "$export?_type=Patient,Observation")
    import time

    time.sleep(0.005)
    ask("PUT", f"Observation/{made[0]}", observation(f"Patient/{anne}", id=made[0], status="amended"))
    ask("PUT", f"Observation/{made[0]}", observation(f"Patient/{anne}", id=made[0], status="corrected"))
    ask("DELETE", f"Observation/{made[1]}")
    late = ask("POST", "Patient", patient()).json["id"]
    manifest = _finish(ask, status)
    found = [each for file in manifest["output"] for each in _read(ask, file["url"])]
    assert _names(found) == sorted([f"Patient/{anne}", f"Patient/{bob}", *(f"Observation/{id}" for id in made)])
    assert {each["status"] for each in found if each["resourceType"] == "Observation"} == {"final"}
    assert late not in str(found)


def test_changed_while_it_was_read_is_told_once(ask, monkeypatch):
    anne, _, made, _ = _world(ask)
    monkeypatch.setattr(exporting, "PAGE", 1)
    status = _order(ask, "$export?_type=Observation")
    job = status.partition("job=")[2]
    assert exporting.run(job, seconds=-1)  # one page, then a pause
    for id in made:
        ask("PUT", f"Observation/{id}", observation(f"Patient/{anne}", id=id, status="amended"))
    manifest = _finish(ask, status)
    found = [each for file in manifest["output"] for each in _read(ask, file["url"])]
    assert _names(found) == sorted(f"Observation/{id}" for id in made)
    assert {each["meta"]["versionId"] for each in found} == {"1"}


def test_deletions_since(ask):
    _, _, made, _ = _world(ask)
    ask("DELETE", f"Observation/{made[0]}")
    manifest, found = _export(ask, "$export?_type=Observation&_since=2020-01-01T00:00:00Z")
    assert len(found) == 2
    (gone,) = [each for file in manifest["deleted"] for each in _read(ask, file["url"])]
    assert gone["entry"] == [{"request": {"method": "DELETE", "url": f"Observation/{made[0]}"}}]


def test_a_runner_that_died_leaves_nothing_wrong(ask, monkeypatch):
    """Killed after the page was written and before it was saved: the page is written again, told once."""
    _, _, made, _ = _world(ask)
    monkeypatch.setattr(exporting, "PAGE", 1)
    status = _order(ask, "$export?_type=Observation")
    job = status.partition("job=")[2]
    assert exporting.run(job, seconds=-1)

    def die(*_: object, **__: object) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as dying:
        dying.setattr(jobs, "save", die)
        with pytest.raises(KeyboardInterrupt):
            exporting.run(job)
    assert jobs.claim(job) is None  # as long as it may still live
    with db.cursor() as cursor:
        cursor.execute("UPDATE fhir_job SET beat = beat - interval '2 minutes'")
    manifest = _finish(ask, status)
    found = [each for file in manifest["output"] for each in _read(ask, file["url"])]
    assert _names(found) == sorted(f"Observation/{id}" for id in made)


def test_a_job_can_be_given_up(ask):
    _world(ask)
    status = _order(ask, "$export")
    job = status.partition("job=")[2]
    manifest = _finish(ask, status)
    folder = exporting.jobs.settings.folder("jobs", job)
    assert list(folder.iterdir())
    assert ask("DELETE", status).status == 202
    assert not folder.exists()
    assert ask("GET", status).status == 404
    assert ask("GET", manifest["output"][0]["url"].partition("/fhir/")[2]).status == 404


def test_what_is_past_its_time_goes(ask):
    status = _order(ask, "$export?_type=Patient")
    _finish(ask, status)
    with db.cursor() as cursor:
        cursor.execute("UPDATE fhir_job SET expires = now() - interval '1 hour'")
    assert ask("GET", status).status == 404
    assert jobs.purge() == 1
    assert not (jobs.settings.folder("jobs") / status.partition("job=")[2]).exists()


def test_guards_of_what_leaves_are_applied(ask, monkeypatch):
    from virage.core.fhir import service

    monkeypatch.setattr(service, "_GUARDS", dict(service._GUARDS))
    register_egress("Patient", lambda resource, caller, space: {**resource, "name": [{"text": "masqué"}]})
    _world(ask)
    _, found = _export(ask, "$export?_type=Patient")
    assert {each["name"][0]["text"] for each in found} == {"masqué"}


@pytest.mark.parametrize(
    "path",
    [
        "$export?_type=Nothing",
        "$export?_since=yesterday",
        "$export?_outputFormat=csv",
        "$export?_typeFilter=Observation",
        "$export?_typeFilter=Observation?nothing=1",
        "$export?_typeFilter=Observation?_sort=date",
        "$export?_typeFilter=Observation?date=x",
        "$export?includeAssociatedData=x",
        "$export?patient=Patient/1",
        "Patient/$export?patient=/../x",
    ],
)
def test_wrong_orders_are_refused_with_advice(ask, path):
    told = ask("GET", path, **ASYNC)
    assert told.status == 400, told.body
    assert told.texts


def test_an_order_must_be_for_later_and_not_too_many(ask):
    assert "respond-async" in ask("GET", "$export").texts
    for _ in range(jobs.MOST_AT_ONCE):
        _order(ask, "$export")
    assert ask("GET", "$export", **ASYNC).status == 429
    assert ask("DELETE", "$fhirpath").status == 405
    assert ask("GET", "$export-status?job=x").status == 404
