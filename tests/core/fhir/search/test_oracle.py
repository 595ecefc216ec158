"""Random resources and random queries: the store answers what a plain evaluation over all resources gives."""

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virage.core import access
from virage.core import db as database
from virage.core.callers import Caller, system
from virage.core.fhir.store import Store, space

sys.path.insert(0, str(Path(__file__).parent))
import oracle
from worlds import Maker

BY = system("test")
SEEDS = st.integers(0, 1_000_000)
# VIRAGE_TEST_DEEP=1: some minutes of it.
EXAMPLES = 400 if os.environ.get("VIRAGE_TEST_DEEP") == "1" else 20
SLOW = settings(max_examples=EXAMPLES)
QUESTIONS, RULES = 60, 25


class _Undone(Exception):
    pass


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def undone(work) -> None:
    """Each example in a transaction of its own, undone."""
    try:
        with database.transaction():
            work()
            raise _Undone
    except _Undone:
        pass


def test_the_store_answers_as_a_plain_evaluation_does(store):
    found = []

    @SLOW
    @given(seed=SEEDS)
    def compared(seed):
        undone(lambda: found.append(answered_alike(store, Maker(seed))))

    compared()
    assert sum(found) > len(found) * QUESTIONS / 4


def answered_alike(store: Store, maker: Maker) -> int:
    """Ask a world of its own; gives how many questions had an answer."""
    world = maker.world()
    answered = 0
    store.load(list(world.values()), by=BY)
    for number in range(QUESTIONS):
        type_, params = maker.question()
        expected = oracle.search(world, type_, params)
        answered += bool(expected)
        page = store.search(type_, params, total=True)
        assert page.unknown == []
        assert sorted(v.id for v in page.matches) == expected, (type_, params)
        assert page.total == len(expected)
        if number % 6 == 0:
            assert sorted(walked(store, type_, params, maker.draw.randint(1, 4))) == expected, (
                "paged",
                type_,
                params,
            )
    return answered


def walked(store: Store, type_: str, params, count: int) -> list[str]:
    found, cursor = [], None
    while True:
        page = store.search(type_, params, count=count, cursor=cursor)
        found += [v.id for v in page.matches]
        cursor = page.next
        if cursor is None:
            return found


@SLOW
@given(seed=SEEDS)
def test_an_access_rule_says_the_same_in_words_and_in_sql(store, seed):
    maker = Maker(seed)
    world = maker.world()

    def check():
        store.load(list(world.values()), by=BY)
        for _ in range(RULES):
            rule, type_ = maker.rule(), maker.pick("Patient", "Observation")
            admitted = [
                each["id"]
                for each in world.values()
                if each["resourceType"] == type_ and rule.admits(store.facts(each)).allowed
            ]
            page = store.search(type_, [], access=rule, total=True)
            assert sorted(v.id for v in page.matches) == sorted(admitted), (type_, rule)
            assert page.total == len(admitted)

    undone(check)


@SLOW
@given(
    seed=SEEDS,
    public=st.frozensets(st.sampled_from(["Practitioner", "Organization"])),
    scopes=st.sets(st.sampled_from(["patient/*.rs", "patient/Practitioner.rs", "patient/Practitioner.rs?active=true"])),
)
def test_a_patient_scope_says_the_same_in_words_and_in_sql(store, seed, public, scopes):
    by = Caller(kind="citizen", subject="p0", patient="p0", scopes=frozenset(scopes))
    world = Maker(seed).world()

    def check():
        store.load(list(world.values()), by=BY)
        for type_ in ("Patient", "Observation", "Practitioner"):
            rule = access.scope_filter(by, "search-type", type_, public=public)
            admitted = [
                each["id"]
                for each in world.values()
                if each["resourceType"] == type_ and rule.admits(store.facts(each)).allowed
            ]
            assert sorted(v.id for v in store.search(type_, [], access=rule).matches) == sorted(admitted), (type_, rule)

    undone(check)
