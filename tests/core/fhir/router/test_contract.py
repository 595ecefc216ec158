"""Words of the contract that no other test holds: conditions by `*`, inputs in a body, every answer in XML, HEAD, OPTIONS."""

import pytest

from tests.core.fhir.router.conftest import BASE, observation, patient
from tests.core.fhir.router.test_bundle import bundle, entry, statuses
from virage.core.fhir import xml

XML = "application/fhir+xml"


def parameters(**given) -> dict:
    parts = [{"name": name, "valueString": value} for name, value in given.items()]
    return {"resourceType": "Parameters", "parameter": parts}


def dated(ask, subject: str) -> None:
    for day in ("2020-01-01", "2021-01-01", "2022-01-01"):
        ask("POST", "Observation", observation(subject, effectiveDateTime=day))
    ask("POST", "Observation", observation(subject))
    ask("POST", "Basic", {"resourceType": "Basic", "code": {"text": "x"}, "subject": {"reference": subject}})


def whats(bundle) -> list[str]:
    found = (each["resource"] for each in bundle.get("entry", []))
    return sorted(f"{each['resourceType']} {each.get('effectiveDateTime', '')}".strip() for each in found)


@pytest.fixture
def anne(ask) -> str:
    made = ask("POST", "Patient", patient()).json
    dated(ask, f"Patient/{made['id']}")
    dated(ask, f"Patient/{ask('POST', 'Patient', patient()).json['id']}")
    return f"Patient/{made['id']}"


def test_only_what_is_not_there_is_created_with_a_star(ask):
    put = lambda: ask("PUT", "Patient/p", patient(id="p"), if_none_match="*")  # noqa: E731
    assert put().status == 201
    assert put().status == 412
    assert ask("GET", "Patient/p").headers["ETag"] == 'W/"1"'
    assert ask("GET", "Patient/p", if_none_match="*").status == 304
    ask("DELETE", "Patient/p")
    assert put().status == 201
    assert ask("GET", "Patient/p").headers["ETag"] == 'W/"3"'


@pytest.mark.parametrize("tag", ['W/"1"', '"1"', "1"])
def test_etags_weak_and_strong(ask, tag):
    ask("PUT", "Patient/p", patient(id="p"))
    assert ask("GET", "Patient/p", if_none_match=f'W/"9", {tag}').status == 304
    assert ask("GET", "Patient/p/_history/1", if_none_match=tag).status == 304
    assert ask("PUT", "Patient/p", patient(id="p"), if_match=tag).status == 200
    for method, body in (("PUT", patient(id="p")), ("DELETE", None)):
        assert ask(method, "Patient/p", body, if_match=tag).status == 412
    assert ask("PUT", "Patient/p", patient(id="p"), if_match="*").status == 200
    assert ask("PUT", "Patient/other", patient(id="other"), if_match=tag).status == 412


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", ["Basic", "Observation", *(f"Observation 202{n}-01-01" for n in range(3)), "Patient"]),
        ("start=2021-01-01", ["Basic", "Observation", "Observation 2021-01-01", "Observation 2022-01-01", "Patient"]),
        ("end=2020", ["Basic", "Observation", "Observation 2020-01-01", "Patient"]),
        ("start=2020-06-01&end=2021-06", ["Basic", "Observation", "Observation 2021-01-01", "Patient"]),
        ("_type=Basic", ["Basic", "Patient"]),
        ("_since=2999-01-01T00:00:00Z", []),
        ("start=2022&_type=Observation", ["Observation", "Observation 2022-01-01", "Patient"]),
    ],
)
def test_everything_within_dates(ask, anne, query, found):
    assert whats(ask("GET", f"{anne}/$everything?{query}").json) == found
    given = dict(part.split("=") for part in query.split("&") if part)
    assert whats(ask("POST", f"{anne}/$everything", parameters(**given)).json) == found
    seen, url = [], f"{anne}/$everything?{query}&_count=2"
    while url:
        page = ask("GET", url).json
        assert len(page.get("entry", [])) <= 2
        seen += whats(page)
        url = next((link["url"] for link in page["link"] if link["relation"] == "next"), "").removeprefix(BASE + "/")
    assert sorted(seen) == found


def test_everything_refuses_what_is_no_date(ask, anne):
    refused = ask("GET", f"{anne}/$everything?start=yesterday")
    assert (refused.status, refused.json["issue"][0]["expression"]) == (400, ["start"])


def test_pages_of_a_posted_operation_keep_its_inputs(ask, anne):
    first = ask("POST", f"{anne}/$everything", parameters(_count="1", _type="Observation", start="2021-01-01")).json
    links = {link["relation"]: link["url"] for link in first["link"]}
    assert len(first["entry"]) == 1
    rest = ask("GET", links["next"].removeprefix(BASE + "/")).json
    assert len(rest["entry"]) == 1
    assert "start=2021-01-01" in links["next"]


def test_the_latest_by_a_body(ask, anne):
    given = parameters(patient=anne, max="2", **{"code": "http://loinc.org|8867-4"})
    found = ask("POST", "Observation/$lastn", given, accept=XML)
    assert whats(xml.loads(found.body)) == ["Observation 2021-01-01", "Observation 2022-01-01"]


