"""Codes by form: LOINC and SNOMED CT by their check digits, countries, currencies, languages; and what lists leave open."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.fhir import validation
from virage.core.fhir.validation import systems

HL7 = "http://hl7.org/fhir/StructureDefinition/"


@pytest.mark.parametrize("code", ["8310-5", "85354-9", "29463-7", "LA6576-8", "LP14542-4", "LL361-7"])
def test_codes_of_loinc(code):
    assert systems.loinc(code)


@pytest.mark.parametrize("code", ["8310-4", "85354-8", "8310", "8310-55", "x", "", "12345678-1"])
def test_what_is_no_code_of_loinc(code):
    assert not systems.loinc(code)


@pytest.mark.parametrize(
    "code", ["22298006", "73211009", "404684003", "27113001", "22298006 |x|", "182201002:272741003=7771000"]
)
def test_concepts_of_snomed(code):
    assert systems.snomed(code)


@pytest.mark.parametrize("code", ["22298007", "73211000", "751689013", "12345", "abc", "", "0222980060"])
def test_what_is_no_concept_of_snomed(code):
    assert not systems.snomed(code)


@given(st.integers(min_value=10**5, max_value=10**15 - 1).map(str))
def test_one_digit_of_ten_checks_the_others(body):
    assert sum(systems.snomed(f"{body}00{digit}") for digit in range(10)) == 1


@given(st.integers(min_value=1, max_value=9_999_999).map(str))
def test_one_digit_of_ten_checks_a_number_of_loinc(body):
    assert sum(systems.loinc(f"{body}-{digit}") for digit in range(10)) == 1


def coded(system, code):
    return {"resourceType": "Patient", "maritalStatus": {"coding": [{"system": system, "code": code}]}}


def errors(resource, *known):
    found = validation.validate(resource, registry=validation.Registry(known))
    return [(each.code, each.path) for each in found if each.severity == "error"]


@pytest.mark.parametrize(
    ("system", "right", "wrong"),
    [
        ("http://loinc.org", "8310-5", "8310-4"),
        ("http://snomed.info/sct", "22298006", "22298007"),
        ("urn:iso:std:iso:3166", "FR", "XX"),
        ("urn:iso:std:iso:3166", "FRA", "Fra"),
        ("urn:iso:std:iso:4217", "EUR", "EUX"),
        ("urn:ietf:bcp:47", "fr-FR", "fr_FR"),
        ("urn:ietf:bcp:47", "gsw-FR", "french"),
    ],
)
def test_a_code_without_the_form_of_its_system_is_refused(system, right, wrong):
    assert errors(coded(system, right)) == []
    assert errors(coded(system, wrong)) == [("code-invalid", "Patient.maritalStatus.coding[0].code")]


def test_lists_imposed_at_most_hold_for_simple_codes_too():
    assert errors({"resourceType": "Patient", "language": "fr-FR"}) == []
    assert errors({"resourceType": "Patient", "language": "fr_FR"}) == [("code-invalid", "Patient.language")]


def test_a_list_that_its_keeper_changes_tells_nothing_of_others():
    held = {
        "resourceType": "CodeSystem", "status": "active", "content": "not-present", "url": "http://x.test/c", "name": "C",
        "extension": [{"url": HL7 + "structuredefinition-wg", "valueCode": "pe"}],
    }  # fmt: skip
    assert errors(held) == []
    held["extension"][0]["url"] = HL7 + "structuredefinition-standards-status"
    assert errors(held) == [("code-invalid", "CodeSystem.extension[0].value.ofType(code)")]


def listed(*concepts, sensitive=True):
    return {
        "resourceType": "CodeSystem", "url": "http://x.test/c", "status": "active", "content": "complete",
        "caseSensitive": sensitive, "concept": list(concepts),
    }  # fmt: skip


def chosen(name, operator, value):
    rule = {"property": name, "op": operator, "value": value}
    include = [{"system": "http://x.test/c", "filter": [rule]}]
    return {"resourceType": "ValueSet", "url": "http://x.test/v", "status": "active", "compose": {"include": include}}


TREE = listed(
    {"code": "a", "concept": [{"code": "b", "concept": [{"code": "c"}]}]},
    {"code": "d", "property": [{"code": "kind", "valueString": "x"}]},
    {"code": "e", "property": [{"code": "kind", "valueString": "y"}]},
)


@pytest.mark.parametrize(
    ("rule", "held"),
    [
        (("concept", "is-a", "b"), "bc"),
        (("concept", "generalizes", "b"), "ab"),
        (("parent", "=", "a"), "b"),
        (("kind", "in", "x,z"), "d"),
        (("kind", "not-in", "x"), "abce"),
        (("kind", "exists", "true"), "de"),
        (("kind", "exists", "false"), "abc"),
    ],
)
def test_filters_choose(rule, held):
    terminology = validation.BuiltIn(validation.Registry([TREE, chosen(*rule)]))
    assert "".join(each for each in "abcde" if terminology.contains("http://x.test/v", "http://x.test/c", each)) == held


def test_a_system_may_not_care_for_capitals():
    whole = {**chosen("concept", "is-a", "a")}
    for sensitive in (True, False):
        tree = listed({"code": "a"}, sensitive=sensitive)
        terminology = validation.BuiltIn(validation.Registry([tree, whole]))
        assert terminology.contains("http://x.test/v", "http://x.test/c", "A") is (not sensitive)
