"""A lot damaged anywhere is refused in words or taken; it is never an accident, and never half written."""

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.services.dmp.world import DOCTOR, World
from virage.services.dmp import queries
from virage.services.dmp.models import Content

_VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-2, 2**40),
    st.text(max_size=12),
    st.just([]),
    st.just({}),
    st.just([{}]),
    st.just({"reference": "#x"}),
    st.just([None]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, inner in value.items():
            found += places(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            found += places(inner, (*path, index))
    return found


@settings(max_examples=120)
@given(st.data())
def test_a_damaged_lot_is_refused_in_words(world: World, data: st.DataObject) -> None:
    body = copy.deepcopy(world.lot(world.cda()))
    for _ in range(data.draw(st.integers(1, 2))):
        path = data.draw(st.sampled_from(places(body)))
        holder = body
        for step in path[:-1]:
            holder = holder[step]
        if data.draw(st.booleans()):
            holder[path[-1]] = copy.deepcopy(data.draw(_VALUES))
        else:
            del holder[path[-1]]
    before = Content.objects.count()
    answer = world.ask(DOCTOR, "POST", "", body)
    assert answer.status < 500, answer.body
    if answer.status != 200:
        assert answer.json["resourceType"] == "OperationOutcome"
        assert Content.objects.count() == before
    stored = queries.store().search("DocumentReference", [("patient", "Patient/pat-1")], count=1000).matches
    assert len(stored) == Content.objects.filter(patient="pat-1").count()


@settings(max_examples=60)
@given(
    st.sampled_from(["DocumentReference", "List", "Patient", "AuditEvent"]), st.text(max_size=10), st.text(max_size=20)
)
def test_any_search_is_answered(world: World, kind: str, name: str, value: str) -> None:
    from urllib.parse import urlencode

    for query in (
        urlencode({name: value}),
        urlencode({"patient.identifier": value}),
        urlencode({"patient": value, "date": name}),
    ):
        for by in (DOCTOR, world.patient):
            assert world.ask(by, "GET", f"{kind}?{query}").status < 500
