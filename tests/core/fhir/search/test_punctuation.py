"""Punctuation does not count in texts, but where the very text is asked for."""

import pytest

from virage.core.callers import system
from virage.core.fhir.index.strings import fold, unmarked
from virage.core.fhir.store import Store, space

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("O'Brien", ("o brien", "obrien")),
        ("Jean-Pierre", ("jean pierre", "jeanpierre")),
        ("12, rue de l’Église", ("12 rue de l eglise", "12 rue de leglise")),
        ("Martin", ()),
        ("Jean Pierre", ()),
        ("--", ()),
    ],
)
def test_forms(text, expected):
    assert unmarked(fold(text)) == expected


def test_a_name_is_the_same_with_and_without_its_marks(store):
    people = [
        ("a", "O'Brien", "Jean-Pierre"),
        ("b", "OBrien", "Jean Pierre"),
        ("c", "O Brien", "Jeanpierre"),
        ("d", "Obi", "Jean"),
    ]
    store.load(
        [
            {"resourceType": "Patient", "id": id_, "name": [{"family": family, "given": [given]}]}
            for id_, family, given in people
        ],
        by=BY,
    )

    def found(name: str, value: str, sort: str = "_id") -> str:
        return "".join(each.id for each in store.search("Patient", [(name, value)], sort=sort).matches)

    assert found("family", "obrien") == "ab"
    assert found("family", "o brien") == "ac"
    assert found("family", "O'Brien") == "abc"
    assert found("given", "jean pierre") == "ab"
    assert found("given", "jean-pierre") == "abc"
    assert found("given", "jean") == "abcd"
    assert found("family:contains", "'bri") == "abc"
    assert found("family:exact", "O'Brien") == "a"
    assert found("family:exact", "OBrien") == "b"
    assert found("family:missing", "false") == "abcd"
    assert found("_filter", 'family ne "o\'brien"') == "bcd"
    assert found("_filter", 'family eq "o\'brien"') == "a"
    assert found("given", "jean", sort="family") == "cadb"
    assert found("given", "jean", sort="-family") == "bdac"
