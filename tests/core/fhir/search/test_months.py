"""An order by date where few of the first dates match: the pages are those of a plain sort, whichever way they were found."""

import sys
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core import db as database
from virage.core.callers import system
from virage.core.fhir.index import keys
from virage.core.fhir.search import ahead, months
from virage.core.fhir.search.plans import Query
from virage.core.fhir.store import Store, places, space

sys.path.insert(0, str(Path(__file__).parent))
from test_oracle import SLOW, undone

BY = system("test")
PATIENTS = [f"p{number}" for number in range(3)]


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def observation(draw: Random, number: int) -> dict:
    made = {
        "resourceType": "Observation",
        "id": f"o{number}",
        "status": "final",
        "code": {"coding": [{"code": draw.choice(["rare", "common", "common", "common"])}]},
        "subject": {"reference": f"Patient/{draw.choice(PATIENTS)}"},
    }
    year = draw.choice(["1850", "2018", "2019", "2020", "2020", "2020", "2021", "2021", "2080"])
    day = f"{year}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"
    match draw.randint(0, 9):
        case 0:
            pass
        case 1:
            made["effectivePeriod"] = {"start": day}
        case 2:
            made["effectivePeriod"] = {"end": day}
        case 3:
            made["effectivePeriod"] = {"start": f"{year}-01-01", "end": day}
        case _:
            made["effectiveDateTime"] = draw.choice([day, day[:7], day + "T10:00:00Z"])
    return made


def compare(store: Store, draw: Random) -> int:
    """How often the months were asked."""
    store.load([observation(draw, number) for number in range(draw.choice([30, 80]))], by=BY)
    buckets = sorted({keys.bucket(places.patient_key(each)) for each in PATIENTS})
    spans: list[int] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ahead, "sample", lambda _: buckets)
        patch.setattr(ahead, "_SAMPLED", len(buckets))
        patch.setattr(ahead, "_FEW", draw.choice([0, 2, 1000]))
        real = Query.between
        patch.setattr(Query, "between", lambda *given: spans.append(1) or real(*given))
        for sort in ("-date", "date"):
            for query in ([("code", "rare")], [("code", "common")], [("code:not", "common")], [("date", "ge2019")], []):
                patch.setattr(ahead, "_SAMPLE", 1000)
                whole = [version.id for version in store.search("Observation", query, sort=sort, count=1000).matches]
                patch.setattr(ahead, "_SAMPLE", draw.choice([1, 2, 4]))
                patch.setattr(months, "SPANS", draw.choice([(1, 6, 36), (12,), ()]))
                seen, cursor, count = [], None, draw.randint(1, 6)
                while True:
                    page = store.search("Observation", query, sort=sort, count=count, cursor=cursor)
                    seen += [version.id for version in page.matches]
                    cursor = page.next
                    if cursor is None:
                        break
                assert seen == whole, (sort, query)
    return len(spans)


@SLOW
@given(seed=st.integers(0, 1_000_000))
def test_pages_by_date_are_the_whole_whichever_way(store, seed):
    undone(lambda: compare(store, Random(seed)))


def test_the_months_are_asked(store):
    asked: list[int] = []
    for seed in range(4):
        undone(lambda seed=seed: asked.append(compare(store, Random(seed))))
    assert sum(asked) > 10


def test_what_has_no_date_or_no_match_is_answered(store):
    with database.transaction():
        store.load([observation(Random(1), number) for number in range(5)], by=BY)
        assert store.search("Observation", [("code", "none")], sort="-date").matches == []
