"""`_contained` as it is answered: where an entry says it is, and by whose rights."""

import pytest

from tests.core.fhir.router.conftest import asking
from virage.core.callers import Caller

HERE = "http://test.local/fhir"
ALONE = "Medication?_contained=true&_containedType=contained&code=abc"


@pytest.fixture
def filled(ask):
    held = {
        "resourceType": "MedicationRequest",
        "id": "r",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "medicationReference": {"reference": "#m"},
        "contained": [
            {"resourceType": "Medication", "id": "m", "code": {"coding": [{"code": "abc"}]}, "status": "active"}
        ],
    }
    assert ask("PUT", "MedicationRequest/r", held).status == 201
    return ask


def entries(answer) -> list[tuple[str, str, str]]:
    return [
        (each["fullUrl"].removeprefix(HERE), each["resource"]["resourceType"], each["search"]["mode"])
        for each in answer.json.get("entry", ())
    ]


def test_where_an_entry_is(filled):
    assert entries(filled("GET", "Medication?code=abc")) == []
    assert entries(filled("GET", "Medication?code=abc&_contained=true")) == [
        ("/MedicationRequest/r", "MedicationRequest", "match")
    ]
    assert entries(filled("GET", ALONE)) == [("/MedicationRequest/r#m", "Medication", "match")]
    cut = filled("GET", f"{ALONE}&_elements=status").json["entry"][0]["resource"]
    assert (set(cut), cut["status"]) == ({"resourceType", "id", "meta", "status"}, "active")
    assert filled("GET", f"{ALONE}&_summary=count").json["total"] == 1
    assert "/MedicationRequest/r#m" in filled("GET", f"{ALONE}&_format=xml").body.decode()


def test_what_contains_it_decides_who_may_see_it(filled):
    for scopes, seen in (
        ({"system/Medication.rs"}, []),
        ({"system/Medication.rs", "system/MedicationRequest.rs?status=completed"}, []),
        ({"system/Medication.rs", "system/MedicationRequest.rs?status=active"}, ["/MedicationRequest/r#m"]),
        ({"system/*.rs"}, ["/MedicationRequest/r#m"]),
    ):
        ask = asking(caller=Caller(kind="software", subject="x", client_id="x", scopes=frozenset(scopes)))
        assert [each[0] for each in entries(ask("GET", ALONE))] == seen, scopes
        assert ask("GET", f"{ALONE}&_summary=count").json["total"] == len(seen)
        both = entries(ask("GET", "Medication?_contained=both&code=abc"))
        assert [each[0] for each in both] == [each.removesuffix("#m") for each in seen]
