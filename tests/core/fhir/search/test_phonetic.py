"""Names by how they sound."""

import pytest

from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.index.phonetics import sounds
from virage.core.fhir.store import Store, space

BY = system("test")


@pytest.mark.parametrize(
    "alike",
    [
        "Dupont Dupond Dupon",
        "Philippe Filip Phillipe",
        "Smith Smythe Smyth",
        "Thibault Thibaut Tibo Thibaud",
        "Catherine Katrine Kathryn",
        "Christophe Kristof",
        "Éloïse Héloïse",
        "Rousseau Rousso Rousseaux",
        "Stéphane Stefan",
        "Wagnez Vagnet",
    ],
)
def test_what_sounds_alike_has_one_code(alike):
    assert len(sounds(alike)) == 1


def test_what_does_not_has_several():
    assert len(sounds("Martin Bernard Dubois Petit Durand Leroy Moreau Simon Laurent 1 2")) == 11
    assert sounds("") == ()


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def test_people_are_found_by_ear(store, monkeypatch):
    people = {"a": ("Dupont", "Jean-Pierre"), "b": ("Dupond", "Marie"), "c": ("Dubois", "Jean")}
    store.load(
        [
            {"resourceType": "Patient", "id": id_, "name": [{"family": family, "given": [given]}]}
            for id_, (family, given) in people.items()
        ]
        + [{"resourceType": "Patient", "id": "d"}],
        by=BY,
    )

    def found(name: str, value: str) -> str:
        return "".join(each.id for each in store.search("Patient", [(name, value)], sort="_id").matches)

    assert found("phonetic", "DUPON") == "ab"
    assert found("phonetic", "dupond jan") == "a"
    assert found("phonetic", "dupond,duboit") == "abc"
    assert found("phonetic", "zola") == ""
    assert found("phonetic:missing", "true") == "d"
    assert found("phonetic:missing", "false") == "abc"
    assert found("_filter", "phonetic eq dupon") == "ab"
    for name, value in (
        ("phonetic:exact", "x"),
        ("phonetic", "..."),
        ("_filter", "phonetic gt x"),
        ("_sort", "phonetic"),
    ):
        with pytest.raises(VirageError):
            found(name, value) if name != "_sort" else store.search("Patient", [], sort=value)
    monkeypatch.setattr("virage.core.fhir.index.revised", lambda revision: revision < 7)
    with pytest.raises(VirageError) as refused:
        found("phonetic", "dupon")
    assert refused.value.code == "FHIR.SEARCH_INDEXING"
