"""Where a fault is told and in which turn, and what a profile or a definition is held against."""

import pytest

from tests.core.fhir.validation.test_profiles import profile, sliced
from tests.core.fhir.validation.test_rules import TEXT, errors, extension, patient


def entry(resource, number=1):
    return {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-00000000000{number}", "resource": resource}


def bundle(*entries, kind="collection", **more):
    return {"resourceType": "Bundle", "type": kind, "entry": list(entries), **more}


def test_rules_of_a_type_come_after_what_is_below_and_those_of_an_element_before():
    lone = patient(contact=[{"gender": "none"}])  # pat-1 is a rule of Patient.contact
    assert errors(lone) == [("invariant", "Patient.contact[0]"), ("code-invalid", "Patient.contact[0].gender")]
    told = patient(telecom=[{"value": "1", "use": "none"}])  # cpt-2 is a rule of ContactPoint
    assert errors(told) == [("code-invalid", "Patient.telecom[0].use"), ("invariant", "Patient.telecom[0]")]


def test_a_profile_not_for_bundles_is_held_against_the_first_entry():
    named = profile("urn:p", {"path": "Patient.birthDate", "min": 1})
    assert errors(bundle(entry(patient()), entry(patient(), 2)), named, profiles=["urn:p"]) == [
        ("required", "Bundle.entry[0].resource")
    ]
    assert errors(bundle(entry(patient(birthDate="2000"))), named, profiles=["urn:p"]) == []
    basic = {"resourceType": "Basic", "code": {"text": "x"}}
    assert [path for _, path in errors(bundle(entry(basic)), named, profiles=["urn:p"])] == ["Bundle"]
    assert [path for _, path in errors(bundle(), named, profiles=["urn:p"])][-1:] == ["Bundle"]


def slices(*values, **more):
    return sliced(
        "value",
        "use",
        *(
            each
            for name, value in values
            for each in (
                {"path": "Patient.identifier", "sliceName": name},
                {"path": "Patient.identifier.use", "min": 1, "fixedCode": value},
            )
        ),
        **more,
    )


def test_an_element_is_in_one_slice():
    twice = profile("urn:p", *slices(("a", "usual"), ("b", "usual"), ("c", "old")))
    right, wrong = {"use": "old", "value": "1"}, {"use": "usual", "value": "1"}
    assert errors(patient(identifier=[right]), twice, profiles=["urn:p"]) == []
    assert errors(patient(identifier=[right, wrong]), twice, profiles=["urn:p"]) == [
        ("structure", "Patient.identifier[1]")
    ]


def test_the_one_out_of_order_is_told():
    ordered = profile("urn:p", *slices(("a", "usual"), ("b", "official"), ("c", "old"), ordered=True))
    a, b, c = ({"use": use, "value": "1"} for use in ("usual", "official", "old"))
    assert errors(patient(identifier=[a, a, c]), ordered, profiles=["urn:p"]) == []
    assert errors(patient(identifier=[a, c, b, a]), ordered, profiles=["urn:p"]) == [
        ("structure", "Patient.identifier[2]"),
        ("structure", "Patient.identifier[3]"),
    ]


def held(ident, *targets):
    links = [{"other": {"reference": target}, "type": "seealso"} for target in targets]
    return patient(id=ident, **({"link": links} if links else {}))


@pytest.mark.parametrize(
    ("contained", "lost"),
    [
        ([held("a")], []),
        ([held("a", "#b"), held("b")], []),
        ([held("b"), held("a", "#b")], []),
        ([held("a"), held("b")], [1]),
        ([held("a"), held("b", "#c"), held("c", "#b")], [1, 2]),
        ([held("a"), held("b", "#")], []),
        ([held("a"), held("b", "#", "#c"), held("c")], []),
    ],
)
def test_contained_resources_are_reached_from_their_holder(contained, lost):
    resource = patient(contained=contained, link=[{"other": {"reference": "#a"}, "type": "seealso"}])
    assert errors(resource) == [("invariant", f"Patient.contained[{index}]") for index in lost]


def test_an_extension_of_a_later_package_is_only_told():
    assert errors(patient(extension=[extension("textLink", valueString="x")])) == []
    assert errors(patient(extension=[extension("noSuchOne", valueString="x")])) == [
        ("extension", "Patient.extension[0]")
    ]


def obliging(url, flag=True, base="Patient"):
    flags = [extension("obligation-profile-flag", valueBoolean=True)] if flag else []
    return profile(url, base=base, extension=flags)


@pytest.mark.parametrize(
    ("target", "right"),
    [("urn:duty", True), ("urn:plain", False), ("urn:other", False), ("urn:nowhere", False)],
)
def test_obligations_are_inherited_from_profiles_of_obligations(target, right):
    mine = profile("urn:mine", name="Mine", status="active", fhirVersion="4.0.1", text=TEXT,
                   extension=[extension("inherit-obligations", valueCanonical=target)])  # fmt: skip
    known = (obliging("urn:duty"), obliging("urn:plain", flag=False), obliging("urn:other", base="Observation"))
    mine["differential"]["element"] = [{"id": "Patient", "path": "Patient"}]
    assert errors(mine, *known) == ([] if right else [("invalid", "StructureDefinition.extension[0]")])


def parameter(expression, *base):
    return {
        "resourceType": "SearchParameter", "url": "http://x.test/s", "name": "S", "status": "active", "code": "s",
        "description": "x", "base": list(base or ("Patient",)), "type": "token", "expression": expression,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("expression", "right"),
    [
        ("Patient.name.family", True),
        ("Patient.deceased.exists() and Patient.deceased != false", True),
        ("(Patient.contact.telecom.where(system = 'phone'))", True),
        ("Patient.name.clan", False),
        ("Patient.name | Patient.naem", False),
        ("Patient.where(name.exists())", True),
    ],
)
def test_the_expression_of_a_search_parameter_names_what_exists(expression, right):
    assert errors(parameter(expression)) == ([] if right else [("invalid", "SearchParameter.expression")])


def test_a_property_of_concepts_has_an_address_that_exists():
    def system(code):
        address = "http://hl7.org/fhir/concept-properties#" + code
        return {
            "resourceType": "CodeSystem", "url": "http://x.test/c", "name": "C", "status": "active", "content": "complete",
            "property": [{"code": code, "type": "code", "uri": address}], "concept": [{"code": "a"}],
        }  # fmt: skip

    assert errors(system("status")) == []
    assert errors(system("colour")) == [("invalid", "CodeSystem.property[0]")]
