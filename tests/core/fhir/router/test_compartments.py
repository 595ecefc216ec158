"""A compartment confines the matches of a search, not what they lead to."""

import pytest

from tests.core.fhir.router.conftest import asking
from virage.core.callers import Caller


@pytest.fixture
def filled(ask):
    for each in (
        {"resourceType": "Patient", "id": "p", "name": [{"family": "Zola"}]},
        {"resourceType": "Practitioner", "id": "d", "name": [{"family": "Doc"}]},
        {
            "resourceType": "Encounter",
            "id": "e",
            "status": "finished",
            "class": {"code": "AMB"},
            "subject": {"reference": "Patient/p"},
        },
        {
            "resourceType": "Observation",
            "id": "o",
            "status": "final",
            "code": {"text": "x"},
            "subject": {"reference": "Patient/p"},
            "encounter": {"reference": "Encounter/e"},
            "performer": [{"reference": "Practitioner/d"}],
        },
        {
            "resourceType": "List",
            "id": "l",
            "status": "current",
            "mode": "working",
            "entry": [{"item": {"reference": "Observation/o"}}],
        },
    ):
        assert ask("PUT", f"{each['resourceType']}/{each['id']}", each).status == 201
    return ask


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("Patient/p/Observation?_include=Observation:performer", "Observation/o Practitioner/d"),
        ("Patient/p/Observation?performer:Practitioner.family=doc", "Observation/o"),
        ("Patient/p/Observation?_list=l", "Observation/o"),
        ("Patient/q/Observation?performer:Practitioner.family=doc", ""),
        ("Encounter/e/Observation?patient.family=zola&_include=Observation:subject", "Observation/o Patient/p"),
        ("Practitioner/d/Observation?patient.family=zola", "Observation/o"),
        (
            "Patient/p/*?_type=Observation,Encounter&_include=Observation:performer",
            "Encounter/e Observation/o Practitioner/d",
        ),
    ],
)
def test_what_the_matches_lead_to_is_outside(filled, query, expected):
    answer = filled("GET", query)
    assert answer.status == 200, answer.body
    entries = answer.json.get("entry", ())
    assert (
        sorted(f"{each['resource']['resourceType']}/{each['resource']['id']}" for each in entries) == expected.split()
    )


def test_the_rights_of_the_caller_still_hold_there(filled):
    narrow = Caller(kind="software", subject="x", client_id="x", scopes=frozenset({"system/Observation.rs"}))
    entries = asking(caller=narrow)("GET", "Patient/p/Observation?_include=Observation:performer").json["entry"]
    assert [each["resource"]["id"] for each in entries] == ["o"]


def test_a_modifier_on_what_says_how_to_answer_is_refused(ask):
    for query in ("_sort:desc=date", "_count:x=1", "_include:x=Observation:subject"):
        assert ask("GET", f"Observation?{query}").status == 400, query
