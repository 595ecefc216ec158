"""`:above` and `:below` on references, against a plain walk through random trees; versions of canonicals."""

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.access import Everything, Has
from virage.core.callers import system
from virage.core.errors import VirageError
from virage.core.fhir.search import hierarchies
from virage.core.fhir.store import Store, space

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle import SLOW, undone

BY = system("test")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def found(store: Store, type_: str, name: str, value: str, **more: Any) -> list[str]:
    page = store.search(type_, [(name, value)], **more)
    assert page.unknown == []
    return sorted(each.id for each in page.matches)


@SLOW
@given(seed=st.integers(0, 1_000_000))
def test_parts_and_wholes(store, seed):
    draw = Random(seed)
    parent = {f"l{n}": draw.choice([None, *(f"l{other}" for other in range(8))]) for n in range(8)}
    active = {each: draw.random() < 0.8 for each in parent}

    def up(seen: dict[str, bool], start: str) -> set[str]:
        line, here = {start}, start
        while seen[here] and (above := parent[here]) and above not in line:
            line.add(above)
            here = above
        return line

    def down(seen: dict[str, bool], start: str) -> set[str]:
        line, grown = {start}, True
        while grown:
            more = {each for each, above in parent.items() if above in line and seen[each]} - line
            line, grown = line | more, bool(more)
        return line

    def check():
        store.load(
            [
                {
                    "resourceType": "Location",
                    "id": id_,
                    "status": "active" if active[id_] else "inactive",
                    **({"partOf": {"reference": f"Location/{above}"}} if above else {}),
                }
                for id_, above in parent.items()
            ]
            + [
                {
                    "resourceType": "Procedure",
                    "id": f"of-{id_}",
                    "status": "completed",
                    "subject": {"reference": "Patient/p"},
                    "location": {"reference": f"Location/{id_}"},
                }
                for id_ in parent
            ],
            by=BY,
        )
        rule = Has("status", "|active")
        for start in parent:
            for way, walk in (("below", down), ("above", up)):
                line = walk(dict.fromkeys(parent, True), start)
                assert found(store, "Procedure", f"location:{way}", start) == sorted(f"of-{each}" for each in line)
                assert found(store, "Procedure", f"location:{way}", f"Location/{start}") == sorted(
                    f"of-{each}" for each in line
                )
                parts = sorted(each for each, above in parent.items() if above in line)
                assert found(store, "Location", f"partof:{way}", start) == parts
                seen = walk(active, start)
                parts = sorted(each for each, above in parent.items() if above in seen and active[each])
                assert found(store, "Location", f"partof:{way}", start, access=rule) == parts

    undone(check)


def test_versions_of_an_address(store):
    url = "http://x.test/q"
    for id_, named in (
        ("a", url),
        ("b", f"{url}|1"),
        ("c", f"{url}|1.2"),
        ("d", f"{url}|1.20.3-rc"),
        ("e", f"{url}/z|1.2"),
    ):
        response = {"resourceType": "QuestionnaireResponse", "id": id_, "status": "completed", "questionnaire": named}
        store.create(response, by=BY, id=id_)
    for asked, expected in (
        (url, "abcd"),
        (f"{url}|1", "bcd"),
        (f"{url}|1.", "bcd"),
        (f"{url}|1.2", "c"),
        (f"{url}|1.20,{url}/z|1", "de"),
        (f"{url}|1.20.3", "d"),
        (f"{url}|2", ""),
    ):
        assert found(store, "QuestionnaireResponse", "questionnaire:below", asked) == list(expected), asked


def test_what_has_no_hierarchy_is_refused_and_a_hierarchy_has_an_end(store, monkeypatch):
    for type_, name, value in (
        ("Observation", "specimen:below", "p"),
        ("Observation", "subject:below", "Patient/p"),
        ("Procedure", "location:below", "Organization/o"),
        ("QuestionnaireResponse", "questionnaire:above", "http://x.test/q|1.2"),
        ("Procedure", "location:below", "http://x.test/l"),
    ):
        with pytest.raises(VirageError) as refused:
            found(store, type_, name, value)
        assert refused.value.code == "FHIR.SEARCH_MODIFIER", (type_, name)
    organizations = [
        {"resourceType": "Organization", "id": f"o{n}", "partOf": {"reference": f"Organization/o{n + 1}"}}
        for n in range(6)
    ]
    store.load(organizations, by=BY)
    assert found(store, "Organization", "partof:below", "o6", access=Everything()) == [f"o{n}" for n in range(6)]
    monkeypatch.setattr(hierarchies, "MAX_LEVELS", 3)
    for way in ("partof:below", "partof:above"):
        with pytest.raises(VirageError) as refused:
            found(store, "Organization", way, "o6" if way.endswith("below") else "o0")
        assert refused.value.code == "FHIR.SEARCH_COST"
