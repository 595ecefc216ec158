"""`_text`, `_content`, `near` and `_list`, on the real database."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.access import InPatient, OfType
from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.index import positions
from virage.core.fhir.store import Store, space

BY = system("test")


def condition(id: str, patient: str, narrative: str, code: str, note: str = "") -> dict:
    made = {
        "resourceType": "Condition",
        "id": id,
        "text": {
            "status": "generated",
            "div": f'<div xmlns="http://www.w3.org/1999/xhtml"><p class="grave">{narrative}</p></div>',
        },
        "code": {"coding": [{"system": "http://x", "code": id, "display": code}]},
        "subject": {"reference": f"Patient/{patient}"},
    }
    return {**made, "note": [{"text": note}]} if note else made


def location(id: str, north: float, east: float) -> dict:
    return {"resourceType": "Location", "id": id, "position": {"latitude": north, "longitude": east}}


PARIS, VERSAILLES, LYON, SUVA, APIA = (
    (48.8566, 2.3522),
    (48.8049, 2.1204),
    (45.764, 4.8357),
    (-18.14, 178.44),
    (-13.83, -171.76),
)


@pytest.fixture
def store(db) -> Store:
    store = Store(space("fhir"))
    store.load(
        [
            {"resourceType": "Patient", "id": "p1"},
            condition("c1", "p1", "Fièvre &amp; douleurs thoraciques", "Pneumopathie", "Antécédent d&#8217;asthme"),
            condition("c2", "p1", "L'hypertension art&eacute;rielle", "Hypertension essentielle"),
            condition("c3", "p2", "Métastases osseuses du foie", "Tumeur", "fièvre fièvre fièvre"),
            *(location(*each) for each in (("paris", *PARIS), ("versailles", *VERSAILLES), ("lyon", *LYON))),
            *(location(*each) for each in (("suva", *SUVA), ("apia", *APIA), ("pole", 89.99, 10))),
            {"resourceType": "Location", "id": "nowhere", "name": "Paris"},
            {
                "resourceType": "List",
                "id": "l1",
                "status": "current",
                "mode": "working",
                "subject": {"reference": "Patient/p1"},
                "entry": [
                    {"item": {"reference": "Condition/c1"}},
                    {"item": {"reference": "Condition/c2"}, "deleted": True},
                    {"item": {"reference": "Condition/c3"}},
                    {"item": {"reference": "Location/lyon"}},
                    {"item": {"reference": "Condition/gone"}},
                ],
            },
        ],
        by=BY,
    )
    return store


def ids(store: Store, type_: str, *params: tuple[str, str], **more: object) -> str:
    page = store.search(type_, list(params), total=True, **more)
    assert page.unknown == []
    assert page.total == len(page.matches)
    return " ".join(sorted(version.id for version in page.matches))


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("_text", "fièvre", "c1"),
        ("_text", "FIEVRES", "c1"),
        ("_text", "douleur thoracique", "c1"),
        ("_text", "artérielle", "c2"),
        ("_text", "hypertensions", "c2"),
        ("_text", "pneumopathie", ""),
        ("_text", "grave", ""),
        ("_text", "(fièvre OR hypertension) and douleur", "c1"),
        ("_text", "fièvre or hypertension", "c1 c2"),
        ("_text", "fièvre,métastase", "c1 c3"),
        ("_text", "fièvre not douleur", ""),
        ("_text", "not fièvre", "c2 c3"),
        ("_text", '"métastases du foie"', "c3"),
        ("_content", "fièvre", "c1 c3"),
        ("_content", "pneumopathies", "c1"),
        ("_content", "fievre and pneumopathie", "c1"),
        ("_content", "asthme", "c1"),
        ("_content", "essentiel", "c2"),
        ("_content", "nothing", ""),
    ],
)
def test_words_are_found_whatever_their_endings_and_accents(store, name, value, expected):
    assert ids(store, "Condition", (name, value)) == expected


@pytest.mark.parametrize(
    "value", ["", "le de la", "(fièvre", "fièvre)", "not", " ".join(["mot"] * 300), "(" * 40 + "a" + ")" * 40]
)
def test_a_search_for_no_word_is_refused(store, value):
    with pytest.raises(VirageError) as refused:
        ids(store, "Condition", ("_text", value))
    assert refused.value.status == 400


def test_words_follow_updates_and_deletions_and_rights(store):
    store.update(condition("c1", "p1", "Guérison", "Guérison"), by=BY)
    assert ids(store, "Condition", ("_content", "fièvre")) == "c3"
    assert ids(store, "Condition", ("_content", "fièvre guérison")) == ""
    assert ids(store, "Condition", ("_content", "guerison or foie"), access=InPatient("p1")) == "c1"
    store.delete("Condition", "c3", by=BY)
    assert ids(store, "Condition", ("_content", "foie")) == ""


def test_the_best_answer_comes_first(store):
    found = [v.id for v in store.search("Condition", [("_content", "fièvre")], sort="_score").matches]
    assert found == ["c3", "c1"]
    assert [v.id for v in store.search("Condition", [("_content", "fièvre")], sort="-_score").matches] == ["c1", "c3"]
    with pytest.raises(VirageError) as refused:
        store.search("Condition", [], sort="_score")
    assert refused.value.code == "FHIR.SEARCH_SORT"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("48.8566|2.3522|5|km", "paris"),
        ("48.8566|2.3522|20|km", "paris versailles"),
        ("48.8566|2.3522|20000|m", "paris versailles"),
        ("48.8566|2.3522", "paris versailles"),
        ("48.8566|2.3522|12|[mi_i]", "paris versailles"),
        ("48.8566|2.3522|400|km", "lyon paris versailles"),
        ("48.8566|2.3522|15|km,45.7|4.8|30|km", "lyon paris"),
        ("48.8566|2.3522|0|km", "paris"),
        ("-16|-177|700|km", "apia suva"),
        ("89.9|-170|100|km", "pole"),
        ("0|0|30000|km", "apia lyon paris pole suva versailles"),
    ],
)
def test_places_are_found_by_their_distance(store, value, expected):
    assert ids(store, "Location", ("near", value)) == expected


def test_a_place_without_position_is_nowhere_near(store):
    assert ids(store, "Location", ("near:missing", "true")) == "nowhere"
    assert "nowhere" not in ids(store, "Location", ("near:missing", "false"))
    assert ids(store, "Location", ("near", "45|5|100000|km"), ("name", "paris")) == ""


@pytest.mark.parametrize(
    "value", ["", "48", "a|b", "91|0|1|km", "0|0|-1|km", "0|0|1|kg", "0|0|nan|km", "0|0|1|km|x", "1e999|0"]
)
def test_a_place_that_is_none_is_refused(store, value):
    with pytest.raises(VirageError) as refused:
        ids(store, "Location", ("near", value))
    assert refused.value.status == 400


NORTH, EAST = st.floats(-90, 90), st.floats(-180, 179.999)


@given(NORTH, EAST, NORTH, EAST, st.floats(0, 2.1e7))
def test_the_squares_miss_no_position_within_the_distance(north, east, other_north, other_east, distance):
    a, b, across = math.radians(north), math.radians(other_north), math.radians(other_east - east)
    half = math.sin((b - a) / 2) ** 2 + math.cos(a) * math.cos(b) * math.sin(across / 2) ** 2
    apart = 2 * positions.RADIUS * math.asin(min(1, math.sqrt(half)))
    squares = positions.forms_within(north, east, distance)
    if apart < distance * 0.999999 and squares is not None:
        assert set(squares) & set(positions.forms_of(other_north, other_east))


def test_a_list_names_what_is_found(store):
    assert ids(store, "Condition", ("_list", "l1")) == "c1 c3"
    assert ids(store, "Condition", ("_list", "l1"), ("_content", "foie")) == "c3"
    assert ids(store, "Location", ("_list", "l1")) == "lyon"
    assert ids(store, "Condition", ("_list", "unknown")) == ""
    assert ids(store, "Patient", ("_has:Condition:subject:_list", "l1")) == "p1"
    with pytest.raises(VirageError) as refused:
        ids(store, "Condition", ("_list", "$current-problems"))
    assert refused.value.code == "FHIR.SEARCH_UNSERVED"


def test_a_list_that_the_caller_may_not_see_names_nothing(store):
    assert ids(store, "Condition", ("_list", "l1"), access=InPatient("p1")) == "c1"
    assert ids(store, "Condition", ("_list", "l1"), access=InPatient("p2")) == ""
    assert ids(store, "Condition", ("_list", "l1"), access=OfType(frozenset({"Condition"}))) == ""
