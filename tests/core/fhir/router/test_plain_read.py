"""The short way of a plain read answers as the long one does, and takes nothing that is not plain."""

import pytest

from virage.core import audit
from virage.core.callers import Caller
from virage.core.fhir import SHARED
from virage.core.fhir.interactions import reads
from virage.core.fhir.service import FhirService, register_egress

from .conftest import SOFTWARE, asking


@pytest.fixture
def shortened(monkeypatch):
    """How many requests took the short way."""
    taken = []
    way = reads.plain

    def plain(request, service):
        answer = way(request, service)
        if answer is not None:
            taken.append(request.path)
        return answer

    monkeypatch.setattr(reads, "plain", plain)
    return taken


@pytest.fixture
def resources(ask):
    """A Patient that chose its id, an Observation of hers, one whose id the server chose, a Binary."""
    assert ask("PUT", "Patient/anne", {"resourceType": "Patient", "id": "anne"}).status == 201
    observation = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "performer": [{"reference": "Patient/other"}],
        "subject": {"reference": "Patient/anne"},
    }
    assert ask("PUT", "Observation/one", {**observation, "id": "one"}).status == 201
    drawn = ask("POST", "Observation", observation).json["id"]
    binary = ask("POST", "Binary", {"resourceType": "Binary", "contentType": "text/plain", "data": "eA=="}).json["id"]
    return {"Patient": "anne", "Observation": drawn, "chosen": "one", "Binary": binary}


def _plain_urls(resources):
    return ["Patient/anne", "Observation/one", f"Observation/{resources['Observation']}"]


def test_both_ways_give_the_same_answer(ask, resources, shortened, monkeypatch):
    urls = _plain_urls(resources)
    short = [ask("GET", url) for url in urls]
    assert shortened == urls
    monkeypatch.setattr(reads, "plain", lambda request, service: None)
    long = [ask("GET", url) for url in urls]
    for one, other in zip(short, long, strict=True):
        assert (one.status, one.headers, one.body) == (other.status, other.headers, other.body)


def test_both_ways_leave_the_same_trace(ask, resources, shortened, monkeypatch):
    url = f"Observation/{resources['Observation']}"
    ask("GET", url)
    assert shortened == [url]
    monkeypatch.setattr(reads, "plain", lambda request, service: None)
    ask("GET", url)
    long, short = audit.for_patient("anne", actions=("fhir.read",))
    same = {"id", "recorded"}
    assert {k: v for k, v in long.items() if k not in same} == {k: v for k, v in short.items() if k not in same}
    assert short["entity"][0] == {"what": {"reference": url}}


def test_what_is_not_plain_goes_the_long_way(ask, resources, shortened):
    observation = f"Observation/{resources['Observation']}"
    etag = ask("GET", observation).headers["ETag"]
    shortened.clear()
    assert ask("GET", observation, if_none_match=etag).status == 304
    assert ask("GET", observation, accept="application/fhir+xml").body.startswith(b"<")
    assert ask("GET", observation + "?_pretty=true").body.count(b"\n") > 3
    assert ask("GET", observation + "?_summary=true").json["meta"]["tag"]
    assert ask("GET", observation, accept="image/png").status == 406
    assert ask("HEAD", observation).status == 200
    assert ask("GET", f"Binary/{resources['Binary']}", accept="text/plain").body == b"x"
    assert ask("GET", f"Binary/{resources['Binary']}").status == 200
    assert ask("GET", "Observation/a_b").status == 400
    assert ask("GET", "Observation/" + "a" * 500).status == 400
    assert ask("GET", "Nonsense/1").status == 404
    assert shortened == []


def test_what_is_not_there_is_refused_as_the_long_way_does(ask, resources, shortened, monkeypatch):
    assert ask("DELETE", "Observation/one").status in (200, 204)
    urls = ["Observation/one", "Observation/none", "Patient/none"]
    short = [ask("GET", url) for url in urls]
    monkeypatch.setattr(reads, "plain", lambda request, service: None)
    assert [answer.status for answer in short] == [410, 404, 404]
    assert [(one.status, one.body) for one in short] == [
        (one.status, one.body) for one in map(asking(), ["GET"] * 3, urls)
    ]


def test_a_guarded_resource_is_guarded(ask, resources, monkeypatch):
    def guard(resource, caller, space):
        return {**resource, "language": "fr"}

    for table in ("_GUARDS", "_MARKS"):
        monkeypatch.setattr(f"virage.core.fhir.service.{table}", {})
    register_egress("Observation", guard, mark=b"other")
    assert ask("GET", "Observation/one").json["language"] == "fr"
    assert "language" not in ask("GET", "Patient/anne").json


@pytest.mark.parametrize(
    ("scope", "status"),
    [("system/Patient.rs", 403), ("system/Observation.s", 403), ("patient/Observation.rs", 200)],
)
def test_a_limited_caller_goes_the_long_way(resources, shortened, scope, status):
    caller = Caller(kind="software", subject="peu", client_id="peu", scopes=frozenset({scope}), patient="anne")
    assert asking(SHARED, caller)("GET", f"Observation/{resources['Observation']}").status == status
    assert shortened == []


def test_an_override_is_asked(resources, shortened):
    heard = []

    def looked(request, service):
        heard.append(request.id)
        return reads.read(request, service)

    for name in ("Patient", "*"):
        service = FhirService(base="/fhir", space="fhir", code=0, title="x", overrides={("read", name): looked})
        try:
            assert asking(service, SOFTWARE)("GET", "Patient/anne").status == 200
        finally:
            asking()
    assert heard == ["anne", "anne"]
    assert shortened == []
