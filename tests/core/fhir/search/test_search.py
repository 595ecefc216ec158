"""Searches through the store, on the real database."""

import pytest

from virage.core import db as database
from virage.core.access import AllOf, AnyOf, Everything, Has, InPatient, Not, Nothing
from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.search import ahead
from virage.core.fhir.search.plans import Query, Statement
from virage.core.fhir.store import Store, space

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def observation(id: str, patient: str, code: str, date: str, value: float = 1.0, status: str = "final", **more):
    return {
        "resourceType": "Observation",
        "id": id,
        "status": status,
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": code}]},
        "subject": {"reference": f"Patient/{patient}"},
        "effectiveDateTime": date,
        "valueQuantity": {"value": value, "system": "http://unitsofmeasure.org", "code": "mg"},
        **more,
    }


@pytest.fixture
def filled(store: Store) -> Store:
    people = [
        {
            "resourceType": "Patient",
            "id": "p1",
            "name": [{"family": "Éluard", "given": ["Paul", "Eugène"]}],
            "gender": "male",
        },
        {
            "resourceType": "Patient",
            "id": "p2",
            "name": [{"family": "Desnos", "given": ["Youki"]}],
            "gender": "female",
            "birthDate": "1980-02-03",
        },
        {"resourceType": "Practitioner", "id": "d1", "name": [{"family": "Laennec"}]},
    ]
    observations = [
        observation(
            "o1", "p1", "a", "2020-01-01", 1, performer=[{"reference": "Practitioner/d1", "display": "Dr Laennec"}]
        ),
        observation("o2", "p1", "b", "2020-06-01", 2),
        observation("o3", "p2", "a", "2021-01-01", 3, "amended"),
        observation("o4", "p2", "b", "2021-06-01T12:00:00Z", 4),
    ]
    observations[1]["code"]["text"] = "Taille (debout)"
    assert store.load([*people, *observations], by=BY).written == 7
    assert store.load(observations, by=BY).written == 0
    return store


def ids(store: Store, query: str, type: str = "Observation", **more) -> list[str]:
    params = [tuple(part.split("=", 1)) for part in query.split("&") if part]
    return sorted(v.id for v in store.search(type, params, **more).matches)


@pytest.mark.parametrize(
    ("type", "query", "expected"),
    [
        ("Observation", "", "o1 o2 o3 o4"),
        ("Observation", "code=a", "o1 o3"),
        ("Observation", "code=a,b", "o1 o2 o3 o4"),
        ("Observation", "code=http://loinc.org|a", "o1 o3"),
        ("Observation", "code=http://other|a", ""),
        ("Observation", "code=|a", ""),
        ("Observation", "code=http://loinc.org|", "o1 o2 o3 o4"),
        ("Observation", "code:not=a", "o2 o4"),
        ("Observation", "performer:text=laënnec", "o1"),
        ("Observation", "performer:text=dr laennec", "o1"),
        ("Observation", "performer:text=dr other", ""),
        ("Observation", "code:text=taille", "o2"),
        ("Observation", "status=final", "o1 o2 o4"),
        ("Observation", "status=http://hl7.org/fhir/observation-status|amended", "o3"),
        ("Observation", "subject=Patient/p1", "o1 o2"),
        ("Observation", "subject=p1", "o1 o2"),
        ("Observation", "subject:Patient=p1", "o1 o2"),
        ("Observation", "patient=p1&code=a", "o1"),
        ("Observation", "performer=Practitioner/d1", "o1"),
        ("Observation", "performer:missing=true", "o2 o3 o4"),
        ("Observation", "performer:missing=false", "o1"),
        ("Observation", "date=2020", "o1 o2"),
        ("Observation", "date=ge2020-06-01", "o2 o3 o4"),
        ("Observation", "date=gt2020-06-01", "o3 o4"),
        ("Observation", "date=lt2020-06-01", "o1"),
        ("Observation", "date=le2020-06-01", "o1 o2"),
        ("Observation", "date=ne2020-06-01", "o1 o3 o4"),
        ("Observation", "date=sa2021-01-01", "o4"),
        ("Observation", "date=eb2020-06-01", "o1"),
        ("Observation", "date=ge2020-03-01&date=lt2021-03-01", "o2 o3"),
        ("Observation", "code=a&date=2021", "o3"),
        ("Observation", "value-quantity=gt2", "o3 o4"),
        ("Observation", "value-quantity=3|http://unitsofmeasure.org|mg", "o3"),
        ("Observation", "value-quantity=3||mg", "o3"),
        ("Observation", "value-quantity=3||kg", ""),
        ("Observation", "_id=o1,o4", "o1 o4"),
        ("Observation", "_id=o1&code=b", ""),
        ("Observation", "_lastUpdated=gt2020", "o1 o2 o3 o4"),
        ("Observation", "_lastUpdated=lt2020", ""),
        ("Patient", "name=elu", "p1"),
        ("Patient", "family=ÉLUARD", "p1"),
        ("Patient", "given=eug", "p1"),
        ("Patient", "family:exact=Éluard", "p1"),
        ("Patient", "family:exact=Eluard", ""),
        ("Patient", "family:contains=sno", "p2"),
        ("Patient", "birthdate=1980-02", "p2"),
        ("Patient", "gender=male,female", "p1 p2"),
        ("Patient", "birthdate:missing=true", "p1"),
    ],
)
def test_a_query_finds(filled, type, query, expected):
    assert ids(filled, query, type) == expected.split()
    total = filled.search(type, [tuple(p.split("=", 1)) for p in query.split("&") if p], total=True, count=1).total
    assert total == len(expected.split())


