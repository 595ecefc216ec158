"""`_filter`: its language (pure), and what it finds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.access import InPatient
from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.search import filters
from virage.core.fhir.search.filters import Both, Comparison, Negated, Step
from virage.core.fhir.store import Store, space

BY = system("test")
LOINC = "http://loinc.org"


def test_words_go_from_left_to_right_without_precedence():
    a, b, c = (Comparison((Step(name),), "eq", "1") for name in "abc")
    assert filters.parse("a eq 1 or b eq 1 and c eq 1") == Both("and", Both("or", a, b), c)
    assert filters.parse("a eq 1 or (b eq 1 and c eq 1)") == Both("or", a, Both("and", b, c))
    assert filters.parse(" not (a eq 1) and b  eq  1 ") == Both("and", Negated(a), b)
    assert filters.parse("a[b eq 1].c eq 1") == Comparison((Step("a", b), Step("c")), "eq", "1")
    assert filters.parse('a:Patient.c co "x ) \\" ]"') == Comparison((Step("a:Patient"), Step("c")), "co", 'x ) " ]')


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a eq",
        "a eq ",
        "a is 1",
        "a eq 1 b eq 2",
        "(a eq 1",
        "a eq 1)",
        'a eq "x',
        "a[b eq 1 eq 1",
        "a[b eq 1] eq 1",
        "not a",
        "a. eq 1",
        "a eq 1 and",
        "(" * 5000 + "a eq 1" + ")" * 5000,
        "(" * 100 + "a eq 1" + ")" * 100,
        " and ".join(["a eq 1"] * 100),
    ],
)
def test_what_is_not_a_filter_is_refused(text):
    with pytest.raises(VirageError) as refused:
        filters.parse(text)
    assert refused.value.status == 400
    assert refused.value.path == "_filter"


@given(st.text(alphabet='abc eqnd()[]".\\ \n:_-1', max_size=60))
def test_any_text_is_read_or_refused(text):
    status = None
    try:
        filters.parse(text)
    except VirageError as refusal:
        status = refusal.status
    assert status in (None, 400)


def observation(id: str, patient: str, code: str, date: str, value: float) -> dict:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": "final",
        "code": {"coding": [{"system": LOINC, "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "performer": [{"reference": f"Practitioner/d{id[1]}"}],
        "effectiveDateTime": date,
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mg"},
    }


@pytest.fixture
def store(db) -> Store:
    store = Store(space("fhir"))
    store.load(
        [
            {"resourceType": "Patient", "id": "p1", "name": [{"family": "Petit", "given": ["Paul"]}], "gender": "male"},
            {
                "resourceType": "Patient",
                "id": "p2",
                "name": [{"family": "Grand", "given": ["Éva"]}],
                "birthDate": "1980",
            },
            {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Laennec"}]},
            {"resourceType": "Practitioner", "id": "d2", "name": [{"family": "Cuvier"}], "gender": "female"},
            observation("o1", "p1", "a", "2020-01-01", 1),
            observation("o2", "p1", "b", "2020-06-01", 2),
            observation("o3", "p2", "a", "2021-01-01", 3000),
            {
                "resourceType": "Encounter",
                "id": "e1",
                "status": "finished",
                "period": {"start": "2020-03", "end": "2020-05"},
            },
            {"resourceType": "Encounter", "id": "e2", "status": "finished", "period": {"start": "2021"}},
        ],
        by=BY,
    )
    return store


def ids(store: Store, type_: str, text: str, **more: object) -> str:
    page = store.search(type_, [("_filter", text)], total=True, **more)
    assert page.unknown == []
    assert page.total == len(page.matches)
    return " ".join(sorted(version.id for version in page.matches))


@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("Patient", 'name co "eti"', "p1"),
        ("Patient", "name sw pet", "p1"),
        ("Patient", "name ew rand", "p2"),
        ("Patient", "given eq eva", "p2"),
        ("Patient", "given eq ev", ""),
        ("Patient", "given eq Paul or birthdate ge 1979", "p1 p2"),
        ("Patient", "family co a or gender eq male", "p1 p2"),
        ("Patient", "gender pr true", "p1"),
        ("Patient", "gender pr false", "p2"),
        ("Patient", "not (gender eq male)", "p2"),
        ("Patient", "family gt h", "p1"),
        ("Patient", "family ne Petit", "p2"),
        ("Patient", "_id eq p1", "p1"),
        ("Patient", "_id ne p1", "p2"),
        ("Patient", "_lastUpdated gt 2020-01-01", "p1 p2"),
        ("Observation", f"code eq {LOINC}|a", "o1 o3"),
        ("Observation", "code ne a", "o2"),
        ("Observation", "code eq a and date lt 2021", "o1"),
        ("Observation", "code eq a and not (date lt 2021)", "o3"),
        ("Observation", "date eq 2020 or value-quantity gt 5", "o1 o2 o3"),
        ("Observation", "value-quantity eq 3|http://unitsofmeasure.org|g", "o3"),
        ("Observation", "value-quantity ap 2100", ""),
        ("Observation", "value-quantity ap 2800", "o3"),
        ("Observation", "subject re Patient/p1", "o1 o2"),
        ("Observation", "subject.name co petit", "o1 o2"),
        ("Observation", "subject:Patient.name co petit and code eq b", "o2"),
        ("Observation", 'performer:Practitioner.name eq "laennec"', "o1"),
        ("Observation", "performer:Practitioner[gender eq female].name co cuv", "o2"),
        ("Observation", "performer:Practitioner[gender eq female].name co laen", ""),
        ("Observation", "subject:Patient[gender eq male].family sw p", "o1 o2"),
        ("Observation", "subject:Patient.family sw p or performer:Practitioner.family sw c", "o1 o2"),
        ("Observation", "status in http://hl7.org/fhir/ValueSet/observation-status", "o1 o2 o3"),
        ("Observation", "status ni http://hl7.org/fhir/ValueSet/observation-status", ""),
        ("Encounter", "date po 2020-04-15", "e1"),
        ("Encounter", "date po 2021-06", "e2"),
        ("Encounter", "date po 2019", ""),
        ("Encounter", "date sa 2020-06", "e2"),
    ],
)
def test_a_filter_finds(store, type_, text, expected):
    assert ids(store, type_, text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "colour eq red",
        "subject.colour eq red",
        "code.text eq x",
        "code co a",
        "code re Patient/1",
        "date co 2020",
        "gender pr maybe",
        "date gt soon",
        "_id gt p1",
        "code:text eq a",
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(store, text):
    with pytest.raises(VirageError) as refused:
        ids(store, "Observation", text)
    assert refused.value.status == 400


def test_a_filter_passes_only_through_what_the_caller_may_see(store):
    mine = InPatient("p1")
    assert ids(store, "Observation", "code eq a or code eq b", access=mine) == "o1 o2"
    assert ids(store, "Observation", "subject:Patient.family eq grand or code eq b", access=mine) == "o2"
    assert ids(store, "Observation", "performer:Practitioner.name eq laennec", access=mine) == ""
