"""What is hostile is refused, within bounded time and memory."""

import pytest

from tests.bounds import bounded
from virage.core.fhir import fhirpath

PATIENT = {"resourceType": "Patient", "name": [{"given": ["a"] * 50} for _ in range(20)]}


@pytest.mark.parametrize(
    "expression",
    [
        "descendants()" + ".select(%resource.descendants())" * 6,
        "repeat($this.toString() & 'x')",
        "1.repeat($this + 1)",
        "1.repeatAll($this)",
        "'aaaaaaaaaa'" + ".replace('a', 'aaaaaaaaaa')" * 9,
        "name.select(%resource.name).select(%resource.name).select(%resource.name).select(%resource.name)",
        "('" + "a" * 5000 + "').replaceMatches('(a+)+b', '')",
        "('" + "a" * 5000 + "').matches('(?=(a+)+b)')",
        "('" + "a" * 5000 + "').matches('(a{1,500}){1,500}b')",
    ],
)
def test_a_dear_expression_is_stopped(expression):
    with bounded(), pytest.raises(fhirpath.TooDear):
        fhirpath.compile(expression)(PATIENT, steps=100_000)


@pytest.mark.parametrize(
    "expression",
    [
        "(" * 2000 + "1" + ")" * 2000,
        "-" * 2000 + "1",
        "1" + "+1" * 3000,
        "a" + ".a" * 3000,
        "a" + "|a" * 500,
        "a" * 30_000,
    ],
)
def test_an_expression_out_of_measure_is_refused(expression):
    with pytest.raises(fhirpath.FhirPathError):
        fhirpath.compile(expression)


def test_an_array_of_a_million_is_refused_before_it_is_walked():
    big = {"resourceType": "Patient", "name": [{"given": ["a"]}] * 1_000_001}
    for expression in ("name.given", "descendants()", "children()"):
        with bounded(), pytest.raises(fhirpath.TooDear):
            fhirpath.compile(expression)(big)


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        ("(a+)+b", "a" * 3000, False),
        ("(a+)+b", "a" * 3000 + "b", True),
        ("(a|a)*b", "a" * 3000, False),
        (".*.*.*=x", "y" * 3000 + "=x", True),
        ("^([a-z]+\\.)*[a-z]+$", "abc." * 900 + "abc", True),
        ("^([a-z]+\\.)*[a-z]+$", "abc." * 900 + "ABC", False),
        ("(\\d{2,6}x?)+$", "1" * 4000 + "!", False),
    ],
)
def test_repetitions_in_repetitions_take_time_in_proportion(pattern, text, found):
    escaped = pattern.replace("\\", "\\\\")
    with bounded():
        assert fhirpath.compile(f"%text.matches('{escaped}')")(PATIENT, env={"text": text}) == [found]
