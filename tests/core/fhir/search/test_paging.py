"""Pages while others write: what was there and matched the whole time is met once, and a total is that of its moment.

Each page is one statement, so that writes between two pages are all the concurrency there is; threads are in the last test.
"""

import sys
import threading
import time
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.core.fhir.router.conftest import BASE, asking, observation
from virage.core.fhir.search import plans
from virage.core.fhir.store import Store, space

sys.path.insert(0, str(Path(__file__).parent))
import oracle
from test_oracle import BY, EXAMPLES, SLOW, undone
from worlds import PATIENTS, Maker

SEEDS = st.integers(0, 1_000_000)
LESS = settings(SLOW, max_examples=EXAMPLES // 2)
KEPT = ("subject", "performer")
SORTS = (None, "date", "-date", "status,-date", "code,_id", "-_id", "value-quantity,-status")


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


class Others:
    """Who writes between the pages; keeps the world as it is, and whom a condition met all the time."""

    def __init__(self, store: Store, maker: Maker, world: oracle.World, numbers, type_: str, params) -> None:
        self.store, self.maker, self.world, self.numbers = store, maker, world, numbers
        self.type, self.params = type_, params
        self.always = set(self.matching())

    def matching(self) -> list[str]:
        return oracle.search(self.world, self.type, self.params)

    def write(self, reorders: bool) -> None:
        """One write. With `reorders` any content may change, else only what no sort looks at."""
        draw = self.maker.draw
        present = [key for key in self.world if key.startswith(("Observation/", "Patient/"))]
        kind = draw.random()
        key = draw.choice(present)
        type_, _, id_ = key.partition("/")
        if kind < 0.2 and len(present) > PATIENTS:
            self.store.delete(type_, id_, by=BY, trace=False)
            del self.world[key]
        elif kind < 0.4:
            self.put({"resourceType": "Observation", "id": f"n{next(self.numbers)}", **self.maker.observation()})
        elif reorders and kind < 0.7 and type_ == "Observation":
            # Its patient stays: one that changes patient changes place, and may be met twice or not at all.
            held = {name: self.world[key][name] for name in KEPT if name in self.world[key]}
            new = {name: value for name, value in self.maker.observation().items() if name not in KEPT}
            self.put({"resourceType": type_, "id": id_, **new, **held})
        else:
            self.put({**self.world[key], "language": draw.choice(["fr", "br", "oc"])})
        self.always &= set(self.matching())

    def put(self, resource) -> None:
        self.world[f"{resource['resourceType']}/{resource['id']}"] = resource
        self.store.update(resource, by=BY, trace=False)


@LESS
@given(seed=SEEDS)
def test_each_is_met_once_while_others_write(store, seed, monkeypatch):
    maker = Maker(seed)
    # Whether what was rewritten before the walk counts as settled. Times have milliseconds: a write in that of the first page
    # would count as older than it.
    settled = maker.pick(0.002, 60)
    monkeypatch.setattr(plans, "_SETTLED", int(settled * 1_000_000))
    world, numbers = maker.world(), count()

    def check():
        store.load(list(world.values()), by=BY)
        for _ in range(12):
            type_, params = maker.question()
            sort = maker.pick(*SORTS) if type_ == "Observation" else None
            if maker.draw.random() < 0.3:
                params = []
            others = Others(store, maker, world, numbers, type_, params)
            seen: list[str] = []
            cursor = None
            time.sleep(0.003)
            while True:
                page = store.search(type_, params, count=maker.pick(1, 2, 3), cursor=cursor, sort=sort, total=True)
                assert page.total == len(others.matching()), (
                    type_,
                    params,
                    sort,
                    {v.id for v in store.search(type_, params).matches} ^ set(others.matching()),
                )
                seen += [version.id for version in page.matches]
                assert {version.id for version in page.matches} <= set(others.matching())
                cursor = page.next
                if cursor is None:
                    break
                if settled < 1:
                    time.sleep(0.003)
                for _ in range(maker.pick(0, 1, 3)):
                    others.write(reorders=sort is None)
            assert len(seen) == len(set(seen)), ("twice", type_, params, sort)
            assert others.always <= set(seen), ("missed", type_, params, sort)

    undone(check)


def pages(ask, url: str):
    """The pages of a search by its `next` links."""
    while url is not None:
        bundle = ask("GET", url).json
        yield bundle
        link = next((link["url"] for link in bundle["link"] if link["relation"] == "next"), None)
        url = link and link.removeprefix(BASE).removeprefix("/")


def test_numbers_that_are_not_there_have_a_place_too(store):
    world = [observation("Patient/p", id=f"o{n}") for n in range(4)]
    for each in world[1:3]:
        del each["valueQuantity"]
    store.load(world, by=BY)
    for sort in ("value-quantity", "-value-quantity"):
        found, cursor = [], None
        while cursor is not None or not found:
            page = store.search("Observation", [], sort=sort, count=1, cursor=cursor)
            found += [version.id for version in page.matches]
            cursor = page.next
        assert set(found[:2]) == {"o0", "o3"}
        assert set(found[2:]) == {"o1", "o2"}


def test_keys_of_any_length_make_a_cursor(store):
    long = "é" * 5000
    name = {"family": long, "given": [long]}
    store.load(
        [{"resourceType": "Patient", "id": f"p{n}", "name": [name], "identifier": [{"value": long}]} for n in (1, 2)],
        by=BY,
    )
    sort = "family,given,identifier,-address-city,-telecom"
    first = store.search("Patient", [], sort=sort, count=1)
    second = store.search("Patient", [], sort=sort, count=1, cursor=first.next)
    assert {version.id for page in (first, second) for version in page.matches} == {"p1", "p2"}


def test_threads_write_while_one_reads(own_database):
    """The same over the router, with writers who commit when they like."""
    from django.db import connections

    ask = asking()
    for number in range(40):
        ask("PUT", f"Observation/k{number}", observation("Patient/p", id=f"k{number}"))
    done = threading.Event()
    refused: list[int] = []

    def write(own: int) -> None:
        try:
            number = 0
            while not done.is_set():
                kept = f"k{(number * 7 + own) % 40}"
                made = f"w{own}-{number}"
                for method, id in (("PUT", kept), ("PUT", made), ("DELETE", f"w{own}-{number - 2}")):
                    body = observation("Patient/p", id=id) if method == "PUT" else None
                    refused.append(ask(method, f"Observation/{id}", body).status)
                number += 1
        finally:
            connections.close_all()

    writers = [threading.Thread(target=write, args=(own,)) for own in range(2)]
    for writer in writers:
        writer.start()
    try:
        for query in (
            "_count=3",
            "status=final&_count=3",
            "subject=Patient/p&_count=4&_sort=-date",
            "code:not=x&_count=5",
        ):
            seen = [
                each["resource"]["id"]
                for bundle in pages(ask, f"Observation?{query}")
                for each in bundle.get("entry", [])
            ]
            assert len(seen) == len(set(seen)), query
            assert {f"k{number}" for number in range(40)} <= set(seen), query
    finally:
        done.set()
        for writer in writers:
            writer.join()
    assert set(refused) <= {200, 201, 204}