@pytest.mark.parametrize(
    "sort", ["date", "-date", "status,-date", "_lastUpdated", "-_id", "value-quantity", "code,_id", None]
)
@pytest.mark.parametrize("query", [[], [("status", "final")], [("_id", "o1,o2,o3")], [("patient", "p1")]])
def test_pages_put_together_are_the_whole(filled, sort, query):
    whole = [v.id for v in filled.search("Observation", query, sort=sort).matches]
    pages, cursor = [], None
    while True:
        page = filled.search("Observation", query, sort=sort, count=1, cursor=cursor)
        pages += [v.id for v in page.matches]
        cursor = page.next
        if cursor is None:
            break
    assert pages == whole
    if sort == "-date" and not query:
        assert whole == ["o4", "o3", "o2", "o1"]


@pytest.mark.parametrize("near", [0, 1, 3, 1000])
def test_pages_near_and_far_are_the_same(filled, monkeypatch, near):
    """Whether the walk, or the sample of dates, fills the page, ends before, or finds nothing."""
    for kind in ahead.WALKED:
        monkeypatch.setitem(ahead.WALKED, kind, near)
    monkeypatch.setattr(ahead, "_SAMPLE", near)
    for query in (
        [("date", "ge1900")],
        [("date", "ge1900"), ("date", "lt2100")],
        [("date", "ge1900"), ("status:not", "x")],
        [("status", "final,amended,preliminary")],
        [("date", "ge1900"), ("_sort", "-date")],
        [("date", "ge1900"), ("_sort", "date")],
        [("status:not", "x"), ("_sort", "-date")],
    ):
        whole = [version.id for version in filled.search("Observation", query, count=50).matches]
        seen, cursor = [], None
        while True:
            page = filled.search("Observation", query, count=2, cursor=cursor)
            seen += [version.id for version in page.matches]
            cursor = page.next
            if cursor is None:
                break
        assert seen == whole, query
        if query[0][0] == "date":
            assert sorted(seen) == ["o1", "o2", "o3", "o4"], query


def test_includes_both_ways(filled):
    page = filled.search(
        "Observation",
        [("_id", "o1"), ("_include", "Observation:subject"), ("_include", "Observation:performer:Practitioner")],
    )
    assert [(e.mode, e.version.reference) for e in page.entries] == [
        ("match", "Observation/o1"),
        ("include", "Patient/p1"),
        ("include", "Practitioner/d1"),
    ]
    page = filled.search("Patient", [("_id", "p1"), ("_revinclude", "Observation:subject")])
    assert {e.version.id for e in page.entries} == {"p1", "o1", "o2"}


def test_what_an_address_designates_is_included_both_ways(filled):
    url = "http://x.test/q"
    for id_, version in (("q1", "1.0"), ("q2", "1.9"), ("q3", "1.10")):
        asked = {"resourceType": "Questionnaire", "id": id_, "url": url, "version": version, "status": "active"}
        filled.update(asked, by=BY)
    for id_, named in (("r1", url), ("r2", f"{url}|1.9"), ("r3", f"{url}|7"), ("r4", "Questionnaire/q1")):
        filled.update(
            {"resourceType": "QuestionnaireResponse", "id": id_, "status": "completed", "questionnaire": named}, by=BY
        )

    def with_(type_, id_, *include, access=None):
        page = filled.search(type_, [("_id", id_), include], access=access)
        return [each.version.id for each in page.entries if each.mode == "include"]

    forward = ("_include", "QuestionnaireResponse:questionnaire")
    assert with_("QuestionnaireResponse", "r1", *forward) == ["q3"], "the latest: 1.10 comes after 1.9"
    assert with_("QuestionnaireResponse", "r2", *forward) == ["q2"]
    assert with_("QuestionnaireResponse", "r3", *forward) == []
    assert with_("QuestionnaireResponse", "r4", *forward) == ["q1"]
    assert with_("QuestionnaireResponse", "r1", "_include", "*") == ["q3"]
    assert with_("QuestionnaireResponse", "r1", *forward, access=InPatient("p1")) == []
    backward = ("_revinclude", "QuestionnaireResponse:questionnaire")
    assert sorted(with_("Questionnaire", "q2", *backward)) == ["r1", "r2"]
    assert sorted(with_("Questionnaire", "q1", *backward)) == ["r1", "r4"]


