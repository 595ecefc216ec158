"""Search constraints of SMART scopes: what is granted is held in every way out and in; what cannot be held is not granted."""

import pytest

from tests.core.fhir.router.conftest import asking, observation, patient
from virage.core.accounts import rules
from virage.core.callers import Caller
from virage.core.fhir.constraints import enforceable

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
SCOPE = f"system/Observation.cruds?category={CATEGORY}|laboratory"


def caller(*scopes):
    return Caller(kind="software", subject="s", client_id="s", scopes=frozenset(scopes))


def category(code):
    return [{"coding": [{"system": CATEGORY, "code": code}]}]


@pytest.fixture
def labs(ask):
    ask("PUT", "Patient/p", patient(id="p"))
    for id, code in (("lab", "laboratory"), ("vital", "vital-signs")):
        ask("PUT", f"Observation/{id}", observation("Patient/p", id=id, category=category(code)))
    return asking(caller=caller(SCOPE, "system/Patient.rs"))


def ids(answer):
    assert answer.status == 200, answer.texts
    return {entry["resource"]["id"] for entry in answer.json.get("entry", ())}


def test_what_leaves_meets_the_constraint(labs):
    assert labs("GET", "Observation/lab").status == 200
    for place in ("Observation/vital", "Observation/vital/_history", "Observation/vital/_history/1"):
        assert labs("GET", place).status == 403
    assert ids(labs("GET", "Observation")) == {"lab"}
    assert ids(labs("GET", "Observation?category=vital-signs")) == set()
    assert ids(labs("GET", "Patient/p/Observation")) == {"lab"}
    assert ids(labs("GET", "Observation/_history")) == {"lab"}
    assert ids(labs("GET", "Patient?_has:Observation:patient:category=vital-signs")) == set()
    assert ids(labs("GET", "Patient?_has:Observation:patient:category=laboratory")) == {"p"}
    assert labs("GET", "Observation?_summary=count").json["total"] == 1


def test_what_is_written_meets_it_too(labs):
    lab, vital = category("laboratory"), category("vital-signs")
    assert labs("POST", "Observation", observation("Patient/p", category=lab)).status == 201
    assert labs("POST", "Observation", observation("Patient/p", category=vital)).status == 403
    assert labs("PUT", "Observation/neuf", observation("Patient/p", id="neuf", category=vital)).status == 403
    assert labs("PUT", "Observation/lab", observation("Patient/p", id="lab", category=vital)).status == 403
    assert labs("PUT", "Observation/vital", observation("Patient/p", id="vital", category=lab)).status == 403
    assert labs("DELETE", "Observation/vital").status == 403
    entry = {"request": {"method": "POST", "url": "Observation"}, "resource": observation("Patient/p", category=vital)}
    for kind in ("transaction", "batch"):
        answer = labs("POST", "", {"resourceType": "Bundle", "type": kind, "entry": [entry]})
        assert answer.status == 403 or answer.json["entry"][0]["response"]["status"].startswith("403")
    assert labs("DELETE", "Observation/lab").status == 204


def test_a_search_meets_other_types_by_the_scopes_that_open_them(labs):
    """A chain, an include or a condition on what the token does not open would tell what it holds."""
    patients = asking(caller=caller("system/Patient.rs"))
    assert ids(patients("GET", "Patient")) == {"p"}
    assert ids(patients("GET", "Patient?_has:Observation:patient:status=final")) == set()
    assert ids(patients("GET", "Patient?_revinclude=Observation:patient")) == {"p"}
    assert ids(labs("GET", "Patient?_revinclude=Observation:patient")) == {"p", "lab"}
    assert ids(labs("GET", "Observation?_include=Observation:subject")) == {"p", "lab"}
    assert ids(labs("GET", "Observation?subject:Patient.name=essai")) == {"lab"}
    only = asking(caller=caller("system/Observation.rs"))
    assert ids(only("GET", "Observation?_include=Observation:subject")) == {"lab", "vital"}
    assert ids(only("GET", "Observation?subject:Patient.name=essai")) == set()


@pytest.mark.parametrize(
    ("type", "query", "held"),
    [
        ("Observation", f"category={CATEGORY}|laboratory", True),
        ("Observation", "category=laboratory,vital-signs&status=final", True),
        ("Observation", "subject=Patient/1", True),
        ("*", "_security=urn:s|x", True),
        ("Observation", "category:in=http://x/vs", False),
        ("Observation", "subject.name=x", False),
        ("Observation", "date=ge2020-01-01", False),
        ("Observation", f"category={CATEGORY}|", False),
        ("Observation", "subject=1", False),
        ("Observation", "inconnu=x", False),
        ("Inconnu", "status=x", False),
        ("*", "status=x", False),
        ("Observation", "", False),
    ],
)
def test_only_constraints_that_are_held_are_granted(ask, type, query, held):
    assert enforceable(type, query) is held
    scope = f"system/{type}.rs?{query}"
    if query:
        granted = rules.grant_scopes([scope, "system/Patient.rs"], client=["system/*.cruds"], person=None)
        assert granted == ({scope, "system/Patient.rs"} if held else {"system/Patient.rs"})
