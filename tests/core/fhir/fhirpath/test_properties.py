"""Laws that hold for every input, found false by hypothesis if they are."""

from datetime import date
from decimal import Decimal
from fractions import Fraction

from hypothesis import given, settings
from hypothesis import strategies as st

from virage.core.fhir import fhirpath
from virage.core.fhir.fhirpath import quantity, temporal, ucum
from virage.core.fhir.fhirpath.parser import parse
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Member,
    Special,
    TypeTest,
    Unary,
    Variable,
    unparse,
)
from virage.core.fhir.fhirpath.temporal import Date, DateTime, Time

PATIENT = {"resourceType": "Patient", "birthDate": "1974-12-25", "name": [{"use": "official", "given": ["Ana", "Bo"]}]}

names = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), min_size=1, max_size=8)
numbers = st.integers(0, 10**9) | st.decimals(0, 10**6, places=3)
dates = st.dates().map(lambda day: Date.parse(day.isoformat()))
moments = st.datetimes(timezones=st.just(None)).map(lambda m: DateTime.parse(m.isoformat(timespec="milliseconds")))
times = st.times().map(lambda t: Time.parse(t.isoformat(timespec="seconds")))
quantities = st.builds(Quantity, numbers, st.sampled_from(["mg", "kg/m2", "1"]))
literals = st.builds(Literal, st.booleans() | numbers | st.text(max_size=8) | dates | moments | times | quantities)
leaves = (
    literals
    | st.builds(Empty)
    | st.builds(Special, st.sampled_from(["this", "index", "total"]))
    | st.builds(Variable, names)
    | st.builds(Member, st.none(), names)
)
operators = st.sampled_from("+ - & * / div mod | < <= > >= = ~ != !~ in contains and or xor implies".split())  # noqa: SIM905


def branches(inner):
    return (
        st.builds(Binary, operators, inner, inner)
        | st.builds(Unary, st.sampled_from("+-"), inner)
        | st.builds(Member, inner, names)
        | st.builds(Call, inner, names, st.lists(inner, max_size=2).map(tuple))
        | st.builds(Index, inner, inner)
        | st.builds(TypeTest, st.sampled_from(["is", "as"]), inner, st.tuples(names, names))
    )


@given(st.recursive(leaves, branches, max_leaves=12))
def test_what_is_written_back_parses_to_the_same_tree(tree):
    assert parse(unparse(tree)) == tree


words = st.sampled_from(
    [
        "name",
        "given",
        "where",
        "(",
        ")",
        ".",
        ",",
        "|",
        "=",
        "1",
        "1.5",
        "'a'",
        "@2014",
        "@T10",
        "{",
        "}",
        "[",
        "]",
        "$this",
        "%",
        "and",
        "is",
        "Patient",
        "-",
        "+",
        "*",
        "/",
        "first",
        "exists",
        "all",
        "iif",
        "descendants",
        "repeat",
        "select",
        "matches",
        "`x`",
        "'mg'",
        "days",
        "substring",
        "toString",
        "lowBoundary",
        "aggregate",
        "$total",
        "trace",
        "~",
        "<",
        "in",
    ]
)


@settings(max_examples=300)
@given(st.text(max_size=40) | st.lists(words, max_size=14).map(" ".join))
def test_any_text_gives_results_or_a_refusal(expression):
    place: int | None = None
    try:
        fhirpath.compile(expression).typed(PATIENT, steps=5_000)
    except fhirpath.FhirPathError as error:
        place = error.position
    assert place is None or 0 <= place <= len(expression)


@given(moments, moments, moments)
def test_moments_are_ordered(a, b, c):
    assert temporal.compare(a, b) == -temporal.compare(b, a)
    if temporal.compare(a, b) <= 0 and temporal.compare(b, c) <= 0:
        assert temporal.compare(a, c) <= 0


partial_dates = st.dates().flatmap(
    lambda day: st.sampled_from([4, 7, 10]).map(lambda n: Date.parse(day.isoformat()[:n]))
)


@given(partial_dates, partial_dates)
def test_an_order_between_partial_dates_holds_for_all_their_days(a, b):
    from virage.core.fhir.fhirpath.functions.boundaries import temporal_bound

    if temporal.compare(a, b) == -1:
        last, first = temporal_bound(a, 8, high=True), temporal_bound(b, 8, high=False)
        assert temporal.compare(last, first) == -1


@given(
    st.dates(min_value=date(1600, 1, 1)).map(lambda d: Date.parse(d.isoformat())),
    st.integers(0, 9999),
)
def test_days_added_are_taken_back(day, count):
    there = temporal.add(day, Decimal(count), "day")
    if there is not None:
        assert temporal.add(there, Decimal(-count), "day") == day
        assert temporal.compare(day, there) == (0 if count == 0 else -1)


masses = st.builds(
    Quantity, st.decimals(-(10**6), 10**6, places=3), st.sampled_from(["g", "mg", "kg", "ug", "[lb_av]"])
)


@given(masses, masses, masses)
def test_quantities_are_ordered_whatever_their_units(a, b, c):
    assert quantity.compare(a, b) == -quantity.compare(b, a)
    assert (quantity.compare(a, b) == 0) == (a.key() == b.key())
    if quantity.compare(a, b) <= 0 and quantity.compare(b, c) <= 0:
        assert quantity.compare(a, c) <= 0


@given(
    st.decimals(-1000, 1000, places=2),
    st.sampled_from([("Cel", "[degF]"), ("mg/dL", "g/L"), ("mm[Hg]", "kPa"), ("[in_i]", "cm")]),
)
def test_conversion_there_and_back_is_exact(value, units):
    there = ucum.convert(value, *units)
    back = ucum.convert(Decimal(1), units[1], units[1])
    assert back == 1
    source, target = ucum.unit(units[0]), ucum.unit(units[1])
    assert (there * target.factor + target.zero - source.zero) / source.factor == Fraction(value)


@given(st.decimals(-1000, 1000, places=3), st.integers(0, 10))
def test_boundaries_enclose(value, digits):
    text = f"({value})"
    low, high = (fhirpath.compile(f"{text}.{side}Boundary({digits + 4})")(PATIENT)[0] for side in ("low", "high"))
    assert low < value < high
