"""Where each path leads, and what is said where it leads nowhere. No database."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.fhir.router.conftest import asking
from virage.core.errors import VirageError
from virage.core.fhir import FhirService, Operation
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.router import TABLE, dispatch, find, locate
from virage.core.fhir.service import SERVICES


def lead(method: str, path: str) -> tuple[str, str, str, str]:
    from virage.core.fhir import SHARED

    request = FhirRequest(method, path)
    find(SHARED, request)
    return request.interaction, request.type, request.id, request.version_id


@pytest.mark.parametrize(
    ("method", "path", "leads_to"),
    [
        ("GET", "metadata", ("capabilities", "", "", "")),
        ("GET", "", ("search-system", "", "", "")),
        ("POST", "", ("batch", "", "", "")),
        ("POST", "_search", ("search-system", "", "", "")),
        ("GET", "_history", ("history-system", "", "", "")),
        ("GET", "Patient", ("search-type", "Patient", "", "")),
        ("GET", "Patient/", ("search-type", "Patient", "", "")),
        ("POST", "Patient", ("create", "Patient", "", "")),
        ("PUT", "Patient", ("update", "Patient", "", "")),
        ("PATCH", "Patient", ("patch", "Patient", "", "")),
        ("DELETE", "Patient", ("delete", "Patient", "", "")),
        ("POST", "Patient/_search", ("search-type", "Patient", "", "")),
        ("GET", "Patient/_history", ("history-type", "Patient", "", "")),
        ("GET", "Patient/12", ("read", "Patient", "12", "")),
        ("HEAD", "Patient/12", ("read", "Patient", "12", "")),
        ("GET", "Patient/%31%32", ("read", "Patient", "12", "")),
        ("PUT", "Patient/12", ("update", "Patient", "12", "")),
        ("PATCH", "Patient/12", ("patch", "Patient", "12", "")),
        ("DELETE", "Patient/12", ("delete", "Patient", "12", "")),
        ("GET", "Patient/12/_history", ("history-instance", "Patient", "12", "")),
        ("GET", "Patient/12/_history/3", ("vread", "Patient", "12", "3")),
        ("GET", "Patient/12/Observation", ("search-type", "Observation", "", "")),
        ("POST", "Patient/12/Observation/_search", ("search-type", "Observation", "", "")),
        ("GET", "Patient/12/*", ("search-type", "", "", "")),
        ("POST", "$fhirpath", ("operation", "", "", "")),
        ("POST", "Patient/$validate", ("operation", "Patient", "", "")),
        ("GET", "Patient/12/$everything", ("operation", "Patient", "12", "")),
        ("OPTIONS", "Patient/12", ("options", "Patient", "12", "")),
    ],
)
def test_the_surface(method, path, leads_to):
    assert lead(method, path) == leads_to


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "Nothing", 404),
        ("GET", "patient", 404),
        ("GET", "Patient/12/nothing", 404),
        ("GET", "Patient/12/_history/3/4", 404),
        ("GET", "../etc/passwd", 404),
        ("GET", "Patient/..%2f..%2fetc", 400),
        ("GET", "Patient/a b", 400),
        ("GET", "Patient/" + "x" * 65, 400),
        ("GET", "Patient/%ff", 400),
        ("PUT", "Patient/12/_history/3", 405),
        ("DELETE", "", 405),
        ("POST", "metadata", 405),
        ("BREW", "Patient/12", 405),
        ("GET", "$nothing", 404),
        ("GET", "Patient/$nothing", 404),
        ("GET", "Patient/12/$validate/x", 404),
    ],
)
def test_what_leads_nowhere(method, path, status):
    answer = asking()(method, path)
    assert answer.status == status
    assert answer.json["resourceType"] == "OperationOutcome"
    assert answer.json["issue"][0]["details"]["text"]
    if status == 405:
        assert answer.headers["Allow"]


def test_405_says_what_is_allowed():
    assert asking()("POST", "Patient/12").headers["Allow"] == "HEAD, GET, PUT, PATCH, DELETE, OPTIONS"
    assert asking()("OPTIONS", "Patient/12").headers["Allow"] == "HEAD, GET, PUT, PATCH, DELETE, OPTIONS"


@given(
    st.lists(
        st.sampled_from(["Patient", "x", "_history", "_search", "$op", "*", "", "..", "%2e", "é", "1"]), max_size=6
    )
)
def test_a_path_leads_to_a_shape_of_the_table_or_is_refused(parts):
    status, shape = 0, ""
    try:
        shape = locate("/".join(parts)).shape
    except VirageError as error:
        status = error.status
    assert status in (400, 404) or shape in TABLE


NARROW = FhirService(
    base="/narrow/fhir",
    space="narrow",
    code=90,
    title="Base étroite",
    types={"Patient": {"read", "search-type"}},
    system=(),
    overrides={("read", "Patient"): lambda request, service: FhirResponse.of({"resourceType": "Patient", "id": "o"})},
    operations=(
        Operation(
            "hello", lambda request, service: FhirResponse.of({"resourceType": "Basic", "id": "h"}), "Patient", "type"
        ),
    ),
    search_parameters=(
        {"resourceType": "SearchParameter", "url": "urn:x", "code": "extra", "type": "token", "base": ["Patient"]},
    ),
    profiles={"Patient": ("urn:profil",)},
)


def test_a_narrow_service_serves_what_it_declares():
    ask = asking(NARROW)
    assert ask("GET", "Observation/1").status == 404
    assert ask("POST", "Patient", {"resourceType": "Patient"}).status == 405
    assert ask("POST", "", {"resourceType": "Bundle", "type": "batch"}).status == 405
    assert ask("GET", "Patient/1").json["id"] == "o"
    assert ask("POST", "Patient/$hello").json["id"] == "h"
    assert ask("GET", "Patient/$hello").status == 405


def test_its_statement_says_no_more():
    rest = asking(NARROW)("GET", "metadata").json["rest"][0]
    assert [resource["type"] for resource in rest["resource"]] == ["Patient"]
    patient = rest["resource"][0]
    assert [each["code"] for each in patient["interaction"]] == ["read", "search-type"]
    assert patient["supportedProfile"] == ["urn:profil"]
    assert {"name": "extra", "definition": "urn:x", "type": "token"} in patient["searchParam"]
    assert "hello" in [each["name"] for each in patient["operation"]]
    assert "interaction" not in rest


def test_an_override_may_go_on_as_usual(monkeypatch):
    seen = []

    def first_look(request, service):
        from virage.core.fhir.router import default

        seen.append(request.interaction)
        return default(request, service)

    service = FhirService(base="/o/fhir", space="o", code=90, title="o", overrides={("capabilities", "*"): first_look})
    monkeypatch.setitem(SERVICES, "o", service)
    assert dispatch(service, FhirRequest("GET", "metadata")).status == 200
    assert seen == ["capabilities"]


def test_the_shared_statement_is_sound_and_cached():
    from virage.core.fhir import validation

    answer = asking()("GET", "metadata")
    statement = answer.json
    assert validation.check(statement) == []
    assert len(statement["rest"][0]["resource"]) > 140
    assert {each["code"] for each in statement["rest"][0]["interaction"]} >= {"transaction", "batch"}
    again = asking()("GET", "metadata", if_none_match=answer.headers["ETag"])
    assert again.status == 304


def test_the_statement_in_xml():
    answer = asking()("GET", "metadata?_format=xml")
    assert answer.headers["Content-Type"].startswith("application/fhir+xml")
    assert answer.body.startswith(b"<?xml")


@pytest.mark.parametrize(
    ("url", "accept"),
    [
        ("metadata?_format=pdf", ""),
        ("metadata", "text/turtle"),
        ("metadata", "image/png"),
        ("metadata", "application/fhir+json; fhirVersion=3.0"),
        ("metadata?_format=application/fhir%2Bjson;fhirVersion=5.0", ""),
    ],
)
def test_a_format_that_is_not_made_is_406(url, accept):
    answer = asking()("GET", url, accept=accept)
    assert answer.status == 406
    assert answer.json["resourceType"] == "OperationOutcome"


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        ("application/fhir+json", "json"),
        ("text/html;q=0.5, application/fhir+xml", "xml"),
        ("application/fhir+xml;q=0.5, application/fhir+json", "json"),
        ("application/*", "json"),
        ("application/fhir+xml; fhirVersion=4.0", "xml"),
    ],
)
def test_accept_is_weighed(accept, kind):
    assert asking()("GET", "metadata", accept=accept).headers["Content-Type"].startswith(f"application/fhir+{kind}")


def test_a_browser_shows_what_it_asks_for():
    """It takes pages, then any XML, and keeps FHIR's own formats as files."""
    answer = asking()("GET", "metadata", accept="text/html, application/xml;q=0.9, */*;q=0.8")
    assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
    assert answer.body.startswith(b'{\n  "resourceType"')
    asked = asking()("GET", "metadata?_format=xml", accept="text/html, application/xml;q=0.9, */*;q=0.8")
    assert asked.headers["Content-Type"].startswith("application/fhir+xml")
