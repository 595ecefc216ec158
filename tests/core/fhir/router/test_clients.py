"""Clients that nobody here wrote, over HTTP, with a real token."""

import http.client
import json as stdlib_json
import os
from urllib.parse import urlsplit

import pytest

from virage.core.callers import system


@pytest.fixture
def token(live, tmp_path, monkeypatch):
    """An access token of a program that may do everything."""
    from virage.core import accounts
    from virage.core.accounts.actions import ensure_account

    accounts.tokens.forget()
    monkeypatch.setenv("VIRAGE_HOME", os.environ.get("VIRAGE_HOME") or str(tmp_path))
    account = ensure_account(
        by=system("tests"), login="lps", kind="software", name="Logiciel", scopes=("system/*.cruds",)
    )
    return accounts.tokens.issue(accounts.caller_of(account, scopes=frozenset({"system/*.cruds"})), lifetime=600)


def test_fhirpy(live, token):
    from fhirpy import SyncFHIRClient
    from fhirpy.base.exceptions import OperationOutcome, ResourceNotFound

    client = SyncFHIRClient(live, authorization=f"Bearer {token}")
    patient = client.resource("Patient", name=[{"family": "Essai"}], identifier=[{"system": "urn:s", "value": "1"}])
    patient.save()
    assert patient.id
    patient["gender"] = "female"
    patient.save()
    assert client.reference("Patient", patient.id).to_resource()["gender"] == "female"
    for number in range(7):
        client.resource(
            "Observation",
            status="final",
            code={"text": f"n{number}"},
            subject=patient.to_reference(),
        ).save()
    observations = client.resources("Observation").search(subject=f"Patient/{patient.id}").limit(3)
    assert len(observations.fetch_all()) == 7
    assert observations.count() == 7
    assert client.resources("Patient").search(identifier="urn:s|1").first().id == patient.id
    again, created = (
        client.resources("Patient")
        .search(identifier="urn:s|1")
        .get_or_create(client.resource("Patient", identifier=[{"system": "urn:s", "value": "1"}]))
    )
    assert (again.id, created) == (patient.id, False)
    with pytest.raises(OperationOutcome):
        client.resource("Patient", gender="blue").save()
    with pytest.raises(OperationOutcome):
        client.resources("Patient").search(colour="red").fetch()
    gone = client.resource("Patient", name=[{"family": "Court"}])
    gone.save()
    gone.delete()
    with pytest.raises(ResourceNotFound):
        client.reference("Patient", gone.id).to_resource()


def test_fhirclient(live, token):
    from fhirclient import client as smart
    from fhirclient.models.observation import Observation
    from fhirclient.models.patient import Patient

    fhir = smart.FHIRClient(settings={"app_id": "essai", "api_base": live + "/"})
    fhir.server.session.headers["Authorization"] = f"Bearer {token}"
    patient = Patient({"name": [{"family": "Essai", "given": ["Anne"]}], "birthDate": "1950-03-04"})
    made = Patient(patient.create(fhir.server))
    assert Patient.read(made.id, fhir.server).birthDate.isostring == "1950-03-04"
    made.gender = "female"
    made.update(fhir.server)
    found = list(Patient.where({"family": "essai", "birthdate": "1950-03-04"}).perform_resources_iter(fhir.server))
    assert [each.id for each in found] == [made.id]
    Observation({"status": "final", "code": {"text": "x"}, "subject": {"reference": f"Patient/{made.id}"}}).create(
        fhir.server
    )
    assert len(list(Observation.where({"patient": made.id}).perform_resources_iter(fhir.server))) == 1
    made.delete(fhir.server)
    assert fhir.server.request_json(f"{live}/metadata")["fhirVersion"] == "4.0.1"


def ask(live, method, path, body=None, **headers):
    parts = urlsplit(live)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=300)
    try:
        connection.request(
            method, parts.path + path, body, {key.replace("_", "-"): value for key, value in headers.items()}
        )
        answer = connection.getresponse()
        return answer.status, dict(answer.headers), answer.read()
    finally:
        connection.close()


def test_the_wire(live, token):
    status, headers, body = ask(live, "GET", "/metadata")
    assert (status, headers["Content-Type"]) == (200, "application/fhir+json; charset=utf-8")
    assert stdlib_json.loads(body)["implementation"]["url"] == live
    status, headers, _ = ask(live, "GET", "/Patient")
    assert (status, headers["WWW-Authenticate"][:6]) == (401, "Bearer")
    status, headers, body = ask(live, "GET", "/Patient/x%2f..%2fy", Authorization=f"Bearer {token}")
    assert status in (400, 404)
    told = {"Authorization": f"Bearer {token}", "Content_Type": "application/fhir+json"}
    status, headers, body = ask(live, "POST", "/Patient", '{"resourceType":"Patient"}', **told)
    assert status == 201
    place = headers["Location"].removeprefix(live).partition("/_history")[0]
    status, headers, body = ask(live, "HEAD", place, **told)
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) > 50
    status, headers, body = ask(live, "GET", place, If_None_Match=headers["ETag"], **told)
    assert (status, body) == (304, b"")
    status, headers, _ = ask(live, "DELETE", place, **told)
    assert status == 204
    assert "Content-Length" not in headers


def test_a_revoked_token_is_refused_at_once(live, token):
    from virage.core.accounts.actions import close_account

    assert ask(live, "GET", "/Patient", Authorization=f"Bearer {token}")[0] == 200
    close_account(by=system("tests"), login="lps")
    assert ask(live, "GET", "/Patient", Authorization=f"Bearer {token}")[0] == 401


def test_fifty_megabytes_over_the_wire(live, token):
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"' + b"x" * 50_000_000 + b'"}}'
    told = {"Authorization": f"Bearer {token}", "Content_Type": "application/fhir+json"}
    status, _, answer = ask(live, "POST", "/Observation", body, **told)
    assert status == 422, answer[:300]
    assert ask(live, "GET", "/Observation?_summary=count", **told)[2].count(b'"total":0') == 1