def test_access_rules_limit_matches_includes_and_totals(filled):
    mine = InPatient("p1")
    assert ids(filled, "", access=mine) == ["o1", "o2"]
    assert filled.search("Observation", [], access=mine, total=True, count=1).total == 2
    assert ids(filled, "", "Patient", access=mine) == ["p1"]
    assert ids(filled, "", access=Nothing()) == []
    assert ids(filled, "", access=AllOf([mine, Has("code", "|a")])) == ["o1"]
    assert ids(filled, "", access=AnyOf([mine, Has("code", "http://loinc.org|a")])) == ["o1", "o2", "o3"]
    assert ids(filled, "", access=Not(Has("subject", "Patient/p1"))) == ["o3", "o4"]
    page = filled.search("Observation", [("_id", "o1"), ("_include", "Observation:performer")], access=mine)
    assert [e.version.id for e in page.entries] == ["o1"]
    assert [v.id for v in filled.history("Observation", access=mine).versions] in (["o1", "o2"], ["o2", "o1"])
    assert len(filled.history("Observation", access=Everything()).versions) == 4


@pytest.mark.parametrize(
    ("query", "code"),
    [
        ("date=yesterday", "FHIR.SEARCH_VALUE"),
        ("date=xx2020", "FHIR.SEARCH_VALUE"),
        ("date=2020-13", "FHIR.SEARCH_VALUE"),
        ("code:exact=a", "FHIR.SEARCH_MODIFIER"),
        ("code=a|b|c|d", "FHIR.SEARCH_VALUE"),
        ("code=", "FHIR.SEARCH_VALUE"),
        ("value-quantity=abc", "FHIR.SEARCH_VALUE"),
        ("subject=not a reference", "FHIR.SEARCH_VALUE"),
        ("subject:Organization=1", "FHIR.SEARCH_MODIFIER"),
        ("_sort=nothing", "FHIR.SEARCH_SORT"),
        ("_count=-1", "FHIR.SEARCH_VALUE"),
        ("_total=maybe", "FHIR.SEARCH_VALUE"),
        ("_include=Observation", "FHIR.SEARCH_VALUE"),
        ("performer:missing=perhaps", "FHIR.SEARCH_VALUE"),
    ],
)
def test_what_cannot_be_understood_is_refused_with_advice(filled, query, code):
    with pytest.raises(VirageError) as refused:
        ids(filled, query)
    assert refused.value.code == code
    assert refused.value.status == 400
    assert len(refused.value.text) > 20


def test_a_foreign_cursor_is_refused(filled):
    page = filled.search("Observation", [], count=1)
    for query, cursor in (([("code", "a")], page.next), ([], "AAAA"), ([], "%"), ([], "x" * 5000)):
        with pytest.raises(VirageError) as refused:
            filled.search("Observation", query, cursor=cursor)
        assert refused.value.code == "FHIR.CURSOR"


def test_unknown_parameters_are_told(filled):
    page = filled.search("Observation", [("colour", "red"), ("code", "a")])
    assert page.unknown == ["colour"]
    assert page.used == [("code", "a")]
    assert len(page.matches) == 2


def test_spaces_do_not_see_each_other(filled):
    other = Store(space("ins", 1))
    assert other.read("Observation", "o1") is None
    assert ids(other, "code=a") == []
    other.update(observation("o1", "p1", "a", "2022"), by=BY)
    assert ids(filled, "date=2022") == []
    assert ids(other, "date=2022") == ["o1"]


