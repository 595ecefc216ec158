"""Chains and `_has` over canonical references, against a plain evaluation on random worlds; what a version designates."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.access import Everything, Has
from virage.core.errors import VirageError
from virage.core.fhir.store import Store, space

sys.path.insert(0, str(Path(__file__).parent))
import oracle
from test_oracle import BY, SLOW, undone
from worlds import Maker

URLS = ["http://x.test/a", "http://x.test/b"]
VERSIONS = ["1", "1.2", "1.10", "2.0"]


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def canonical(maker: Maker) -> str:
    return maker.pick(*URLS) + maker.pick("", "|" + maker.pick(*VERSIONS, "9"))


def world(maker: Maker) -> oracle.World:
    made: oracle.World = {"Patient/p0": {"resourceType": "Patient", "id": "p0", **maker.patient()}}
    for type_, letter in (("Questionnaire", "q"), ("StructureDefinition", "s")):
        for number, (url, version) in enumerate((url, version) for url in URLS for version in VERSIONS):
            if maker.draw.random() < 0.7:
                made[f"{type_}/{letter}{number}"] = {
                    "resourceType": type_,
                    "id": f"{letter}{number}",
                    "url": url,
                    "version": version,
                    "status": maker.pick("draft", "active"),
                    **maker.part(title=lambda: maker.pick("Élodie", "Zoé")),
                }
                if letter == "s":
                    made[f"{type_}/{letter}{number}"] |= maker.part(baseDefinition=lambda: canonical(maker))
    for number in range(12):
        made[f"QuestionnaireResponse/r{number}"] = {
            "resourceType": "QuestionnaireResponse",
            "id": f"r{number}",
            "status": maker.pick("completed", "in-progress"),
            **maker.part(
                questionnaire=lambda: maker.pick(canonical(maker), "Questionnaire/q0"),
                subject=lambda: maker.reference("Patient/p0"),
            ),
        }
    return made


def question(maker: Maker) -> tuple[str, tuple[str, str]]:
    of_questionnaire = maker.pick(("title", maker.pick("elo", "z")), ("status", maker.pick("draft", "active")))
    of_response = maker.pick(("status", maker.pick("completed", "in-progress")), ("questionnaire", canonical(maker)))
    of_profile = maker.pick(of_questionnaire, ("base", canonical(maker)))
    type_, way, (name, value) = maker.pick(
        ("QuestionnaireResponse", "questionnaire.", of_questionnaire),
        ("Questionnaire", "_has:QuestionnaireResponse:questionnaire:", of_response),
        ("Patient", "_has:QuestionnaireResponse:subject:questionnaire.", of_questionnaire),
        ("StructureDefinition", "base:StructureDefinition.", of_profile),
        ("StructureDefinition", "base.base.", of_profile),
        ("StructureDefinition", "_has:StructureDefinition:base:", of_profile),
        ("StructureDefinition", "_has:StructureDefinition:base:_has:StructureDefinition:base:", of_profile),
    )
    return type_, (way + name, value)


@SLOW
@given(seed=st.integers(0, 1_000_000))
def test_a_chain_over_an_address_goes_to_what_it_designates(store, seed):
    maker = Maker(seed)
    made = world(maker)

    def check():
        store.load(list(made.values()), by=BY)
        for _ in range(30):
            rule = maker.pick(Everything(), Has("status", "|active"))
            seen = {key: each for key, each in made.items() if rule.admits(store.facts(each)).allowed}
            type_, asked = question(maker)
            page = store.search(type_, [asked], access=rule, total=True)
            assert page.unknown == []
            expected = oracle.search(seen, type_, [asked])
            assert sorted(version.id for version in page.matches) == expected, (type_, asked, rule)
            assert page.total == len(expected)

    undone(check)


def plan(id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": "PlanDefinition", "id": id_, "status": "active", **more}


def test_other_types_chain_too(store):
    activity = {
        "resourceType": "ActivityDefinition",
        "id": "a",
        "url": "http://x.test/act",
        "status": "active",
        "name": "Act",
    }
    held = plan("p", action=[{"definitionCanonical": "http://x.test/act"}], library=["http://x.test/lib|1"])
    library = {"resourceType": "Library", "id": "l", "url": "http://x.test/lib", "version": "1", "status": "draft"}
    store.load([activity, held, library, plan("other")], by=BY)

    def found(type_: str, name: str, value: str) -> list[str]:
        return [each.id for each in store.search(type_, [(name, value)]).matches]

    assert found("PlanDefinition", "definition:ActivityDefinition.name", "act") == ["p"]
    assert found("PlanDefinition", "definition.name", "act") == ["p"]
    assert found("PlanDefinition", "depends-on:Library.status", "draft") == ["p"]
    assert found("ActivityDefinition", "_has:PlanDefinition:definition:_id", "p") == ["a"]
    assert found("Library", "_has:PlanDefinition:depends-on:status", "active") == ["l"]
    assert found("PlanDefinition", "_filter", 'definition:ActivityDefinition.name sw "act"') == ["p"]


def test_a_chain_over_an_address_waits_for_its_index(store, monkeypatch):
    monkeypatch.setattr("virage.core.fhir.index.revised", lambda revision: revision < 4)
    with pytest.raises(VirageError) as refused:
        store.search("QuestionnaireResponse", [("questionnaire.title", "x")])
    assert refused.value.code == "FHIR.SEARCH_INDEXING"
