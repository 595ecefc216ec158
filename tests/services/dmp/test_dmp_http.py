"""The same over HTTP's own adapter, with tokens that the house issued: what an outside program sees."""

import io
import json
from typing import Any

import pytest

from tests.services.dmp.world import DOCTOR, MASKED, NURSE, World
from virage.core.accounts import tokens
from virage.core.accounts.models import Account
from virage.core.callers import Caller
from virage.core.fhir.adapter import application
from virage.services.dmp.api import SERVICE

HTTP = application(SERVICE)


def call(
    method: str, url: str, *, token: str = "", body: bytes = b"", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    path, _, query = url.removeprefix("http://house.test").partition("?")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "HTTP_HOST": "house.test",
        "SERVER_NAME": "house.test",
        "SERVER_PORT": "80",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)),
        **{f"HTTP_{name.upper()}": value for name, value in headers.items() if name != "content_type"},
    }
    if "content_type" in headers:
        environ["CONTENT_TYPE"] = headers["content_type"]
    if token:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    seen: dict[str, Any] = {}

    def start_response(status: str, given: list[tuple[str, str]]) -> None:
        seen.update(status=int(status[:3]), headers=dict(given))

    content = b"".join(HTTP(environ, start_response))
    return seen["status"], seen["headers"], content


def token_of(caller: Caller) -> str:
    Account.objects.get_or_create(
        login=f"essai-{caller.subject}",
        defaults={
            "kind": caller.kind,
            "subject": caller.subject,
            "name": caller.name,
            "rpps": caller.rpps,
            "profession": caller.profession,
            "patient": caller.patient,
        },
    )
    return tokens.issue(caller)


@pytest.fixture(autouse=True)
def _host(monkeypatch):
    monkeypatch.setenv("VIRAGE_BASE_URL", "http://house.test")


def test_the_capability_statement_tells_what_is_served(db) -> None:
    status, _, body = call("GET", "/dmp/fhir/metadata")
    assert status == 200
    served = {one["type"]: {i["code"] for i in one["interaction"]} for one in json.loads(body)["rest"][0]["resource"]}
    assert served["DocumentReference"] == {"read", "search-type", "create", "patch"}
    assert served["Binary"] == {"read"}


def test_nobody_without_a_token(world: World) -> None:
    status, headers, body = call("GET", "/dmp/fhir/DocumentReference")
    assert status == 401
    assert "Bearer" in headers["WWW-Authenticate"]
    assert json.loads(body)["resourceType"] == "OperationOutcome"


def test_publish_search_retrieve_mask_over_http(world: World) -> None:
    doctor, patient, nurse = token_of(DOCTOR), token_of(world.patient), token_of(NURSE)
    content = world.cda()
    status, _, body = call(
        "POST",
        "/dmp/fhir",
        token=doctor,
        body=json.dumps(world.lot(content)).encode(),
        content_type="application/fhir+json",
    )
    assert status == 200, body
    status, _, body = call(
        "GET", f"/dmp/fhir/DocumentReference?patient.identifier={world.ins}&status=current", token=doctor
    )
    assert status == 200, body
    document = json.loads(body)["entry"][0]["resource"]
    url = document["content"][0]["attachment"]["url"]
    assert url.startswith("http://house.test/dmp/fhir/Binary/")
    for accept in ("*/*", "text/xml", "application/fhir+json"):
        status, headers, body = call("GET", url, token=doctor, accept=accept)
        assert (status, headers["Content-Type"], body) == (200, "text/xml", content)
        assert headers["X-Content-Type-Options"] == "nosniff"
    assert call("GET", url, token=nurse)[0] == 403
    patch = [{"op": "add", "path": "/securityLabel/-", "value": {"coding": [MASKED]}}]
    status, _, body = call(
        "PATCH",
        f"/dmp/fhir/DocumentReference/{document['id']}",
        token=patient,
        body=json.dumps(patch).encode(),
        content_type="application/json-patch+json",
    )
    assert status == 200, body
    status, _, body = call("GET", "/dmp/fhir/AuditEvent?_format=xml", token=patient)
    assert status == 200
    assert b"dmp.mask" in body
    status, _, body = call(
        "GET", f"/dmp/fhir/DocumentReference/{document['id']}", token=doctor, accept="application/fhir+xml"
    )
    assert status == 200
    assert b"MASQUE_PS" in body
    assert url.encode() in body
