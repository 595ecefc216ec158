"""Each interaction by its letter, through the router and the real store."""

import base64

import pytest

from tests.core.fhir.router.conftest import BASE, observation, patient


def created(ask, resource):
    answer = ask("POST", resource["resourceType"], resource)
    assert answer.status == 201, answer.body
    return answer.json


def count(ask, type="Patient"):
    return ask("GET", f"{type}?_summary=count").json["total"]


def test_create_answers_201_with_its_place(ask):
    answer = ask("POST", "Patient", patient(id="chosen-by-client"))
    made = answer.json
    assert answer.status == 201
    assert answer.headers["ETag"] == 'W/"1"'
    assert answer.headers["Location"] == f"{BASE}/Patient/{made['id']}/_history/1"
    assert answer.headers["Last-Modified"].endswith("GMT")
    assert made["id"] != "chosen-by-client"
    assert made["meta"]["versionId"] == "1"
    read = ask("GET", f"Patient/{made['id']}")
    assert read.json == made
    assert read.headers["ETag"] == 'W/"1"'


@pytest.mark.parametrize(
    ("wish", "body"),
    [("return=minimal", b""), ("return=OperationOutcome", b"OperationOutcome"), ("return=representation", b"Patient")],
)
def test_prefer_return(ask, wish, body):
    answer = ask("POST", "Patient", patient(), prefer=wish)
    assert answer.status == 201
    assert (body in answer.body) if body else answer.body == b""
    assert "Location" in answer.headers