def test_every_type_at_once(filled):
    assert ids(filled, "", None) == ["d1", "o1", "o2", "o3", "o4", "p1", "p2"]
    assert ids(filled, "_type=Patient,Practitioner", None) == ["d1", "p1", "p2"]
    assert ids(filled, "", None, access=InPatient("p1")) == ["o1", "o2", "p1"]
    assert ids(filled, "_id=o1,p2", None) == ["o1", "p2"]
    assert filled.search(None, [("code", "a")]).unknown == ["code"]
    assert filled.search(None, [("_type", "Observation"), ("code", "a")], total="accurate", count=1).total == 2
    seen, cursor = [], None
    while True:
        page = filled.search(None, [], count=2, cursor=cursor)
        seen += [v.id for v in page.matches]
        cursor = page.next
        if not cursor:
            break
    assert sorted(seen) == ["d1", "o1", "o2", "o3", "o4", "p1", "p2"]


@pytest.mark.parametrize(
    ("type", "query", "expected"),
    [
        ("Observation", "subject:Patient.family=elu", "o1 o2"),
        ("Observation", "patient.gender=female", "o3 o4"),
        ("Observation", "subject.gender=female&code=a", "o3"),
        ("Observation", "subject:Patient._id=p1", "o1 o2"),
        ("Observation", "performer:Practitioner.name=laennec", "o1"),
        ("Observation", "performer:Practitioner.name=nobody", ""),
        ("Patient", "_has:Observation:subject:code=a", "p1 p2"),
        ("Patient", "_has:Observation:patient:status=amended", "p2"),
        ("Patient", "_has:Observation:patient:performer.name=laen", "p1"),
        ("Practitioner", "_has:Observation:performer:code=a", "d1"),
        ("Practitioner", "_has:Observation:performer:patient.family=eluard", "d1"),
        ("Practitioner", "_has:Observation:performer:patient.family=desnos", ""),
        ("Observation", "subject:Patient._has:Observation:subject:status=amended", "o3 o4"),
        ("Observation", "code-value-quantity=a$gt1", "o3"),
        ("Observation", "code-value-quantity=http://loinc.org|a$le3", "o1 o3"),
        ("Observation", "code-value-quantity=http://other|a$le3", ""),
        ("Observation", "combo-code-value-quantity=b$2", "o2"),
        ("Observation", "combo-code=b", "o2 o4"),
        ("Observation", "combo-value-quantity=gt2", "o3 o4"),
    ],
)
def test_chains_and_composites_find(filled, type, query, expected):
    assert ids(filled, query, type) == expected.split()
    params = [tuple(p.split("=", 1)) for p in query.split("&") if p]
    assert filled.search(type, params, total=True, count=1).total == len(expected.split())


def test_chains_pass_only_through_what_the_caller_may_see(filled):
    assert ids(filled, "subject:Patient.family=desnos", access=InPatient("p1")) == []
    assert (
        ids(
            filled,
            "_has:Observation:subject:status=amended",
            "Patient",
            access=AnyOf([InPatient("p1"), Has("identifier", "|none")]),
        )
        == []
    )


def test_what_is_deleted_is_not_found_by_those_who_still_refer_to_it(filled):
    assert ids(filled, "_has:Observation:subject:code=a", "Patient") == ["p1", "p2"]
    assert ids(filled, "_has:Observation:performer:code=a", "Practitioner") == ["d1"]
    assert ids(filled, "performer:Practitioner._id=d1") == ["o1"]
    filled.delete("Patient", "p1", by=BY)
    filled.delete("Practitioner", "d1", by=BY)
    for type, query, left in (
        ("Patient", "_has:Observation:subject:code=a", ["p2"]),
        ("Practitioner", "_has:Observation:performer:code=a", []),
        ("Observation", "performer:Practitioner._id=d1", []),
        ("Observation", "subject:Patient._id=p1,p2", ["o3", "o4"]),
    ):
        assert ids(filled, query, type) == left, query
        params = [tuple(query.split("=", 1))]
        assert filled.search(type, params, total=True, count=1).total == len(left)


def test_unknown_chains_are_told(filled):
    assert filled.search("Observation", [("subject:Patient.colour", "x")]).unknown == ["subject:Patient.colour"]
    assert filled.search("Patient", [("_has:Observation:subject:colour", "x")]).unknown == [
        "_has:Observation:subject:colour"
    ]


def test_a_patient_is_found_by_whom_it_links_to_and_by_being_alive(filled):
    linked = {
        "resourceType": "Patient",
        "id": "p3",
        "link": [{"other": {"reference": "Patient/p1"}, "type": "seealso"}],
    }
    filled.load([linked, {"resourceType": "Patient", "id": "p4", "deceasedDateTime": "2020"}], by=BY)
    assert ids(filled, "link=Patient/p1", "Patient") == ["p3"]
    assert ids(filled, "link:Patient.family=eluard", "Patient") == ["p3"]
    assert ids(filled, "_has:Patient:link:_id=p3", "Patient") == ["p1"]
    assert ids(filled, "deceased=false", "Patient") == ["p1", "p2", "p3"]
    assert ids(filled, "deceased=true", "Patient") == ["p4"]
    assert ids(filled, "deceased:not=true", "Patient") == ["p1", "p2", "p3"]


