"""Random worlds once more: long chains and `_has`, includes, orders, counts, each within an access rule or without."""

import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from virage.core.access import Everything, Filter
from virage.core.fhir.store import Store, space

sys.path.insert(0, str(Path(__file__).parent))
import neighbours
import oracle
from test_oracle import BY, EXAMPLES, SLOW, undone
from worlds import Maker

SEEDS = st.integers(0, 1_000_000)
LESS = settings(SLOW, max_examples=EXAMPLES // 2)
QUESTIONS = 25


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def admitted(store: Store, world: oracle.World, rule: Filter) -> oracle.World:
    """The part of a world that a rule lets be seen."""
    return {key: each for key, each in world.items() if rule.admits(store.facts(each)).allowed}


def test_what_stands_around_the_matches(store):
    found = []

    @LESS
    @given(seed=SEEDS)
    def compared(seed):
        undone(lambda: found.append(answered_alike(store, Maker(seed))))

    compared()
    # In some worlds no question finds anything; in all of them together, many do.
    assert sum(found) > len(found)


def answered_alike(store: Store, maker: Maker) -> int:
    """Ask a world of its own; gives how many questions had an answer."""
    world = maker.world()
    store.load(list(world.values()), by=BY)
    answered = 0
    for _ in range(QUESTIONS):
        rule = maker.pick(Everything(), Everything(), maker.rule())
        seen = admitted(store, world, rule)
        type_ = maker.pick("Patient", "Practitioner", "Observation")
        params = [neighbours.way(maker, type_, maker.pick(0, 1, 2, 3, 4)) for _ in range(maker.pick(0, 1, 1, 2))]
        expected = oracle.search(seen, type_, params)
        answered += bool(expected and params)

        joins = maker.some(3, lambda: neighbours.include(maker))
        page = store.search(type_, [*params, *joins], access=rule, total=True)
        asked = (type_, params, joins, rule)
        assert sorted(version.id for version in page.matches) == expected, asked
        assert page.total == len(expected), asked
        around = [entry.version.reference for entry in page.entries if entry.mode == "include"]
        assert len(around) == len(set(around)), asked
        assert set(around) == neighbours.included(seen, [f"{type_}/{id}" for id in expected], joins), asked

        sort = ",".join(maker.draw.sample(neighbours.SORTS[type_], maker.pick(1, 2, 3)))
        found, cursor = [], None
        while True:
            page = store.search(type_, params, access=rule, sort=sort, count=maker.pick(2, 5), cursor=cursor)
            found += [version.id for version in page.matches]
            cursor = page.next
            if cursor is None:
                break
        assert sorted(found) == expected, (asked, sort)
        assert neighbours.out_of_order(world, type_, found, sort) == [], (asked, sort)

        counted = store.search(type_, [*params, ("_summary", "count")], access=rule)
        assert (counted.matches, counted.total) == ([], len(expected)), asked
    return answered
