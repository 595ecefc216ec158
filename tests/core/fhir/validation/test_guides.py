"""Operations, statements, guides and maps: what they say of types, parameters and variables; the widest lists of a binding."""

import pytest

from tests.core.fhir.validation.test_profiles import profile
from tests.core.fhir.validation.test_rules import HL7, errors, extension, patient


def operation(*parameters):
    return {
        "resourceType": "OperationDefinition", "url": "http://x.test/o", "name": "O", "status": "active", "kind": "operation",
        "code": "o", "system": True, "type": False, "instance": False, "parameter": list(parameters),
    }  # fmt: skip


def parameter(name="a", use="in", low=0, high="1", **more):
    return {"name": name, "use": use, "min": low, "max": high, **({} if "part" in more else {"type": "string"}), **more}


@pytest.mark.parametrize(
    ("parameters", "found"),
    [
        ((parameter(), parameter(use="out"), parameter("b", high="*", low=3)), []),
        ((parameter(low=2),), [("invalid", "OperationDefinition.parameter[0]")]),
        ((parameter(high="many"),), [("invalid", "OperationDefinition.parameter[0]")]),
        ((parameter(), parameter()), [("duplicate", "OperationDefinition.parameter[1]")]),
        ((parameter(part=[parameter(), parameter()]),), [("duplicate", "OperationDefinition.parameter[0].part[1]")]),
    ],
)
def test_parameters_of_operations(parameters, found):
    assert errors(operation(*parameters)) == found


ALLOWED = HL7 + "operationdefinition-allowed-type"


@pytest.mark.parametrize(
    ("described", "right"),
    [
        (parameter(), True),
        (parameter(high="*"), True),
        (parameter(low=2, high="2"), False),
        (parameter(type="code"), True),
        (parameter(type="boolean"), False),
        (parameter(type="Patient"), False),
        (
            parameter(type="Element", extension=[{"url": ALLOWED, "valueUri": each} for each in ("Patient", "string")]),
            True,
        ),
        (parameter(type="Element", extension=[{"url": ALLOWED, "valueUri": "Patient"}]), False),
        (parameter("other"), False),
        (parameter("other", use="out"), True),
    ],
)
def test_the_profile_of_parameters_does_not_contradict_them(described, right):
    piece, path = "Parameters.parameter:a", "Parameters.parameter"
    by_name = {"discriminator": [{"type": "value", "path": "name"}], "rules": "closed"}
    source = profile(
        "urn:in",
        {"id": path, "path": path, "slicing": by_name},
        {"id": piece, "path": path, "sliceName": "a", "max": "1"},
        {"id": piece + ".name", "path": path + ".name", "fixedString": "a"},
        {"id": piece + ".value[x]", "path": path + ".value[x]", "type": [{"code": "string"}]},
        {"id": piece + ".resource", "path": path + ".resource", "max": "0"},
        base="Parameters",
    )
    found = errors({**operation(described), "inputProfile": "urn:in"}, source)
    assert found == ([] if right else [("invalid", "OperationDefinition.parameter[0]")])
    wrong = {**operation(described), "inputProfile": HL7 + "Patient"}
    assert errors(wrong) == [("invalid", "OperationDefinition.inputProfile")]


def statement(**resource):
    return {
        "resourceType": "CapabilityStatement", "status": "active", "date": "2020", "kind": "requirements",
        "description": "x", "fhirVersion": "4.0.1", "format": ["json"],
        "rest": [{"mode": "server", "resource": [{"type": "Patient", **resource}]}],
    }  # fmt: skip


def test_what_a_statement_or_a_guide_says_of_a_type_is_of_that_type():
    right, wrong = HL7 + "Patient", HL7 + "Observation"
    line = "CapabilityStatement.rest[0].resource[0]."
    assert errors(statement(profile=right, supportedProfile=[right, "http://x.test/unknown"])) == []
    assert errors(statement(profile=wrong)) == [("invalid", line + "profile")]
    assert errors(statement(supportedProfile=[right, wrong])) == [("invalid", line + "supportedProfile[1]")]
    search = {"name": "code", "definition": "http://hl7.org/fhir/SearchParameter/clinical-code", "type": "token"}
    assert errors(statement(searchParam=[search])) == []
    assert ("invalid", line + "searchParam[0]") in errors(statement(searchParam=[search]), severity="warning")

    def guide(canonical):
        return {
            "resourceType": "ImplementationGuide", "url": "http://x.test/ig", "name": "G", "status": "active",
            "packageId": "x.y", "fhirVersion": ["4.0.1"], "global": [{"type": "Patient", "profile": canonical}],
        }  # fmt: skip

    assert errors(guide(right)) == []
    assert errors(guide(wrong)) == [("invalid", "ImplementationGuide.global[0].profile")]


