"""Codes by value set and hierarchy, quantities whatever their unit, on the real database."""

import pytest

from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.store import Store, space

BY = system("test")
UCUM = "http://unitsofmeasure.org"
TREE = {
    "resourceType": "CodeSystem",
    "id": "tree",
    "url": "http://example.org/tree",
    "status": "active",
    "content": "complete",
    "concept": [
        {"code": "animal", "concept": [{"code": "dog", "concept": [{"code": "poodle"}]}, {"code": "cat"}]},
        {"code": "plant"},
    ],
}


def value_set(id: str, *includes: dict, **more: object) -> dict:
    url = f"http://example.org/{id}"
    return {
        "resourceType": "ValueSet",
        "id": id,
        "url": url,
        "status": "active",
        "compose": {"include": [*includes], **more},
    }


SETS = [
    value_set("dogs", {"system": TREE["url"], "filter": [{"property": "concept", "op": "is-a", "value": "dog"}]}),
    value_set("listed", {"system": "http://elsewhere", "concept": [{"code": "x"}]}),
    value_set("whole", {"system": "http://elsewhere"}),
    value_set(
        "both", {"valueSet": ["http://example.org/whole"]}, {"system": TREE["url"], "concept": [{"code": "cat"}]}
    ),
    value_set("without", {"system": TREE["url"]}, exclude=[{"system": TREE["url"], "concept": [{"code": "cat"}]}]),
    value_set("blind", {"system": "http://elsewhere", "filter": [{"property": "p", "op": "=", "value": "v"}]}),
]


def observation(id: str, system: str, code: str, **more: object) -> dict:
    return {
        "resourceType": "Observation",
        "id": id,
        "status": more.pop("status", "final"),
        "code": {"coding": [{"system": system, "code": code}]},
        **more,
    }


def grams(id: str, value: float, code: str, **more: object) -> dict:
    return observation(id, "http://q", id, valueQuantity={"value": value, "system": UCUM, "code": code, **more})


@pytest.fixture
def store(db) -> Store:
    store = Store(space("fhir"))
    rows = [observation(code, TREE["url"], code) for code in ("animal", "dog", "poodle", "cat", "plant")]
    rows += [observation("x", "http://elsewhere", "x"), observation("y", "http://elsewhere", "y", status="amended")]
    store.load([TREE, *SETS, *rows], by=BY)
    return store


def ids(store: Store, query: str, type: str = "Observation", **more: object) -> list[str]:
    page = store.search(type, [tuple(part.split("=", 1)) for part in query.split("&")], **more)
    assert page.unknown == []
    return sorted(version.id for version in page.matches)


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("code:in=http://example.org/dogs", "dog poodle"),
        ("code:in=ValueSet/dogs", "dog poodle"),
        ("code:in=http://example.org/listed", "x"),
        ("code:in=http://example.org/whole", "x y"),
        ("code:in=http://example.org/both", "cat x y"),
        ("code:in=http://example.org/without", "animal dog plant poodle"),
        ("code:in=http://example.org/dogs,http://example.org/listed", "dog poodle x"),
        ("code:not-in=http://example.org/both", "animal dog plant poodle"),
        ("code:below=http://example.org/tree|dog", "dog poodle"),
        ("code:below=http://example.org/tree|animal", "animal cat dog poodle"),
        ("code:above=http://example.org/tree|dog", "animal dog"),
        ("code:above=http://example.org/tree|poodle,http://example.org/tree|plant", "animal dog plant poodle"),
        ("combo-code:in=http://example.org/dogs", "dog poodle"),
        ("status:in=http://hl7.org/fhir/ValueSet/observation-status&code=http://elsewhere|", "x y"),
        ("status:below=amended", "y"),
        ("status:below=http://hl7.org/fhir/observation-status|amended", "y"),
    ],
)
def test_codes_are_found_by_what_a_terminology_says(store, query, expected):
    assert ids(store, query) == expected.split()


@pytest.mark.parametrize(
    "query",
    [
        "code:in=http://example.org/nowhere",
        "code:in=http://example.org/blind",
        "code:below=http://elsewhere|x",
    ],
)
def test_terms_that_are_not_here_are_refused_with_advice(store, query):
    with pytest.raises(VirageError) as refused:
        ids(store, query)
    assert (refused.value.code, refused.value.status) == ("FHIR.SEARCH_TERMS", 400)


def test_a_value_set_counts_as_soon_as_it_is_posted_and_in_its_own_base(store):
    posted = value_set("mine", {"system": "http://elsewhere", "concept": [{"code": "y"}]})
    store.update(posted, by=BY)
    assert ids(store, "code:in=http://example.org/mine") == ["y"]
    other = Store(space("ins", 1))
    other.load([observation("far", "http://elsewhere", "x"), {**posted, "compose": SETS[1]["compose"]}], by=BY)
    assert ids(other, "code:in=http://example.org/mine") == ["far"]
    assert ids(other, "code:in=http://example.org/whole") == ["far"]


def test_a_quantity_is_found_whatever_its_unit(store):
    store.load(
        [
            grams("a", 5.4, "g"),
            grams("b", 5400, "mg"),
            grams("c", 0.0054, "kg"),
            grams("d", 5.5, "g"),
            grams("e", 98.6, "[degF]"),
            grams("f", 1, "kg", comparator="<"),
            grams("g", 54, "g/dL"),
            grams("h", 540, "g/L"),
            grams("i", 5, "flurbs"),
        ],
        by=BY,
    )
    assert ids(store, f"value-quantity=5.4|{UCUM}|g") == ["a", "b", "c"]
    assert ids(store, f"value-quantity=5400|{UCUM}|mg") == ["a", "b", "c"]
    assert ids(store, f"value-quantity=gt5400|{UCUM}|mg") == ["d", "f"]
    assert ids(store, f"value-quantity=ge5400.0|{UCUM}|mg") == ["a", "b", "c", "d", "f"]
    assert ids(store, f"value-quantity=lt5.4|{UCUM}|g") == ["f"]
    assert ids(store, f"value-quantity=37.0|{UCUM}|Cel") == ["e"]
    assert ids(store, f"value-quantity=ap40|{UCUM}|Cel") == ["e"]
    assert ids(store, f"value-quantity=ap50|{UCUM}|Cel") == []
    assert ids(store, f"value-quantity=540|{UCUM}|g/L") == ["g", "h"]
    assert ids(store, f"value-quantity=5|{UCUM}|flurbs") == ["i"]
    assert ids(store, "value-quantity=5400||mg") == ["b"]
    # Without a unit, the number as it is written: never the one in base units.
    assert ids(store, "value-quantity=5.4") == ["a"]
    assert ids(store, f"code-value-quantity=b$5.4|{UCUM}|g") == ["b"]
    masses = [v.id for v in store.search("Observation", [("code", "a,b,c,d")], sort="value-quantity").matches]
    assert masses[-1] == "d"
