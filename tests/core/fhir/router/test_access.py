"""Who may: scopes decide, with the reason; lists and points agree; nothing is written by who may not."""

import dataclasses

import pytest

from tests.core.fhir.router.conftest import SOFTWARE, asking, observation, patient
from virage.core.callers import Caller
from virage.core.fhir.request import NOBODY


def caller(*scopes, patient=""):
    return Caller(kind="citizen", subject=patient or "s", patient=patient, scopes=frozenset(scopes))


@pytest.fixture
def two(ask):
    """Two patients with one observation each: (first id, second id, first observation, second observation)."""
    for name in ("un", "deux"):
        ask("PUT", f"Patient/{name}", patient(id=name))
        ask("PUT", f"Observation/o-{name}", observation(f"Patient/{name}", id=f"o-{name}"))
    return ask


def test_no_scope_no_access(two):
    ask = asking(caller=caller("system/Observation.rs"))
    refused = ask("GET", "Patient/un")
    assert refused.status == 403
    assert "portée" in refused.texts
    assert ask("GET", "Patient").status == 403
    assert ask("POST", "Patient", patient()).status == 403
    assert ask("GET", "Observation/o-un").status == 200
    assert ask("DELETE", "Observation/o-un").status == 403
    assert two("GET", "Observation/o-un").status == 200


def test_a_patient_scope_sees_one_compartment(two):
    ask = asking(caller=caller("patient/*.cruds", patient="un"))
    assert ask("GET", "Observation/o-un").status == 200
    refused = ask("GET", "Observation/o-deux")
    assert refused.status == 403
    assert refused.texts
    found = ask("GET", "Observation?_total=accurate").json
    assert [entry["resource"]["id"] for entry in found["entry"]] == ["o-un"]
    assert found["total"] == 1
    assert "entry" not in ask("GET", "Patient/deux/Observation").json
    assert [entry["resource"]["id"] for entry in ask("GET", "Patient").json["entry"]] == ["un"]
    assert ask("GET", "Observation/o-deux/_history").status == 403
    assert ask("GET", "Observation/o-deux/_history/1").status == 403
    assert ask("GET", "Patient/deux/$everything").status == 403
    assert len(ask("GET", "Patient/un/$everything").json["entry"]) == 2
    included = ask("GET", "Observation?_include=Observation:subject").json["entry"]
    assert {entry["resource"]["id"] for entry in included} == {"o-un", "un"}


def test_a_patient_scope_writes_in_its_compartment_only(two):
    ask = asking(caller=caller("patient/*.cruds", patient="un"))
    assert ask("POST", "Observation", observation("Patient/un")).status == 201
    assert ask("POST", "Observation", observation("Patient/deux")).status == 403
    assert ask("PUT", "Observation/o-deux", observation("Patient/un", id="o-deux")).status == 403
    assert ask("PUT", "Observation/o-un", observation("Patient/deux", id="o-un")).status == 403
    change = [{"op": "replace", "path": "/subject/reference", "value": "Patient/deux"}]
    assert ask("PATCH", "Observation/o-un", change, content_type="application/json-patch+json").status == 403
    assert ask("DELETE", "Observation/o-deux").status == 403
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"request": {"method": "POST", "url": "Observation"}, "resource": observation("Patient/un")},
            {"request": {"method": "POST", "url": "Observation"}, "resource": observation("Patient/deux")},
        ],
    }
    assert ask("POST", "", bundle).status == 403
    assert two("GET", "Observation?_summary=count").json["total"] == 3
    assert two("GET", "Observation/o-un").json["subject"]["reference"] == "Patient/un"
    assert two("GET", "Observation/o-deux").headers["ETag"] == 'W/"1"'


def test_nobody_reads_the_statement_only(two):
    ask = asking(caller=NOBODY)
    assert ask("GET", "metadata").status == 200
    assert ask("GET", "Patient/un").status == 403
    assert ask("POST", "", {"resourceType": "Bundle", "type": "batch", "entry": []}).status == 200


def test_egress_guards_see_whatever_leaves(two, monkeypatch):
    from virage.core.fhir import register_egress, service

    monkeypatch.setattr(service, "_GUARDS", {})
    seen = []

    def guard(resource, by, space):
        seen.append((by.subject, space))
        return {**{key: value for key, value in resource.items() if key != "gender"}, "active": True}

    register_egress("Patient", guard)
    register_egress("Patient", guard)
    ask = asking(caller=dataclasses.replace(SOFTWARE, subject="autre"))
    nested = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": patient(id="x")}]}
    kept = ask("POST", "Bundle", nested).json["id"]
    resources = [
        ask("GET", "Patient/un").json,
        ask("GET", "Patient/un/_history/1").json,
        ask("GET", "Patient/un/_history").json["entry"][0]["resource"],
        ask("GET", "Patient?_id=un").json["entry"][0]["resource"],
        ask("GET", "Observation?_id=o-un&_include=Observation:subject").json["entry"][1]["resource"],
        ask("PUT", "Patient/un", patient(id="un")).json,
        ask("POST", "Patient", patient()).json,
        ask("GET", "Patient/un/$everything").json["entry"][0]["resource"],
        ask("GET", f"Bundle/{kept}").json["entry"][0]["resource"],
        ask("GET", "Patient/un?_elements=gender,active").json,
    ]
    for resource in resources:
        assert "gender" not in resource, resource
        assert resource["active"] is True
    assert set(seen) == {("autre", "fhir")}


def test_reads_leave_traces_without_content(two):
    from virage.core import db

    asking()("GET", "Observation/o-un")
    with db.cursor() as cursor:
        cursor.execute("SELECT patient, content::text FROM audit_trace WHERE action = 'fhir.read'")
        traced, content = cursor.fetchone()
    assert traced == "un"
    assert "Observation/o-un" in content


def test_what_nobody_foresaw_is_told_with_a_reference_and_logged_without_data(two, monkeypatch, caplog):
    from virage.core.fhir import SHARED

    def broken(*args, **more):
        raise RuntimeError("DUPONT 1850578006084")

    monkeypatch.setattr(SHARED.store, "current", broken)
    answer = two("GET", "Patient/un")
    assert answer.status == 500
    mark = answer.texts.partition("référence ")[2].partition(" ")[0]
    assert mark in caplog.text
    assert "RuntimeError" in caplog.text
    assert "DUPONT" not in caplog.text + answer.body.decode()