def test_everything_that_points_at_the_matches_and_that_they_point_at(filled):
    page = filled.search("Patient", [("_id", "p1"), ("_revinclude", "*")])
    assert sorted(e.version.id for e in page.entries) == ["o1", "o2", "p1"]
    page = filled.search("Observation", [("_id", "o1"), ("_include", "*")])
    assert sorted(e.version.id for e in page.entries) == ["d1", "o1", "p1"]
    page = filled.search(
        "Patient", [("_id", "p1"), ("_revinclude", "*"), ("_include:iterate", "Observation:performer")]
    )
    assert sorted(e.version.id for e in page.entries) == ["d1", "o1", "o2", "p1"]
    assert [e.version.id for e in filled.search("Patient", [("_revinclude", "*")], access=InPatient("p2")).entries][
        :1
    ] == ["p2"]


def test_references_in_a_circle_are_included_once(filled):
    filled.load(
        [
            {"resourceType": "Organization", "id": "a", "partOf": {"reference": "Organization/b"}},
            {"resourceType": "Organization", "id": "b", "partOf": {"reference": "Organization/a"}},
        ],
        by=BY,
    )
    for name in ("_include:iterate", "_revinclude:iterate", "_include:recurse"):
        page = filled.search("Organization", [("_id", "a"), (name, "Organization:partof")])
        assert [e.version.id for e in page.entries] == ["a", "b"]


@pytest.mark.parametrize("value", ["Colour:red", "Observation:code", "Observation:red", "Observation:subject:Colour"])
@pytest.mark.parametrize("name", ["_include", "_revinclude"])
def test_an_include_that_means_nothing_is_refused_even_without_match(filled, name, value):
    with pytest.raises(VirageError) as refused:
        filled.search("Observation", [("code", "nothing"), (name, value)])
    assert (refused.value.code, refused.value.status) == ("FHIR.SEARCH_PARAM", 400)


def test_a_search_that_takes_too_long_is_stopped_with_advice(filled, monkeypatch):
    monkeypatch.setenv("VIRAGE_SEARCH_SECONDS", "1")
    slow = Statement("SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL FROM pg_sleep(600)", [])
    monkeypatch.setattr(Query, "page", lambda *_: slow)
    with pytest.raises(VirageError) as refused, database.transaction():
        ids(filled, "code=a")
    assert (refused.value.code, refused.value.issue, refused.value.status) == ("FHIR.SEARCH_COST", "too-costly", 400)
    assert "patient" in refused.value.text


def test_a_rule_names_a_resource_by_its_id(filled):
    assert ids(filled, "", access=Has("_id", "o3")) == ["o3"]
    assert ids(filled, "", access=AnyOf([Has("_id", "o3"), Has("code", "|a")])) == ["o1", "o3"]
    assert Has("_id", "o3").admits(filled.facts(filled.read("Observation", "o3"))).allowed


def test_a_reference_is_found_by_its_identifier_as_by_any_token(store: Store) -> None:
    def aimed(id: str, system: str, value: str) -> dict:
        aim = {"identifier": {"value": value, **({"system": system} if system else {})}}
        return observation(id, "p1", "a", "2020-01-01", performer=[aim])

    everyone = [aimed("a", "urn:s", "x"), aimed("b", "urn:t", "x"), aimed("c", "", "x"), aimed("d", "urn:s", "urn:s|x")]
    store.load(everyone, by=BY)
    for asked, expected in (
        ("x", "abc"),
        ("|x", "c"),
        ("urn:s|x", "a"),
        ("urn:s|", "ad"),
        ("urn:s\\|x", "d"),
        ("y", ""),
        ("y,urn:t|x", "b"),
    ):
        found = store.search("Observation", [("performer:identifier", asked)])
        assert sorted(v.id for v in found.matches) == list(expected), asked
    for wrong in ("|", "a|b|c"):
        with pytest.raises(VirageError, match="identifier"):
            store.search("Observation", [("performer:identifier", wrong)])


def test_an_identifier_alone_waits_for_its_index(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virage.core.fhir.index.revised", lambda revision: revision < 3)
    store.search("Observation", [("performer:identifier", "urn:s|x")])
    with pytest.raises(VirageError) as refused:
        store.search("Observation", [("performer:identifier", "x")])
    assert refused.value.code == "FHIR.SEARCH_INDEXING"
