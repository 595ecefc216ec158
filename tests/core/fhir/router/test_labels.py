"""$meta of a type and of the base."""

import pytest

from tests.core.fhir.router.conftest import asking, observation, patient
from virage.core.callers import Caller
from virage.core.fhir import FhirService
from virage.core.fhir.interactions import labels
from virage.core.fhir.search.errors import TooDear

RED, BLUE = ({"system": "urn:colours", "code": code, "display": code} for code in ("red", "blue"))
SECRET = {"system": "http://terminology.hl7.org/CodeSystem/v3-Confidentiality", "code": "V"}
PROFILE = "http://example.org/StructureDefinition/observation|1.0"


def caller(*scopes):
    return Caller(kind="software", subject="s", client_id="s", scopes=frozenset(scopes))


@pytest.fixture
def labelled(ask):
    ask("PUT", "Patient/p", patient(id="p", meta={"tag": [RED], "security": [SECRET]}))
    ask("PUT", "Patient/gone", patient(id="gone", meta={"tag": [{"code": "gone"}]}))
    ask("DELETE", "Patient/gone")
    for id, meta in {
        "a": {"tag": [RED, BLUE], "profile": [PROFILE]},
        "b": {"tag": [{**BLUE, "display": "bleu"}]},
        "c": {"source": "urn:x"},
    }.items():
        assert ask("PUT", f"Observation/{id}", observation("Patient/p", id=id, meta=meta)).status == 201
    return ask


def used(answer):
    assert answer.status == 200, answer.texts
    meta = answer.json["parameter"][0]["valueMeta"]
    return {
        name: sorted(each if isinstance(each, str) else each["code"] for each in values)
        for name, values in meta.items()
    }


def test_what_is_in_use_on_a_type_and_on_the_base(labelled):
    assert used(labelled("GET", "Observation/$meta")) == {"profile": [PROFILE], "tag": ["blue", "red"]}
    assert used(labelled("GET", "$meta")) == {"profile": [PROFILE], "tag": ["blue", "red"], "security": ["V"]}
    assert used(labelled("POST", "Patient/$meta")) == {"tag": ["red"], "security": ["V"]}
    assert used(labelled("GET", "Device/$meta")) == {}
    assert used(labelled("GET", "Observation/b/$meta"))["tag"] == ["blue"]


def test_only_on_what_the_caller_may_see(labelled):
    some = asking(caller=caller("system/Observation.rs?_tag=urn:colours|red"))
    assert used(some("GET", "Observation/$meta")) == {"profile": [PROFILE], "tag": ["blue", "red"]}
    assert used(some("GET", "$meta")) == {"profile": [PROFILE], "tag": ["blue", "red"]}
    assert some("GET", "Patient/$meta").status == 403
    none = asking(caller=caller("system/Observation.rs?_tag=urn:colours|green"))
    assert used(none("GET", "Observation/$meta")) == {}


def test_where_a_base_searches_by_itself_it_is_not_offered(db):
    service = FhirService("/essai/fhir", "essai-labels", 97, "Essai", overrides={("search-type", "Patient"): None})
    theirs = asking(service)
    assert theirs("GET", "Patient/$meta").status == 404
    assert used(theirs("GET", "$meta")) == {}


def test_too_many_are_refused_with_advice(labelled, monkeypatch):
    monkeypatch.setattr(labels, "_MOST", 2)
    refused = labelled("GET", "Observation/$meta")
    assert refused.json["issue"][0]["code"] == TooDear.issue
    assert "_tag" in refused.texts
