"""Dates, strings, keys and paths of the index."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import calendar, indexer, keys, paths
from virage.core.fhir.index.dates import date_range, microseconds, moment
from virage.core.fhir.index.plan import Indexer
from virage.core.fhir.index.strings import after, fold
from virage.core.fhir.store import places

MOMENTS = st.integers(-8_520_336_000, 10_413_792_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(MOMENTS)
def test_a_second_is_read_as_datetime_reads_it(when):
    text = when.strftime("%Y-%m-%dT%H:%M:%S") + "Z"
    low, high = date_range(text if len(text) == 20 else text.rjust(20, "0"))
    assert moment(low) == when.replace(microsecond=0)
    assert high - low == 1_000_000


@pytest.mark.parametrize(
    "text", ["2020-13", "2020-02-30", "2020-1-1", "20", "", "2020-01-01T25:00:00Z", "2020-01-01T10:61:00Z"]
)
def test_what_is_no_date_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        date_range(text)


@given(MOMENTS, MOMENTS, MOMENTS)
def test_every_date_within_a_range_holds_one_of_its_tokens(one, two, three):
    low, value, high = sorted(map(microseconds, (one, two, three)))
    wanted = set(calendar.forms_within(low, high + 1))
    assert wanted & set(calendar.forms_of(value, value + 1))
    assert set(calendar.forms_within(None, None)) & set(calendar.forms_of(value, value + 1))
    assert len(wanted) < 60


@given(st.text(max_size=30), st.text(max_size=30))
def test_a_prefix_bounds_what_begins_with_it(prefix, rest):
    low, high = fold(prefix), after(fold(prefix))
    text = low + rest
    assert text.encode("utf-8", "surrogatepass") >= low.encode("utf-8", "surrogatepass")
    if (high is not None and rest[:1] < "\ud800") or rest[:1] > "\udfff":
        assert high is None or text.encode("utf-8", "surrogatepass") < high.encode("utf-8", "surrogatepass")


@given(st.integers(-(1 << 63), (1 << 63) - 1))
def test_an_id_carries_its_compartment(compartment):
    id_ = places.encode(compartment)
    assert places.decode(id_) == compartment
    assert places.ID.fullmatch(id_)
    assert 0 <= keys.bucket(compartment) < keys.BUCKETS


def test_buckets_are_in_the_order_of_compartments():
    lowest = [(bucket - 64 if bucket >= 32 else bucket) << 58 for bucket in keys.ORDERED]
    assert lowest == sorted(lowest)
    assert [keys.bucket(each) for each in lowest] == list(keys.ORDERED)


def test_nearly_every_parameter_of_r4_is_a_path():
    unread = set()
    for param in definitions.all_search_parameters():
        for type_ in param.base:
            if type_ not in definitions.resource_types() or not param.expression:
                continue
            try:
                paths.read(type_, param.expression)
            except paths.Unreadable:
                unread.add((type_, param.code))
    assert unread == set()


def test_an_expression_that_is_no_path_is_evaluated():
    param = SearchParam("upper", "urn:upper", "token", "Patient.name.family.upper()", base=("Patient",))
    entries = Indexer(0, "Patient", [param], {}).index({"resourceType": "Patient", "name": [{"family": "Curie"}]})
    key = keys.param_hash(0, "Patient", "upper")
    assert (key ^ keys.value_hash(keys.any_system("CURIE"))) & keys.MASK in entries.tokens


def test_each_type_has_an_index_plan():
    for type_ in definitions.resource_types():
        indexer(0, type_).index({"resourceType": type_, "id": "a"})
