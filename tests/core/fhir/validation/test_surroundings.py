"""What stands around an element decides: the guide, the base of a profile, the resource that contains, the request of an entry."""

import pytest

from tests.core.fhir.validation.test_profiles import HL7, patient, profile
from virage.core.fhir import validation
from virage.core.fhir.validation import Registry

UUID = "urn:uuid:c0b4d4d0-0000-4000-8000-000000000001"
NAMED = profile("urn:named", {"path": "Patient.name", "min": 1})
OBSERVATION = {"resourceType": "Observation", "status": "final", "code": {"text": "x"}}


def errors(resource, *known, asked=()):
    found = validation.validate(resource, profiles=asked, registry=Registry(known))
    return [(each.code, each.path) for each in found if each.severity == "error"]


def extension_of(**root):
    elements = ({"path": "Extension", **root}, {"path": "Extension.url", "fixedUri": "urn:x"})
    return profile("urn:x", *elements, base="Extension", context=[{"type": "element", "expression": "Element"}])


def test_a_profile_without_differences_keeps_those_of_its_base():
    same = profile("urn:same", **{"baseDefinition": "urn:named"})
    assert errors(patient(), same, NAMED, asked=["urn:same"]) == [("required", "Patient")]
    assert errors(patient(name=[{"text": "x"}]), same, NAMED, asked=["urn:same"]) == []


def test_a_profile_whose_base_is_lost_is_told():
    lost = profile("urn:lost", {"path": "Patient.name", "min": 1}, baseDefinition="urn:nowhere")
    assert errors(patient(name=[{"text": "x"}]), lost, asked=["urn:lost"]) == [("not-found", "Patient")]
    declared = patient(meta={"profile": ["urn:lost"]})
    assert errors(declared, lost) == [("required", "Patient")]


def test_a_guide_sets_a_profile_for_all_resources_of_a_type():
    guide = {"resourceType": "ImplementationGuide", "url": "urn:guide",
             "global": [{"type": "Patient", "profile": "urn:named"}]}  # fmt: skip
    assert errors(patient(), guide, NAMED) == [("required", "Patient")]
    assert errors(patient(name=[{"text": "x"}]), guide, NAMED) == []
    assert errors(OBSERVATION, guide, NAMED) == []
    assert errors(patient(), NAMED) == []


@pytest.mark.parametrize(("most", "count", "right"), [("1", 1, True), ("1", 2, False), ("*", 2, True), ("2", 3, False)])
def test_an_extension_is_repeated_as_often_as_its_root_says(most, count, right):
    held = [{"url": "urn:x", "valueString": "a"}] * count
    known = extension_of(max=most)
    assert errors(patient(extension=held), known) == ([] if right else [("structure", "Patient")])
    twin = patient(birthDate="2020", _birthDate={"extension": held})
    assert errors(twin, known) == ([] if right else [("structure", "Patient.birthDate")])


@pytest.mark.parametrize(
    ("request_", "content", "right"),
    [
        ({"method": "PUT", "url": "Patient/1"}, {"resourceType": "Patient", "id": "1"}, True),
        ({"method": "PUT", "url": "Patient/1"}, {"resourceType": "Patient", "id": "2"}, False),
        ({"method": "PUT", "url": "Patient/1"}, {"resourceType": "Patient", "active": True}, False),
        ({"method": "PUT", "url": "Patient?active=true"}, {"resourceType": "Patient", "active": True}, True),
        ({"method": "PUT", "url": "Group/1"}, {"resourceType": "Patient", "id": "1"}, False),
        ({"method": "POST", "url": "Patient"}, {"resourceType": "Patient", "active": True}, True),
        ({"method": "POST", "url": "Observation"}, {"resourceType": "Patient", "active": True}, False),
        ({"method": "POST", "url": "Patient/$match"}, {"resourceType": "Parameters"}, True),
        ({"method": "POST", "url": "Patient"}, None, False),
        ({"method": "GET", "url": "Patient/1"}, None, True),
        ({"method": "DELETE", "url": "Patient/1"}, None, True),
    ],
)
def test_what_an_entry_writes_is_what_its_request_names(request_, content, right):
    entry = {"request": request_, **({"resource": content} if content else {})}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [entry]}
    assert bool(errors(bundle)) is not right
    assert right or errors(bundle)[0][1] == "Bundle.entry[0]"


