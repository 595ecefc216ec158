"""The facts of R4: complete, exact, cheap to open."""

import subprocess
import sys

import pytest

from virage.core.fhir import definitions


def test_every_resource_type_of_r4_is_there_and_nothing_of_later_versions():
    types = definitions.resource_types()
    assert len(types) == 146
    assert {"Patient", "Observation", "Bundle", "VisionPrescription"} <= types
    assert not {"Resource", "DomainResource", "SubscriptionStatus"} & types


def test_every_type_can_be_built_and_its_elements_lead_to_known_types():
    for name in definitions.types():
        waiting, seen = [name], set()
        while waiting:
            type_def = definitions.element(waiting.pop())
            seen.add(type_def.name)
            for child in type_def.children.values():
                assert child.json, child.path
                for ref in child.json.values():
                    target = child.type_name(ref.code)
                    assert definitions.element(target)
                    if target.startswith(name + ".") and target not in seen:
                        waiting.append(target)


def test_choice_elements_know_their_json_names():
    patient = definitions.element("Patient")
    assert patient.children["deceased"].choice
    assert set(patient.children["deceased"].json) == {"deceasedBoolean", "deceasedDateTime"}
    element, ref = definitions.element("Observation").properties["valueQuantity"]
    assert (element.name, ref.code) == ("value", "Quantity")
    assert "valueQuantity" not in definitions.element("Observation").children


def test_backbones_and_content_references():
    contact = definitions.element("Patient.contact")
    assert contact.kind == "backbone"
    assert contact.children["gender"].binding.strength == "required"
    component = definitions.element("Observation.component").children["referenceRange"]
    assert component.type_name() == "Observation.referenceRange"
    assert definitions.element("Patient").children["link"].type_name() == "Patient.link"


def test_cardinality_targets_summary_and_invariants():
    patient = definitions.element("Patient")
    assert patient.children["name"].is_list
    assert not patient.children["birthDate"].is_list
    assert patient.children["name"].is_summary
    assert not patient.children["photo"].is_summary
    assert patient.children["managingOrganization"].types[0].targets == ("Organization",)
    assert definitions.element("Observation").children["status"].min == 1
    assert {rule.key for rule in definitions.element("Patient.contact").invariants} == set()
    assert [rule.key for rule in patient.children["contact"].invariants] == ["pat-1"]
    assert {"dom-2", "dom-3"} <= {rule.key for rule in patient.invariants}


def test_inheritance():
    assert definitions.is_a("Patient", "DomainResource")
    assert definitions.is_a("Bundle", "Resource")
    assert not definitions.is_a("Bundle", "DomainResource")
    assert definitions.is_a("code", "string")
    assert definitions.kind("HumanName") == "complex-type"
    assert definitions.kind("Nothing") == ""


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [("id", "a-1.B", "a b"), ("positiveInt", "1", "0"), ("date", "2020-02", "2020-2"), ("oid", "urn:oid:1.2", "1.2")],
)
def test_primitives_have_their_regular_expression(name, good, bad):
    assert definitions.regex(name).fullmatch(good)
    assert not definitions.regex(name).fullmatch(bad)


def test_search_parameters_include_those_of_every_resource():
    patient = {each.code: each for each in definitions.search_parameters("Patient")}
    assert {"_id", "_lastUpdated", "_tag", "_profile", "_text", "name", "birthdate", "general-practitioner"} <= set(
        patient
    )
    assert set(patient["general-practitioner"].targets) == {"Practitioner", "Organization", "PractitionerRole"}
    assert "_text" not in {each.code for each in definitions.search_parameters("Bundle")}
    assert definitions.search_parameters("Nothing") == []


def test_components_of_composites_lead_to_parameters():
    for each in definitions.all_search_parameters():
        for component in each.components:
            assert definitions.search_parameter_by_url(component.definition), each.url


def test_compartments_name_parameters_that_exist():
    assert set(definitions.compartments()) == {"Patient", "Encounter", "Practitioner", "Device", "RelatedPerson"}
    for lines in definitions.compartments().values():
        for resource_type, codes in lines.items():
            known = {each.code for each in definitions.search_parameters(resource_type)}
            assert set(codes) - {"{def}"} <= known, resource_type


def test_code_lists():
    genders = definitions.plain_codes("http://hl7.org/fhir/ValueSet/administrative-gender|4.0.1")
    assert genders == {"male", "female", "other", "unknown"}
    assert ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "AMB") in definitions.codes(
        "http://terminology.hl7.org/ValueSet/v3-ActEncounterCode"
    )
    assert definitions.codes("http://hl7.org/fhir/ValueSet/mimetypes") is None
    assert definitions.codes("http://example.org/unknown") is None


def test_every_required_binding_is_listed_except_those_without_end():
    unlisted = set()
    for name in definitions.types():
        for child in definitions.element(name).children.values():
            if (
                child.binding
                and child.binding.strength == "required"
                and definitions.codes(child.binding.valueset) is None
            ):
                unlisted.add(child.binding.valueset.partition("|")[0].rpartition("/")[2])
    assert unlisted == {"mimetypes", "currencies"}


def test_a_value_set_that_includes_itself_ends():
    loop = {
        "url": "urn:a",
        "compose": {"include": [{"valueSet": ["urn:a"]}, {"system": "urn:s", "concept": [{"code": "x"}]}]},
    }
    assert definitions.expand(loop, lambda url: loop, lambda url: None) == {("urn:s", "x")}


def test_the_file_says_its_source_and_holds_no_prose():
    assert "CC0-1.0" in definitions.source()
    structure = definitions.structure("http://hl7.org/fhir/StructureDefinition/Patient")
    assert structure["type"] == "Patient"
    assert not {"definition", "comment", "short", "requirements"} & {
        key for line in structure["snapshot"]["element"] for key in line
    }
    assert definitions.structure("http://hl7.org/fhir/StructureDefinition/bodyweight")["derivation"] == "constraint"
    assert definitions.structure("http://hl7.org/fhir/StructureDefinition/patient-birthPlace")["type"] == "Extension"


def test_opening_is_small():
    script = (
        "import resource\n"
        "base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "from virage.core.fhir import definitions as d\n"
        "d.resource_types(), d.element('Patient'), d.search_parameters('Patient')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base)\n"
    )
    kilobytes = subprocess.check_output([sys.executable, "-c", script], text=True)
    assert int(kilobytes) < 40_000