@pytest.mark.parametrize(
    ("method", "url", "status", "type"),
    [
        ("GET", "metadata", 200, "CapabilityStatement"),
        ("GET", "{anne}", 200, "Patient"),
        ("GET", "{anne}/_history/1", 200, "Patient"),
        ("GET", "{anne}/_history", 200, "Bundle"),
        ("GET", "Observation/_history?_count=2", 200, "Bundle"),
        ("GET", "_history?_count=2", 200, "Bundle"),
        ("GET", "Observation?subject={anne}&_include=Observation:subject&_total=accurate", 200, "Bundle"),
        ("GET", "Observation?_summary=count", 200, "Bundle"),
        ("GET", "?_type=Patient,Basic", 200, "Bundle"),
        ("GET", "{anne}/Observation?_elements=code", 200, "Bundle"),
        ("GET", "{anne}/$everything", 200, "Bundle"),
        ("GET", "{anne}/$meta", 200, "Parameters"),
        ("GET", "Patient/none", 404, "OperationOutcome"),
        ("GET", "Patient/none/$nothing", 404, "OperationOutcome"),
        ("GET", "Patient?colour=red", 400, "OperationOutcome"),
        ("GET", "Nothing/1", 404, "OperationOutcome"),
        ("DELETE", "metadata", 405, "OperationOutcome"),
        ("GET", "$export", 400, "OperationOutcome"),
    ],
)
def test_every_answer_in_xml_says_the_same(ask, anne, method, url, status, type):
    url = url.format(anne=anne)
    in_xml, in_json = ask(method, url, accept=XML), ask(method, url)
    assert (in_xml.status, in_json.status) == (status, status)
    assert in_xml.headers["Content-Type"] == f"{XML}; charset=utf-8"
    said = xml.loads(in_xml.body)
    assert said["resourceType"] == type
    assert said == in_json.json
    by_parameter = ask(method, f"{url}{'&' if '?' in url else '?'}_format=xml")
    assert by_parameter.headers["Content-Type"] == f"{XML}; charset=utf-8"


def test_bundles_and_patches_in_xml(ask):
    whole = bundle(
        entry("POST", "Patient", patient()), entry("GET", "Patient/none"), entry("POST", "Patient", patient(gender="x"))
    )
    as_xml = lambda resource: xml.dumps(resource)  # noqa: E731
    told = ask("POST", "", as_xml({**whole, "type": "batch"}), content_type=XML, accept=XML)
    answered = xml.loads(told.body)
    assert answered["type"] == "batch-response"
    assert [each["response"]["status"][:3] for each in answered["entry"]] == ["201", "404", "422"]
    refused = ask("POST", "", as_xml(whole), content_type=XML, accept=XML)
    assert (refused.status, xml.loads(refused.body)["resourceType"]) == (422, "OperationOutcome")
    ask("PUT", "Patient/p", as_xml(patient(id="p")), content_type=XML)
    parts = [{"name": "type", "valueCode": "delete"}, {"name": "path", "valueString": "Patient.gender"}]
    change = {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}
    patched = ask("PATCH", "Patient/p", as_xml(change), content_type=XML, accept=XML)
    assert "gender" not in xml.loads(patched.body)


def test_conditions_inside_a_batch(ask):
    ask("PUT", "Patient/p", patient(id="p"))
    answer = ask(
        "POST",
        "",
        bundle(
            entry("GET", "Patient/p", ifNoneMatch='W/"1"'),
            entry("PUT", "Patient/p", patient(id="p"), ifMatch='W/"7"'),
            entry("PUT", "Patient/p", patient(id="p"), ifNoneMatch="*"),
            entry("DELETE", "Patient/p", ifMatch='W/"7"'),
            entry("POST", "Patient", patient(), ifNoneExist="_id=p"),
            entry("HEAD", "Patient/p"),
            type="batch",
        ),
    )
    assert statuses(answer) == ["304", "412", "412", "412", "200", "200"]


@pytest.mark.parametrize(
    ("url", "allow"),
    [
        ("", "HEAD, GET, POST, OPTIONS"),
        ("Patient", "HEAD, GET, POST, PUT, PATCH, DELETE, OPTIONS"),
        ("Patient/p", "HEAD, GET, PUT, PATCH, DELETE, OPTIONS"),
        ("Patient/p/_history/1", "HEAD, GET, OPTIONS"),
    ],
)
def test_options_and_head(ask, url, allow):
    ask("PUT", "Patient/p", patient(id="p"))
    assert ask("OPTIONS", url).headers["Allow"] == allow
    got, head = ask("GET", url), ask("HEAD", url)
    assert (head.status, head.headers.get("ETag")) == (got.status, got.headers.get("ETag"))


def test_meta_is_kept_by_an_update_and_found(ask):
    ask("PUT", "Patient/p", patient(id="p"))
    tag = {"system": "urn:t", "code": "x"}
    change = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"tag": [tag], "security": [tag]}}],
    }
    ask("POST", "Patient/p/$meta-add", change)
    ask("POST", "Patient/p/$meta-add", change)
    meta = ask("GET", "Patient/p/$meta").json["parameter"][0]["valueMeta"]
    assert (meta["tag"], meta["security"]) == ([tag], [tag])
    assert ask("GET", "Patient?_tag=urn:t|x&_security=urn:t|x&_summary=count").json["total"] == 1
    ask("POST", "Patient/p/$meta-delete", change)
    assert ask("GET", "Patient?_tag=urn:t|x&_summary=count").json["total"] == 0
