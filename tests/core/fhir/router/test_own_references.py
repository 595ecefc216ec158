"""References and searches that write the whole address of this very base."""

import pytest

from virage.core.fhir.references import local

HERE = "http://test.local/fhir"


def observation(id: str, subject: str) -> dict:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": subject},
    }


def found(ask, query: str) -> list[str]:
    answer = ask("GET", query)
    assert answer.status == 200, answer.body
    return sorted(
        f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in answer.json.get("entry", ())
    )


def test_a_reference_to_this_base_is_a_relative_one(ask):
    ask("PUT", "Patient/p", {"resourceType": "Patient", "id": "p", "gender": "male"})
    assert ask("PUT", "Observation/a", observation("a", f"{HERE}/Patient/p")).status == 201
    assert ask("GET", "Observation/a").json["subject"] == {"reference": "Patient/p"}
    for kind in ("batch", "transaction"):
        entry = {
            "request": {"method": "PUT", "url": f"Observation/{kind}"},
            "resource": observation(kind, f"{HERE}/Patient/p"),
        }
        assert ask("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]}).status == 200
    everyone = ["Observation/a", "Observation/batch", "Observation/transaction"]
    for query in (
        f"Observation?subject={HERE}/Patient/p",
        f"Observation?subject:Patient={HERE}/Patient/p",
        f"Observation?patient={HERE}/Patient/p,{HERE}/Patient/q",
        "Observation?subject=Patient/p",
        "Observation?patient.gender=male",
        "Patient/p/Observation",
    ):
        assert found(ask, query) == everyone, query
    assert found(ask, "Patient?_id=p&_revinclude=Observation:subject") == [*everyone, "Patient/p"]


def test_another_base_stays_another_base(ask):
    elsewhere = "http://other.test/fhir/Patient/p"
    ask("PUT", "Observation/a", observation("a", elsewhere))
    assert ask("GET", "Observation/a").json["subject"] == {"reference": elsewhere}
    assert found(ask, f"Observation?subject={elsewhere}") == ["Observation/a"]
    assert found(ask, "Observation?subject=Patient/p") == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"{HERE}/Patient/p", "Patient/p"),
        (f"{HERE}/Patient/p/_history/2", "Patient/p/_history/2"),
        (f"{HERE}/Patient?x=y", f"{HERE}/Patient?x=y"),
        (f"{HERE}x/Patient/p", f"{HERE}x/Patient/p"),
        (f"{HERE}/Patient/p/more", f"{HERE}/Patient/p/more"),
        ("Patient/p", "Patient/p"),
    ],
)
def test_what_is_local(text, expected):
    assert local(text, HERE) == expected
    assert local(text, "") == text


def test_an_id_that_is_not_this_one(ask):
    for id in ("a", "b"):
        ask("PUT", f"Organization/{id}", {"resourceType": "Organization", "id": id, "name": id})
    assert found(ask, "Organization?_id:not=a") == ["Organization/b"]
    assert found(ask, "Organization?_id:missing=true") == []
    assert found(ask, "Organization?_id:missing=false") == ["Organization/a", "Organization/b"]
    assert ask("GET", "Organization?_id:exact=a").status == 400


def test_a_contact_is_found_by_its_use_and_by_its_system(ask):
    telecom = [{"system": "phone", "use": "home", "value": "0102"}]
    ask("PUT", "Patient/p", {"resourceType": "Patient", "id": "p", "telecom": telecom})
    for query in ("0102", "phone|0102", "home|0102"):
        assert found(ask, f"Patient?telecom={query}") == ["Patient/p"], query
    assert found(ask, "Patient?telecom=email|0102") == []
