"""Structural validation: every fault is found, at its exact place, and nothing sound is refused."""

import copy
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.bounds import bounded
from virage.core.fhir import validation

PATIENT = {
    "resourceType": "Patient",
    "id": "p1",
    "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml"><p>Ada <b>L.</b></p></div>'},
    "active": True,
    "name": [{"use": "official", "family": "Martin", "given": ["Ada", "Rose"]}],
    "gender": "female",
    "birthDate": "1980-02-29",
    "_birthDate": {"extension": [{"url": "http://example.org/t", "valueTime": "10:00:00"}]},
    "deceasedBoolean": False,
    "contact": [{"relationship": [{"text": "mère"}], "name": {"text": "Rose"}}],
    "managingOrganization": {"reference": "Organization/1"},
    "contained": [{"resourceType": "Organization", "id": "o", "name": "O"}],
    "generalPractitioner": [{"reference": "#o"}],
}


def findings(resource):
    return [(issue.code, issue.path) for issue in validation.check(resource)]


def changed(**elements):
    resource = copy.deepcopy(PATIENT)
    resource.update(elements)
    return {name: value for name, value in resource.items() if value is not ...}


def test_a_sound_resource_has_no_finding():
    assert validation.check(PATIENT) == []


@pytest.mark.parametrize(
    ("elements", "code", "path"),
    [
        ({"colour": "blue"}, "structure", "Patient"),
        ({"fhir_comments": ["x"]}, "structure", "Patient"),
        ({"name": {"family": "x"}}, "structure", "Patient.name"),
        ({"name": []}, "structure", "Patient.name"),
        ({"name": [{}]}, "structure", "Patient.name[0]"),
        ({"name": ["x"]}, "structure", "Patient.name[0]"),
        ({"name": [{"use": "nickname"}, {"use": "pet"}]}, "code-invalid", "Patient.name[1].use"),
        ({"name": [{"given": ["a", 3]}]}, "value", "Patient.name[0].given[1]"),
        ({"name": [{"given": ["a", None]}]}, "structure", "Patient.name[0].given[1]"),
        ({"name": [{"given": ["a"], "_given": [None, {"id": "x"}]}]}, "structure", "Patient.name[0].given"),
        ({"name": [{"family": ""}]}, "value", "Patient.name[0].family"),
        ({"name": [{"family": "a\u0001b"}]}, "value", "Patient.name[0].family"),
        ({"active": "true"}, "value", "Patient.active"),
        ({"active": [True]}, "structure", "Patient.active"),
        ({"active": None}, "structure", "Patient.active"),
        ({"gender": "M"}, "code-invalid", "Patient.gender"),
        ({"birthDate": "1981-02-29"}, "value", "Patient.birthDate"),
        ({"birthDate": "1980-13"}, "value", "Patient.birthDate"),
        ({"birthDate": "29/02/1980"}, "value", "Patient.birthDate"),
        ({"_birthDate": {"value": 1}}, "invalid", "Patient.birthDate"),
        ({"_birthDate": {}}, "structure", "Patient.birthDate"),
        ({"deceasedDateTime": "2020"}, "structure", "Patient"),
        ({"deceasedBoolean": ..., "deceased": True}, "structure", "Patient"),
        ({"deceasedBoolean": ..., "deceasedDateTime": "2020-01-01T10:00:00"}, "value", "Patient.deceased.ofType(dateTime)"),
        ({"multipleBirthInteger": 2**31}, "value", "Patient.multipleBirth.ofType(integer)"),
        ({"multipleBirthInteger": True}, "value", "Patient.multipleBirth.ofType(integer)"),
        ({"id": "a_b"}, "value", "Patient.id"),
        ({"implicitRules": "not a uri"}, "value", "Patient.implicitRules"),
        ({"communication": [{"preferred": True}]}, "required", "Patient.communication[0]"),
        ({"photo": [{"data": "@@@="}]}, "value", "Patient.photo[0].data"),
        ({"text": {"status": "generated", "div": "<div>x</div>"}}, "value", "Patient.text.div"),
        ({"managingOrganization": {"reference": "Patient/1"}}, "value", "Patient.managingOrganization"),
        ({"managingOrganization": {"reference": "Nobody/1"}}, "invalid", "Patient.managingOrganization"),
        ({"managingOrganization": {"reference": "just words"}}, "invalid", "Patient.managingOrganization"),
        ({"generalPractitioner": [{"reference": "#absent"}]}, "not-found", "Patient.generalPractitioner[0]"),
        ({"contained": [{"resourceType": "Organization", "name": "x"}], "generalPractitioner": ...}, "required", "Patient.contained[0]"),
        ({"contained": [{"resourceType": "Org", "id": "o"}]}, "invalid", "Patient.contained[0]"),
        ({"extension": [{"valueString": "x"}]}, "required", "Patient.extension[0]"),
        ({"extension": [{"url": "http://example.org/a"}]}, "invariant", "Patient.extension[0]"),
        ({"extension": [{"url": "http://example.org/a", "valueString": "x", "extension": [{"url": "b", "valueCode": "c"}]}]}, "invariant", "Patient.extension[0]"),
    ],
)  # fmt: skip
def test_each_fault_is_found_at_its_place(elements, code, path):
    assert (code, path) in findings(changed(**elements))
    assert len(findings(changed(**elements))) == 1