def test_update_versions_and_vread(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    updated = ask("PUT", path, {**made, "gender": "male"})
    assert (updated.status, updated.headers["ETag"]) == (200, 'W/"2"')
    assert ask("GET", f"{path}/_history/1").json["gender"] == "female"
    assert ask("GET", f"{path}/_history/2").json["gender"] == "male"
    assert ask("GET", f"{path}/_history/3").status == 404
    assert ask("GET", f"{path}/_history/abc").status == 404


def test_update_creates(ask):
    answer = ask("PUT", "Patient/mine", patient(id="mine"))
    assert (answer.status, answer.json["id"]) == (201, "mine")
    assert ask("PUT", "Patient/mine", patient(id="mine")).status == 200


@pytest.mark.parametrize("body", [patient(), patient(id="other")])
def test_update_refuses_another_id(ask, body):
    answer = ask("PUT", "Patient/mine", body)
    assert (answer.status, answer.json["issue"][0]["expression"]) == (400, ["Patient.id"])
    assert ask("GET", "Patient/mine").status == 404


def test_if_match(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    assert ask("PUT", path, made, if_match='W/"1"').status == 200
    stale = ask("PUT", path, made, if_match='W/"1"')
    assert stale.status == 412
    assert ask("DELETE", path, if_match='W/"1"').status == 412
    assert ask("PUT", path, made, if_match="yesterday").status == 400
    assert ask("DELETE", path, if_match='W/"2"').status == 204


def test_delete_then_gone(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    assert ask("DELETE", path).status == 204
    assert ask("DELETE", path).status == 204
    assert ask("DELETE", "Patient/never").status == 204
    gone = ask("GET", path)
    assert (gone.status, gone.json["issue"][0]["code"]) == (410, "deleted")
    assert ask("GET", f"{path}/_history/1").status == 200
    assert ask("GET", f"{path}/_history/2").status == 410
    back = ask("PUT", path, made)
    assert (back.status, back.headers["ETag"]) == (201, 'W/"3"')


def test_conditional_read(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    read = ask("GET", path)
    assert ask("GET", path, if_none_match=read.headers["ETag"]).status == 304
    assert ask("GET", path, if_none_match='W/"7"').status == 200
    assert ask("GET", path, if_modified_since=read.headers["Last-Modified"]).status == 304
    assert ask("GET", path, if_modified_since="Mon, 01 Jan 2001 00:00:00 GMT").status == 200
    assert ask("GET", path, if_none_match='W/"7"', if_modified_since=read.headers["Last-Modified"]).status == 200


def test_json_patch(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    change = [{"op": "replace", "path": "/gender", "value": "other"}]
    answer = ask("PATCH", path, change, content_type="application/json-patch+json")
    assert (answer.status, answer.json["gender"], answer.headers["ETag"]) == (200, "other", 'W/"2"')
    wrong = ask(
        "PATCH",
        path,
        [{"op": "replace", "path": "/gender", "value": "blue"}],
        content_type="application/json-patch+json",
    )
    assert wrong.status == 422
    assert "Patient.gender" in wrong.json["issue"][0]["expression"][0]
    assert ask("PATCH", path, change, content_type="application/json-patch+json", if_match='W/"1"').status == 412
    assert ask("PATCH", path, change, content_type="text/plain").status == 415
    other = [{"op": "replace", "path": "/id", "value": "x"}]
    assert ask("PATCH", path, other, content_type="application/json-patch+json").status == 422
    assert ask("GET", path).headers["ETag"] == 'W/"2"'


def test_fhirpath_and_xml_patch(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    parts = [
        {"name": "type", "valueCode": "replace"},
        {"name": "path", "valueString": "Patient.gender"},
        {"name": "value", "valueCode": "male"},
    ]
    answer = ask("PATCH", path, {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]})
    assert answer.json["gender"] == "male"
    change = b'<patch xmlns:f="http://hl7.org/fhir"><replace sel="f:Patient/f:gender/@value">other</replace></patch>'
    answer = ask("PATCH", path, change, content_type="application/xml-patch+xml")
    assert (answer.status, answer.json["gender"]) == (200, "other")


def test_conditional_create(ask):
    identifier = [{"system": "urn:s", "value": "1"}]
    first = ask("POST", "Patient", patient(identifier=identifier), if_none_exist="identifier=urn:s|1")
    again = ask("POST", "Patient", patient(identifier=identifier), if_none_exist="identifier=urn:s|1")
    assert (first.status, again.status) == (201, 200)
    assert again.json["id"] == first.json["id"]
    created(ask, patient(identifier=identifier))
    assert ask("POST", "Patient", patient(), if_none_exist="identifier=urn:s|1").status == 412
    assert ask("POST", "Patient", patient(), if_none_exist="").status == 400
    assert ask("POST", "Patient", patient(), if_none_exist="nothing=1").status == 400
    assert count(ask) == 2


def test_conditional_update(ask):
    identifier = [{"system": "urn:s", "value": "2"}]
    first = ask("PUT", "Patient?identifier=urn:s|2", patient(identifier=identifier))
    second = ask("PUT", "Patient?identifier=urn:s|2", patient(identifier=identifier, gender="male"))
    assert (first.status, second.status) == (201, 200)
    assert second.json["id"] == first.json["id"]
    assert ask("PUT", "Patient?identifier=urn:s|2", patient(id="other")).status == 400
    assert ask("PUT", "Patient?identifier=urn:s|3", patient(id="other-3")).json["id"] == "other-3"
    created(ask, patient(identifier=identifier))
    assert ask("PUT", "Patient?identifier=urn:s|2", patient()).status == 412
    assert ask("PUT", "Patient", patient()).status == 400


def test_conditional_patch_and_delete(ask):
    identifier = [{"system": "urn:s", "value": "4"}]
    change = [{"op": "replace", "path": "/gender", "value": "other"}]
    url, kind = "Patient?identifier=urn:s|4", "application/json-patch+json"
    assert ask("PATCH", url, change, content_type=kind).status == 404
    made = created(ask, patient(identifier=identifier))
    assert ask("PATCH", url, change, content_type=kind).json["gender"] == "other"
    other = created(ask, patient(identifier=identifier))
    assert ask("PATCH", url, change, content_type=kind).status == 412
    assert ask("DELETE", url).status == 412
    ask("DELETE", f"Patient/{other['id']}")
    assert ask("DELETE", url).status == 204
    assert ask("DELETE", url).status == 204
    assert ask("GET", f"Patient/{made['id']}").status == 410


def test_history(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    ask("PUT", path, made)
    ask("DELETE", path)
    bundle = ask("GET", f"{path}/_history").json
    assert (bundle["type"], bundle["total"]) == ("history", 3)
    assert [entry["request"]["method"] for entry in bundle["entry"]] == ["DELETE", "PUT", "POST"]
    assert [entry["response"]["etag"] for entry in bundle["entry"]] == ['W/"3"', 'W/"2"', 'W/"1"']
    assert "resource" not in bundle["entry"][0]
    assert bundle["entry"][2]["response"]["status"] == "201 Created"
    assert ask("GET", "Patient/never/_history").status == 404
    assert ask("GET", f"{path}/_history?_since=yesterday").status == 400
    # What would not be done is refused, also where FHIR has a name for it.
    for unserved in ("colour=red", "_list=a", "_sort=_lastUpdated"):
        assert ask("GET", f"{path}/_history?{unserved}").status == 400
    assert ask("GET", f"{path}/_history?_sort=-_lastUpdated").json["entry"] == bundle["entry"]
    assert len(ask("GET", f"{path}/_history?_since=2999-01-01T00:00:00Z").json.get("entry", [])) == 0


def test_history_pages(ask):
    for _ in range(5):
        created(ask, patient())
    seen, url = [], "Patient/_history?_count=2"
    while url:
        bundle = ask("GET", url).json
        seen += [entry["fullUrl"] for entry in bundle["entry"]]
        url = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), "").removeprefix(BASE + "/")
    assert len(seen) == len(set(seen)) == 5
    assert len(ask("GET", "_history?_count=3").json["entry"]) == 3


def test_search_and_its_links(ask):
    for number in range(5):
        created(ask, patient(identifier=[{"system": "urn:s", "value": str(number)}]))
    seen, url, pages = [], "Patient?gender=female&_count=2&_total=accurate&_sort=_lastUpdated", 0
    while url:
        bundle = ask("GET", url).json
        assert (bundle["type"], bundle["total"]) == ("searchset", 5)
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        assert {entry["search"]["mode"] for entry in bundle["entry"]} == {"match"}
        links = {link["relation"]: link["url"] for link in bundle["link"]}
        assert "_count=2" in links["self"]
        assert "gender=female" in links["self"]
        url = links.get("next", "").removeprefix(BASE + "/")
        pages += 1
    assert pages == 3
    assert len(seen) == len(set(seen)) == 5


def test_search_by_post(ask):
    created(ask, patient(identifier=[{"system": "urn:s", "value": "5"}]))
    form = {"content_type": "application/x-www-form-urlencoded"}
    found = ask("POST", "Patient/_search?_count=1", b"identifier=urn%3As%7C5", **form).json
    assert len(found["entry"]) == 1
    assert found["link"][0]["url"].startswith(f"{BASE}/Patient?")
    assert ask("POST", "Patient/_search", b"{}", content_type="application/json").status == 415
    assert len(ask("POST", "_search", b"_type=Patient&identifier=urn:s|5", **form).json["entry"]) == 1


def test_unknown_parameters(ask):
    created(ask, patient())
    strict = ask("GET", "Patient?colour=red&gender=female")
    assert strict.status == 400
    assert "colour" in strict.texts
    lenient = ask("GET", "Patient?colour=red&gender=female", prefer="handling=lenient").json
    assert [entry["search"]["mode"] for entry in lenient["entry"]] == ["match", "outcome"]
    assert "colour" not in lenient["link"][0]["url"]


@pytest.mark.parametrize(
    "query",
    [
        "_count=many",
        "_count=-1",
        "_total=roughly",
        "_summary=some",
        "birthdate=yesterday",
        "_cursor=forged",
        "name=%00",
    ],
)
def test_malformed_parameters(ask, query):
    answer = ask("GET", f"Patient?{query}")
    assert answer.status == 400
    assert answer.json["resourceType"] == "OperationOutcome"


def test_totals_are_exact_or_absent(ask):
    created(ask, patient())
    assert "total" not in ask("GET", "Patient?_total=none&_count=1").json
    counted = ask("GET", "Patient?_summary=count").json
    assert (counted["total"], "entry" in counted) == (1, False)
    assert ask("GET", "Patient?_count=0").json["total"] == 1


def test_compartments(ask):
    one, other = created(ask, patient()), created(ask, patient())
    mine = created(ask, observation(f"Patient/{one['id']}"))
    created(ask, observation(f"Patient/{other['id']}"))
    found = ask("GET", f"Patient/{one['id']}/Observation").json["entry"]
    assert [entry["resource"]["id"] for entry in found] == [mine["id"]]
    found = ask("GET", f"Patient/{one['id']}/*").json["entry"]
    assert {entry["resource"]["resourceType"] for entry in found} == {"Patient", "Observation"}
    assert ask("GET", "Patient/x/Library").status == 400
    assert ask("GET", "Organization/x/Patient").status == 400


def test_system_search_pages_through_types(ask):
    made = created(ask, patient())
    for _ in range(3):
        created(ask, observation(f"Patient/{made['id']}"))
    seen, url = [], "?_type=Patient,Observation&_count=2&_total=accurate"
    while url is not None:
        bundle = ask("GET", url).json
        assert bundle["total"] == 4
        seen += [entry["resource"]["id"] for entry in bundle["entry"]]
        following = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        url = following.removeprefix(BASE) if following else None
    assert len(seen) == len(set(seen)) == 4
    assert ask("GET", "?_type=Nothing").status == 400


def test_everything(ask):
    made = created(ask, patient())
    created(ask, observation(f"Patient/{made['id']}"))
    created(ask, observation(f"Patient/{created(ask, patient())['id']}"))
    bundle = ask("GET", f"Patient/{made['id']}/$everything").json
    assert sorted(entry["resource"]["resourceType"] for entry in bundle["entry"]) == ["Observation", "Patient"]
    assert ask("GET", "Patient/never/$everything").status == 404
    assert ask("GET", f"Observation/{made['id']}/$everything").status == 404


def test_meta(ask):
    made = created(ask, patient())
    path = f"Patient/{made['id']}"
    change = {
        "resourceType": "Parameters",
        "parameter": [{"name": "meta", "valueMeta": {"tag": [{"system": "s", "code": "t"}]}}],
    }
    assert ask("GET", f"{path}/$meta-add").status == 405
    assert ask("POST", f"{path}/$meta-add", change).status == 200
    assert ask("GET", f"{path}/$meta").json["parameter"][0]["valueMeta"]["tag"] == [{"system": "s", "code": "t"}]
    ask("POST", f"{path}/$meta-delete", change)
    assert "tag" not in ask("GET", f"{path}/$meta").json["parameter"][0]["valueMeta"]


def errors_in(answer):
    return {issue["expression"][0] for issue in answer.json["issue"] if issue["severity"] == "error"}


def test_validate(ask):
    assert errors_in(ask("POST", "Patient/$validate", patient())) == set()
    wrong = ask("POST", "Patient/$validate", patient(gender="blue", colour="red"))
    assert wrong.status == 200
    assert errors_in(wrong) == {"Patient.gender", "Patient"}
    assert "resourceType" in errors_in(ask("POST", "Patient/$validate", observation("Patient/1")))
    assert count(ask) == 0


def test_invalid_content_writes_nothing_and_says_everything(ask):
    answer = ask("POST", "Patient", patient(gender="blue", birthDate="31/12/1999", colour="red"))
    assert answer.status == 422
    assert {issue["expression"][0] for issue in answer.json["issue"]} == {
        "Patient.gender",
        "Patient.birthDate",
        "Patient",
    }
    assert count(ask) == 0


@pytest.mark.parametrize(
    ("body", "kind", "status"),
    [
        (b"{", "application/fhir+json", 400),
        (b"[]", "application/fhir+json", 400),
        (b"", "application/fhir+json", 400),
        (b"{}", "application/fhir+json", 400),
        (b'{"resourceType":"Observation"}', "application/fhir+json", 400),
        (b'{"resourceType":["Patient"]}', "application/fhir+json", 400),
        (b"<Patient/>", "application/fhir+xml", 400),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><Patient xmlns="http://hl7.org/fhir"/>', "application/fhir+xml", 400),
        (b"hello", "text/plain", 415),
    ],
)
def test_unreadable_bodies(ask, body, kind, status):
    answer = ask("POST", "Patient", body, content_type=kind)
    assert answer.status == status, answer.body
    assert answer.json["resourceType"] == "OperationOutcome"
    assert count(ask) == 0


def test_xml_in_and_out(ask):
    xml = b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/></Patient>'
    answer = ask("POST", "Patient", xml, content_type="application/fhir+xml", accept="application/fhir+xml")
    assert answer.status == 201
    assert answer.headers["Content-Type"] == "application/fhir+xml; charset=utf-8"
    assert b'<gender value="male"/>' in answer.body
    bundle = ask("GET", "Patient?gender=male&_format=xml&_pretty=true")
    assert b'<Bundle xmlns="http://hl7.org/fhir">' in bundle.body


def test_pretty(ask):
    made = created(ask, patient())
    assert b'\n  "id"' in ask("GET", f"Patient/{made['id']}?_pretty=true").body


def test_parts_of_resources(ask):
    made = created(ask, patient(active=True, communication=[{"language": {"text": "français"}}]))
    path = f"Patient/{made['id']}"
    summary = ask("GET", f"{path}?_summary=true").json
    assert "communication" not in summary
    assert summary["meta"]["tag"][0]["code"] == "SUBSETTED"
    elements = ask("GET", f"{path}?_elements=gender").json
    assert set(elements) == {"resourceType", "id", "meta", "gender"}
    found = ask("GET", "Patient?_elements=Patient.name").json["entry"][0]["resource"]
    assert set(found) == {"resourceType", "id", "meta", "name"}
    assert "gender" in ask("GET", f"{path}?_summary=false").json
    assert ask("GET", f"{path}?_summary=most").status == 400


def test_decimals_leave_as_they_came(ask):
    body = b'{"resourceType":"Observation","status":"final","code":{"text":"x"},"valueQuantity":{"value":72.50}}'
    answer = ask("POST", "Observation", body, content_type="application/fhir+json")
    assert b'"value":72.50' in ask("GET", f"Observation/{answer.json['id']}").body


def test_binary_in_its_own_format(ask):
    data = bytes(range(256))
    answer = ask("POST", "Binary", data, content_type="application/octet-stream", x_security_context="Patient/1")
    assert answer.status == 201
    path = f"Binary/{answer.json['id']}"
    assert base64.b64decode(answer.json["data"]) == data
    raw = ask("GET", path, accept="application/octet-stream")
    assert raw.body == data
    assert raw.headers["Content-Type"] == "application/octet-stream"
    assert raw.headers["X-Security-Context"] == "Patient/1"
    assert raw.headers["X-Content-Type-Options"] == "nosniff"
    assert ask("GET", path, accept="application/fhir+json").json["resourceType"] == "Binary"
    assert ask("GET", path).json["resourceType"] == "Binary"
    update = ask("PUT", path, b"other", content_type="text/plain")
    assert (update.status, ask("GET", path, accept="text/plain").body) == (200, b"other")


def test_fhirpath_operation(ask):
    given = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "expression", "valueString": "name.given"},
            {"name": "resource", "resource": patient()},
        ],
    }
    answer = ask("POST", "$fhirpath", given)
    assert answer.status == 200
    assert [part["name"] for part in answer.json["parameter"]] == ["result"]
    given["parameter"][0]["valueString"] = "name.period"
    assert ask("POST", "$fhirpath", given).json == {"resourceType": "Parameters"}
    wrong = {"resourceType": "Parameters", "parameter": [{"name": "expression", "valueString": "name.("}]}
    assert ask("POST", "$fhirpath", wrong).status in (400, 422)


def test_what_another_version_of_fhir_wrote_is_not_read(ask):
    body = {"resourceType": "Patient"}
    assert ask("POST", "Patient", body, content_type="application/fhir+json; fhirVersion=3.0").status == 415
    assert ask("GET", "Patient?_summary=count").json["total"] == 0
    assert ask("POST", "Patient", body, content_type='application/fhir+json; fhirVersion="4.0"').status == 201