def mapped(*rules, **more):
    inputs = [{"name": "from", "mode": "source"}, {"name": "to", "mode": "target"}]
    group = {"name": "g", "typeMode": "none", "input": inputs, "rule": list(rules), **more}
    other = {"name": "other", "typeMode": "none", "input": inputs, "rule": [rule()]}
    return {
        "resourceType": "StructureMap", "url": "http://x.test/m", "name": "M", "status": "active", "group": [group, other],
    }  # fmt: skip


def rule(source="from", target="to", value="v", **more):
    return {
        "name": "r", "source": [{"context": source, "element": "a", "variable": "v"}],
        "target": [{"context": target, "contextType": "variable", "element": "b", "transform": "copy",
                    "parameter": [{"valueId": value}]}], **more,
    }  # fmt: skip


def call(name="other", *variables):
    return {"dependent": [{"name": name, "variable": list(variables or ("from", "to"))}]}


@pytest.mark.parametrize(
    ("resource", "code", "below"),
    [
        (mapped(rule()), None, ""),
        (mapped(rule(rule=[rule(source="v")])), None, ""),
        (mapped(rule(source="none")), "not-found", ".rule[0].source[0]"),
        (mapped(rule(target="none")), "not-found", ".rule[0].target[0]"),
        (mapped(rule(value="none")), "not-found", ".rule[0].target[0].parameter[0]"),
        (mapped(rule(), rule(source="v")), "not-found", ".rule[1].source[0]"),
        (mapped(rule(**call())), None, ""),
        (mapped(rule(**call("nowhere"))), "not-found", ".rule[0].dependent[0]"),
        ({**mapped(rule(**call("nowhere"))), "import": ["http://x.test/*"]}, None, ""),
        (mapped(rule(**call("other", "from"))), "invalid", ".rule[0].dependent[0]"),
        (mapped(rule(**call("other", "from", "none"))), "not-found", ".rule[0].dependent[0]"),
        (mapped(rule(), extends="nowhere"), "not-found", ""),
        (mapped(rule(), input=[{"name": n, "mode": "source"} for n in ("from", "to", "to")]), "duplicate", ".input[2]"),
    ],
)
def test_maps_name_what_is_known(resource, code, below):
    assert errors(resource) == ([] if code is None else [(code, "StructureMap.group[0]" + below)])


def test_a_group_of_a_map_has_a_name_of_its_own():
    assert errors(mapped(rule(), name="other")) == [("duplicate", "StructureMap.group[1]")]


VALUES = {
    "resourceType": "ValueSet", "url": "http://x.test/v", "status": "active",
    "compose": {"include": [{"system": "http://x.test/c", "concept": [{"code": "b"}]}]},
}  # fmt: skip


def marital(code=None):
    return patient(maritalStatus={"coding": [{"system": "http://x.test/c", "code": code}]} if code else {"text": "x"})


@pytest.mark.parametrize("strength", ["extensible", "preferred"])
def test_the_widest_list_of_a_binding(strength):
    widest = extension("elementdefinition-maxValueSet", valueCanonical=VALUES["url"])
    binding = {"strength": strength, "extension": [widest]}
    bound = profile("urn:p", {"path": "Patient.maritalStatus", "binding": binding})
    assert errors(marital("b"), bound, VALUES, profiles=["urn:p"]) == []
    assert errors(marital("c"), bound, VALUES, profiles=["urn:p"]) == [("code-invalid", "Patient.maritalStatus")]
    text = errors(marital(), bound, VALUES, profiles=["urn:p"])
    assert text == ([] if strength == "preferred" else [("code-invalid", "Patient.maritalStatus")])


def test_nothing_conforms_to_a_rule_that_cannot_be_read():
    def ruled(expression):
        line = {"key": "x-1", "severity": "error", "human": "x", "expression": expression}
        return profile("urn:p", {"path": "Patient", "constraint": [line]})

    assert errors(patient(), ruled("active.exists("), profiles=["urn:p"]) == [("processing", "Patient")]
    assert errors(patient(), ruled("active.someFunctionOfLater()"), profiles=["urn:p"]) == []


def test_codes_have_single_spaces_and_references_types_that_exist():
    coded = patient(maritalStatus={"coding": [{"system": "http://x.test/c", "code": "a\tb"}]})
    assert errors(coded) == [("value", "Patient.maritalStatus.coding[0].code")]
    assert errors(patient(managingOrganization={"type": "Foo", "display": "x"})) == [
        ("invalid", "Patient.managingOrganization")
    ]
    assert errors(patient(managingOrganization={"type": "http://x.test/Foo", "display": "x"})) == []