def test_every_fault_is_reported_not_only_the_first():
    found = findings(changed(gender="M", birthDate="x", colour=1, name=[{"use": "pet"}]))
    assert len(found) == 4


@pytest.mark.parametrize("resource", [{}, {"resourceType": "Nobody"}, {"resourceType": 3}, [], None, "x"])
def test_what_is_not_a_resource_is_said_so(resource):
    assert findings(resource)


def test_a_required_coded_list_applies_to_codeable_concepts():
    resource = {"resourceType": "AllergyIntolerance", "patient": {"reference": "Patient/1"}}
    system = "http://terminology.hl7.org/CodeSystem/allergyintolerance-clinical"
    resource["clinicalStatus"] = {"coding": [{"system": system, "code": "active"}]}
    assert findings(resource) == []
    resource["clinicalStatus"] = {"coding": [{"system": system, "code": "sleepy"}]}
    assert findings(resource) == [("code-invalid", "AllergyIntolerance.clinicalStatus")]


def test_contained_resources_may_not_nest():
    inner = {"resourceType": "Organization", "id": "b", "contained": [{"resourceType": "Organization", "id": "c"}]}
    assert ("structure", "Patient.contained[0].contained") in findings(
        changed(contained=[inner], generalPractitioner=...)
    )


def test_resources_in_bundles_and_parameters_are_walked():
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"resource": changed(gender="M")}]}
    assert findings(bundle) == [("code-invalid", "Bundle.entry[0].resource.gender")]


def test_decimals_of_any_precision_are_numbers():
    observation = {
        "resourceType": "Observation", "status": "final", "code": {"text": "x"}, "valueQuantity": {"value": Decimal("72.50")},
    }  # fmt: skip
    assert findings(observation) == []
    observation["valueQuantity"] = {"value": "72.50"}
    assert findings(observation) == [("value", "Observation.value.ofType(Quantity).value")]


@pytest.mark.parametrize(
    "div",
    [
        "<script>alert(1)</script>",
        '<a href="javascript:alert(1)">x</a>',
        '<a href=" JavaScript:alert(1)">x</a>',
        '<p onclick="x()">x</p>',
        "<iframe/>x",
        "<form>x</form>",
        "&nbsp;",
        "&unknown;",
        "<p>x",
        "<p>x</b>",
        "",
        "   ",
        '<p style="width: expression(x)">x</p>',
        '<object data="x">x</object>',
    ],
)
def test_narratives_that_harm_or_are_broken_are_refused(div):
    text = {"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}
    assert findings(changed(text=text)) == [("value", "Patient.text.div")]


@pytest.mark.parametrize("div", ["x", "<p>a &amp; b</p>", '<img src="a.png" alt="x"/>', "<br/>x", "é &#160;x", "<!-- c -->x", '<p style="color:red" xml:lang="fr">x</p>'])  # fmt: skip
def test_plain_narratives_are_taken(div):
    assert (
        findings(changed(text={"status": "generated", "div": f'<div xmlns="http://www.w3.org/1999/xhtml">{div}</div>'}))
        == []
    )


def test_entity_bombs_in_narratives_are_refused_at_once():
    bomb = '<!DOCTYPE div [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><div xmlns="http://www.w3.org/1999/xhtml">&b;</div>'
    assert findings(changed(text={"status": "generated", "div": bomb})) == [("value", "Patient.text.div")]


def test_findings_are_bounded_in_number_and_time():
    with bounded():
        found = validation.check(changed(name=[{"use": "pet"}] * 400_000))
    assert len(found) == 501
    assert found[-1].code == "too-costly"


def test_depth_is_bounded():
    extension = {"url": "http://example.org/a", "valueString": "x"}
    for _ in range(5000):
        extension = {"url": "http://example.org/a", "extension": [extension]}
    assert [issue.code for issue in validation.check(changed(extension=[extension]))] == ["too-costly"]


def test_no_sentence_quotes_a_value():
    for issue in validation.check(
        changed(birthDate="SECRET", gender="SECRET", name=[{"use": "SECRET", "given": ["SECRET", 4]}])
    ):
        assert "SECRET" not in issue.text


def test_official_examples(shared_data):
    from virage.core.fhir import json

    refused = {}
    folder = shared_data / "fhir-r4-examples"
    for path in sorted(folder.glob("*.json")):
        found = validation.check(json.loads(path.read_bytes()))
        if found:
            refused[path.name] = found[0].path
    # Each of these breaks R4 where said: several are kept by their authors as bad examples.
    assert refused == {
        "bundle-questionnaire.json": "Questionnaire.item[0].item[0]",
        "bundle-with-no-type.json": "Bundle",
        "deviceusestatement-example.json": "DeviceUseStatement.reasonReference[0]",
        "medicationrequest0301.json": "MedicationRequest.dispenseRequest.performer",
        "myconsent-resource.json": "Consent",
        "r4-caredove-bundle.json": "Bundle.entry[0].resource.id",
    }


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(
        st.sampled_from([*PATIENT, "url", "valueString", "_given", "given", "coding", "reference", "x"]), children, max_size=4
    ),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(list(PATIENT)), _json, max_size=6))
def test_any_json_gets_findings_never_an_exception(elements):
    elements["resourceType"] = "Patient"
    for issue in validation.check(elements):
        assert issue.path.startswith("Patient")
        assert issue.text