def test_the_outcome_of_an_entry_says_its_type():
    def answered(**outcome):
        response = {"status": "200", "outcome": {**outcome, "issue": [{"severity": "error", "code": "invalid"}]}}
        return {"resourceType": "Bundle", "type": "batch-response", "entry": [{"response": response}]}

    assert errors(answered(resourceType="OperationOutcome")) == []
    assert errors(answered()) == [("structure", "Bundle.entry[0].response.outcome")]


@pytest.mark.parametrize(
    ("resource", "place"),
    [
        (patient(name=[{"id": "a"}]), "Patient.name[0]"),
        (patient(link=[{"other": {"id": "a"}, "type": "refer"}]), "Patient.link[0].other"),
        ({"resourceType": "Patient", "id": "a"}, None),
        (patient(birthDate="2020", _birthDate={"id": "a"}), None),
        (patient(name=[{"id": "a", "text": "x"}]), None),
    ],
)
def test_an_element_has_more_than_an_id(resource, place):
    assert errors(resource) == ([("invariant", place)] if place else [])


def test_a_rule_of_a_bundle_resolves_within_the_resource_that_refers():
    rule = {
        "key": "k",
        "severity": "error",
        "expression": "entry.resource.ofType(Observation).all(device.resolve() is Device)",
    }
    asked = profile("urn:b", {"path": "Bundle", "constraint": [rule]}, base="Bundle")

    def bundle(reference):
        held = {"resourceType": "Device", "id": "d", "owner": {"reference": "#o"}}
        owner = {"resourceType": "Organization", "id": "o", "name": "x"}
        content = {**OBSERVATION, "contained": [held, owner], "device": {"reference": reference}}
        return {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": UUID, "resource": content}]}

    assert errors(bundle("#d"), asked, asked=["urn:b"]) == []
    assert ("invariant", "Bundle") in errors(bundle("#o"), asked, asked=["urn:b"])
    rule["expression"] = "entry.resource.ofType(Observation).all(device.resolve().owner.resolve().name = 'x')"
    assert errors(bundle("#d"), asked, asked=["urn:b"]) == []


def test_a_reference_by_its_type_alone_keeps_to_the_profile():
    line = {"path": "Observation.subject", "type": [{"code": "Reference", "targetProfile": [HL7 + "Patient"]}]}
    asked = profile("urn:o", line, base="Observation")
    for name, expected in (("Patient", []), ("Group", [("structure", "Observation.subject")])):
        assert errors({**OBSERVATION, "subject": {"type": name, "display": "x"}}, asked, asked=["urn:o"]) == expected


def test_one_of_several_profiles_may_be_the_type_itself():
    strict = profile("urn:hn", {"path": "HumanName.family", "min": 1}, base="HumanName")
    line = {"path": "Patient.name", "type": [{"code": "HumanName", "profile": ["urn:hn", HL7 + "HumanName"]}]}
    asked = profile("urn:p", line)
    assert errors(patient(name=[{"text": "x"}]), asked, strict, asked=["urn:p"]) == []
    line["type"][0]["profile"].pop()
    assert errors(patient(name=[{"text": "x"}]), asked, strict, asked=["urn:p"]) == [("required", "Patient.name[0]")]


def test_the_address_of_a_definition_is_absolute():
    known = {
        "resourceType": "CodeSystem",
        "name": "C",
        "status": "active",
        "content": "fragment",
        "concept": [{"code": "a"}],
    }
    assert errors({**known, "url": "http://x.test/c"}) == []
    assert errors({**known, "url": "c"}) == [("invalid", "CodeSystem.url")]


def test_a_slice_of_a_choice_is_named_by_its_path_too():
    piece = {
        "path": "Observation.valueQuantity",
        "id": "Observation.value[x]:valueQuantity",
        "sliceName": "valueQuantity",
        "min": 1,
    }
    asked = profile("urn:o", piece, {"path": "Observation.valueQuantity.unit", "min": 1}, base="Observation")
    found = errors({**OBSERVATION, "valueQuantity": {"value": 1}}, asked, asked=["urn:o"])
    assert found == [("required", "Observation.value.ofType(Quantity)")]
    assert errors({**OBSERVATION, "valueQuantity": {"value": 1, "unit": "x"}}, asked, asked=["urn:o"]) == []


def test_a_simple_quantity_has_no_comparator():
    held = {**OBSERVATION, "referenceRange": [{"low": {"value": 1, "comparator": "<"}}]}
    assert ("invariant", "Observation.referenceRange[0].low") in errors(held)
    assert errors({**OBSERVATION, "valueQuantity": {"value": 1, "comparator": "<"}}) == []


def test_a_component_of_a_blood_pressure_says_why_it_has_no_value():
    def loinc(code):
        return {"coding": [{"system": "http://loinc.org", "code": code}]}

    category = {"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "vital-signs"}
    absent = {"dataAbsentReason": {"text": "x"}}
    pressure = {
        **OBSERVATION, "category": [{"coding": [category]}], "code": loinc("85354-9"), "subject": {"reference": "Patient/1"},
        "effectiveDateTime": "2020-01-01", "component": [{"code": loinc("8480-6"), **absent}, {"code": loinc("8462-4")}],
    }  # fmt: skip
    assert ("invariant", "Observation.component[1]") in errors(pressure)
    pressure["component"][1].update(absent)
    assert errors(pressure) == []


@pytest.mark.parametrize(
    ("mode", "reference", "right"),
    [
        ("specific", "Patient/1", False),
        ("specific", "Patient/1/_history/2", True),
        ("independent", "Patient/1/_history/2", False),
        ("independent", "Patient/1", True),
        ("either", "Patient/1", True),
    ],
)
def test_a_profile_asks_that_references_name_a_version_or_none(mode, reference, right):
    line = {"path": "Observation.subject", "type": [{"code": "Reference", "versioning": mode}]}
    asked = profile("urn:o", line, base="Observation")
    found = errors({**OBSERVATION, "subject": {"reference": reference}}, asked, asked=["urn:o"])
    assert found == ([] if right else [("structure", "Observation.subject")])


@pytest.mark.parametrize(("target", "right"), [("Patient", True), ("Organization", False)])
def test_a_profile_lets_references_designate_what_its_base_permits(target, right):
    line = {"id": "Observation.subject", "path": "Observation.subject",
            "type": [{"code": "Reference", "targetProfile": [HL7 + target]}]}  # fmt: skip
    source = profile("urn:o", line, base="Observation", name="O", status="active")
    assert errors(source) == ([] if right else [("invalid", "StructureDefinition")])


def test_a_local_address_leads_to_what_is_contained():
    held = {"resourceType": "Questionnaire", "id": "q", "status": "active"}
    answers = {
        "resourceType": "QuestionnaireResponse",
        "status": "completed",
        "contained": [held],
        "questionnaire": "#q",
    }
    assert errors(answers) == []
    assert ("not-found", "QuestionnaireResponse.questionnaire") in errors({**answers, "questionnaire": "#r"})


def test_only_what_is_contained_points_at_what_is_around():
    about = {"resourceType": "Provenance", "id": "p", "target": [{"reference": "#"}], "recorded": "2020-01-01T00:00:00Z",
             "agent": [{"who": {"display": "x"}}]}  # fmt: skip
    assert errors({**OBSERVATION, "contained": [about]}) == []
    assert errors({**OBSERVATION, "subject": {"reference": "#"}}) == [("not-found", "Observation.subject")]


def test_slices_that_nothing_tells_apart_are_told_by_all_that_they_ask():
    path, piece = "Patient.name", "Patient.name:birth"
    asked = profile(
        "urn:p",
        {"path": path, "slicing": {"rules": "closed"}},
        {"id": piece, "path": path, "sliceName": "birth", "min": 1},
        {"id": piece + ".family", "path": path + ".family", "min": 1},
    )
    assert errors(patient(name=[{"family": "x"}]), asked, asked=["urn:p"]) == []
    found = errors(patient(name=[{"text": "x"}]), asked, asked=["urn:p"])
    assert found == [("required", "Patient"), ("structure", "Patient.name[0]")]