SYSTEM = {
    "resourceType": "CodeSystem", "url": "http://x.test/c", "name": "C", "status": "active", "content": "complete",
    "property": [{"code": "inactive", "type": "boolean"}, {"code": "kind", "type": "string"}],
    "concept": [
        {"code": "a1", "property": [{"code": "kind", "valueString": "old"}]}, {"code": "b1"},
        {"code": "b2", "property": [{"code": "inactive", "valueBoolean": True}]},
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("include", "more", "codes"),
    [
        ({}, {}, "a1 b1 b2"),
        ({}, {"inactive": True}, "a1 b1 b2"),
        ({}, {"inactive": False}, "a1 b1"),
        ({"concept": [{"code": "b1"}, {"code": "b2"}]}, {"inactive": False}, "b1"),
        ({"filter": [{"property": "code", "op": "regex", "value": "b[0-9]"}]}, {}, "b1 b2"),
        ({"filter": [{"property": "kind", "op": "regex", "value": "o.*"}]}, {}, "a1"),
        (
            {"filter": [{"property": "code", "op": "regex", "value": "b"}]},
            {},
            "a1 b1 b2",
        ),  # a part or the whole: untold
        ({"filter": [{"property": "code", "op": "regex", "value": "("}]}, {}, "a1 b1 b2"),
    ],
)
def test_lists_by_form_and_without_what_is_out_of_use(include, more, codes):
    listed = {**VALUES, "compose": {**more, "include": [{"system": SYSTEM["url"], **include}]}}
    bound = profile(
        "urn:p", {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": VALUES["url"]}}
    )
    held = [
        line["code"]
        for line in SYSTEM["concept"]
        if not errors(marital(line["code"]), bound, listed, SYSTEM, profiles=["urn:p"])
    ]
    assert held == codes.split()


def test_a_code_without_its_system_is_in_no_list():
    bound = profile(
        "urn:p", {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": VALUES["url"]}}
    )
    lone = patient(maritalStatus={"coding": [{"code": "b"}]})
    assert errors(lone, bound, VALUES, profiles=["urn:p"]) == [("code-invalid", "Patient.maritalStatus")]
    assert errors(marital("b"), bound, VALUES, profiles=["urn:p"]) == []


def test_who_permits_a_string_does_not_permit_a_code():
    url = "http://x.test/e"
    elements = [
        {"path": "Extension.url", "fixedUri": url},
        {"path": "Extension.value[x]", "type": [{"code": "string"}]},
    ]
    known = profile(url, *elements, base="Extension", context=[{"type": "element", "expression": "Patient"}])
    assert errors(patient(extension=[{"url": url, "valueString": "x"}]), known) == []
    assert errors(patient(extension=[{"url": url, "valueCode": "x"}]), known) == [("structure", "Patient.extension[0]")]
    plain = profile("urn:p", {"path": "Patient.id", "type": [{"code": "string"}]})
    assert errors(patient(id="a"), plain, profiles=["urn:p"]) == []
    kinds = profile(
        "urn:p",
        {
            "path": "Patient.extension.value[x]",
            "slicing": {"discriminator": [{"type": "type", "path": "$this"}], "rules": "closed"},
        },
        {"path": "Patient.extension.value[x]", "sliceName": "valueString", "type": [{"code": "string"}]},
    )
    told = [{"url": "http://x.test/free", "valueCode": "x"}]
    assert ("structure", "Patient.extension[0].value.ofType(code)") in errors(
        patient(extension=told), kinds, profiles=["urn:p"]
    )


def defined(*elements):
    lines = [{"id": each["path"], **each} for each in ({"path": "Patient"}, *elements)]
    return profile("http://x.test/p", *lines, name="P", status="active", fhirVersion="4.0.1")


def ruled(path, expression):
    line = {"key": "x-1", "severity": "error", "human": "x", "expression": expression}
    return defined({"path": path, "constraint": [line]})


@pytest.mark.parametrize(
    ("path", "expression", "right"),
    [
        ("Patient.name", "family.exists()", True),
        ("Patient.name", "clan.exists()", False),
        ("Patient.name", "%resource.gender.exists() or clan.exists()", True),
        ("Patient.contact", "name.family.exists()", True),
        ("Patient.contact", "name.clan.exists()", False),
        ("Patient.deceased[x]", "$this is dateTime", True),
        ("Patient.managingOrganization", "resolve().name.exists()", True),
        ("Patient.extension", "value.coding.exists()", True),
    ],
)
def test_a_rule_of_a_profile_names_what_is_there(path, expression, right):
    found = errors(ruled(path, expression))
    assert found == ([] if right else [("invalid", "StructureDefinition.differential.element[1].constraint[0]")])


@pytest.mark.parametrize(("least", "right"), [((1, 1), True), ((1, 2), False), ((0, 2), True)])
def test_slices_demand_together_what_fits(least, right):
    slicing = {"discriminator": [{"type": "value", "path": "system"}], "rules": "open"}
    pieces = [
        {"id": f"Patient.identifier:s{rank}", "path": "Patient.identifier", "sliceName": f"s{rank}", "min": each}
        for rank, each in enumerate(least)
    ]
    found = errors(defined({"path": "Patient.identifier", "slicing": slicing, "max": "2"}, *pieces))
    assert found == ([] if right else [("invalid", "StructureDefinition.differential.element[1]")])
