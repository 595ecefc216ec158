"""Profiles: each kind of constraint found broken at its place, and hostile profiles ended."""

import io
import json
import tarfile

import pytest

from tests.bounds import bounded
from virage.core.fhir import validation
from virage.core.fhir.validation import BadPackage, Options, Registry

HL7 = "http://hl7.org/fhir/StructureDefinition/"
MRN = "urn:oid:1.2.3"


def profile(url, *elements, base="Patient", **more):
    return {
        "resourceType": "StructureDefinition", "url": url, "type": base, "kind": "resource", "abstract": False,
        "derivation": "constraint", "baseDefinition": HL7 + base, "differential": {"element": list(elements)}, **more,
    }  # fmt: skip


def errors(resource, *profiles, **options):
    registry = Registry(profiles)
    found = validation.validate(
        resource, profiles=[profiles[0]["url"]], registry=registry, options=Options(**options) if options else None
    )
    return [(each.code, each.path) for each in found if each.severity == "error"]


def patient(**more):
    return {"resourceType": "Patient", "id": "p", **more}


@pytest.mark.parametrize(
    ("element", "resource", "expected"),
    [
        ({"path": "Patient.birthDate", "min": 1}, patient(), [("required", "Patient")]),
        ({"path": "Patient.name", "max": "1"}, patient(name=[{"text": "a"}, {"text": "b"}]), [("structure", "Patient")]),
        ({"path": "Patient.photo", "max": "0"}, patient(photo=[{"title": "x"}]), [("structure", "Patient")]),
        ({"path": "Patient.gender", "fixedCode": "female"}, patient(gender="male"), [("value", "Patient.gender")]),
        ({"path": "Patient.gender", "fixedCode": "female"}, patient(gender="female"), []),
        (
            {"path": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            patient(maritalStatus={"coding": [{"code": "S"}]}),
            [("value", "Patient.maritalStatus.coding")],
        ),
        (
            {"path": "Patient.maritalStatus", "patternCodeableConcept": {"coding": [{"code": "M"}]}},
            patient(maritalStatus={"coding": [{"code": "M", "system": "urn:x"}], "text": "x"}),
            [],
        ),
        (
            {"path": "Patient.deceased[x]", "type": [{"code": "dateTime"}]},
            patient(deceasedBoolean=True),
            [("structure", "Patient.deceased.ofType(boolean)")],
        ),
        ({"path": "Patient.deceasedBoolean", "fixedBoolean": False}, patient(deceasedBoolean=True), [("value", "Patient.deceased.ofType(boolean)")]),
        ({"path": "Patient.name.family", "maxLength": 3}, patient(name=[{"family": "abcd"}]), [("too-long", "Patient.name[0].family")]),
        ({"path": "Patient.multipleBirthInteger", "maxValueInteger": 3}, patient(multipleBirthInteger=4), [("value", "Patient.multipleBirth.ofType(integer)")]),
        (
            {"path": "Patient.contact", "constraint": [{"key": "k", "severity": "error", "expression": "name.exists()"}]},
            patient(contact=[{"gender": "male"}]),
            [("invariant", "Patient.contact[0]"), ("invariant", "Patient.contact[0]")],
        ),
        (
            {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "http://hl7.org/fhir/ValueSet/marital-status"}},
            patient(maritalStatus={"coding": [{"system": "urn:x", "code": "M"}]}),
            [("code-invalid", "Patient.maritalStatus")],
        ),
        (
            {"path": "Patient.managingOrganization", "type": [{"code": "Reference", "targetProfile": [HL7 + "Location"]}]},
            patient(managingOrganization={"reference": "Organization/1"}),
            [("structure", "Patient.managingOrganization")],
        ),
    ],
)  # fmt: skip
def test_each_constraint(element, resource, expected):
    assert errors(resource, profile("urn:p", element)) == expected


def sliced(kind, path, *slices, rules="open", ordered=False):
    return [
        {"path": "Patient.identifier", "slicing": {"discriminator": [{"type": kind, "path": path}], "rules": rules, "ordered": ordered}},
        *slices,
    ]  # fmt: skip


def test_slices_by_value():
    definition = profile(
        "urn:p",
        *sliced(
            "value",
            "system",
            {"path": "Patient.identifier", "sliceName": "mrn", "min": 1, "max": "1"},
            {"path": "Patient.identifier.system", "fixedUri": MRN},
            {"path": "Patient.identifier.value", "min": 1},
            rules="closed",
        ),
    )
    good = {"system": MRN, "value": "1"}
    assert errors(patient(identifier=[good]), definition) == []
    assert errors(patient(), definition) == [("required", "Patient")]
    assert errors(patient(identifier=[good, good]), definition) == [("structure", "Patient")]
    assert errors(patient(identifier=[{"system": MRN}]), definition) == [("required", "Patient.identifier[0]")]
    assert errors(patient(identifier=[good, {"system": "urn:x"}]), definition) == [
        ("structure", "Patient.identifier[1]")
    ]


def test_slices_by_pattern_exists_and_order():
    kinds = [{"path": "Patient.identifier", "sliceName": name, "max": "1"} for name in ("a", "b")]
    patterns = [
        {"path": "Patient.identifier.type", "min": 1, "patternCodeableConcept": {"coding": [{"code": code}]}}
        for code in "AB"
    ]
    definition = profile(
        "urn:p", *sliced("pattern", "type", kinds[0], patterns[0], kinds[1], patterns[1], ordered=True)
    )
    one, two = ({"type": {"coding": [{"code": code, "system": "urn:x"}]}} for code in "AB")
    assert errors(patient(identifier=[one, two]), definition) == []
    assert errors(patient(identifier=[two, one]), definition) == [("structure", "Patient.identifier[1]")]
    assert errors(patient(identifier=[one, one]), definition) == [("structure", "Patient")]
    present = profile(
        "urn:p",
        *sliced(
            "exists",
            "period",
            {"path": "Patient.identifier", "sliceName": "old", "max": "0"},
            {"path": "Patient.identifier.period", "min": 1},
        ),
    )
    assert errors(patient(identifier=[{"value": "1"}]), present) == []
    assert errors(patient(identifier=[{"value": "1", "period": {"end": "2000"}}]), present) == [
        ("structure", "Patient")
    ]


def test_slices_by_type_of_resource():
    definition = profile(
        "urn:p",
        {
            "path": "Bundle.entry",
            "slicing": {"discriminator": [{"type": "type", "path": "resource"}], "rules": "closed"},
        },
        {"path": "Bundle.entry", "sliceName": "patient", "min": 1, "max": "1"},
        {"path": "Bundle.entry.resource", "min": 1, "type": [{"code": "Patient"}]},
        base="Bundle",
    )
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": [{"fullUrl": "urn:x:1", "resource": patient()}]}
    assert errors(bundle, definition) == []
    bundle["entry"].append({"fullUrl": "urn:x:2", "resource": {"resourceType": "Basic", "code": {"text": "x"}}})
    assert errors(bundle, definition) == [("structure", "Bundle.entry[1]")]


def test_a_profile_of_a_profile_adds_to_it():
    first = profile(
        "urn:a",
        *sliced(
            "value",
            "system",
            {"path": "Patient.identifier", "sliceName": "mrn"},
            {"path": "Patient.identifier.system", "fixedUri": MRN},
        ),
    )
    second = profile(
        "urn:b", {"path": "Patient.identifier", "sliceName": "mrn", "min": 1}, {"path": "Patient.active", "min": 1}
    )
    second["baseDefinition"] = "urn:a"
    assert errors(patient(), second, first) == [("required", "Patient"), ("required", "Patient")]
    assert errors(patient(active=True, identifier=[{"system": MRN}]), second, first) == []


def extension(url, *contexts, modifier=False):
    return {
        "resourceType": "StructureDefinition", "url": url, "type": "Extension", "kind": "complex-type", "abstract": False,
        "derivation": "constraint", "baseDefinition": HL7 + "Extension",
        "context": [{"type": kind, "expression": expression} for kind, expression in contexts],
        "differential": {"element": [
            {"path": "Extension", "isModifier": modifier},
            {"path": "Extension.url", "fixedUri": url},
            {"path": "Extension.value[x]", "min": 1, "type": [{"code": "boolean"}]},
        ]},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("resource", "expected"),
    [
        (patient(extension=[{"url": "http://x.test/e", "valueBoolean": True}]), []),
        (patient(extension=[{"url": "http://x.test/e", "valueString": "x"}]), [("structure", "Patient.extension[0]")]),
        (patient(name=[{"extension": [{"url": "http://x.test/e", "valueBoolean": True}]}]), [("extension", "Patient.name[0]")]),
        (patient(modifierExtension=[{"url": "http://x.test/e", "valueBoolean": True}]), [("extension", "Patient.modifierExtension[0]")]),
        (patient(modifierExtension=[{"url": "http://x.test/unknown", "valueBoolean": True}]), [("extension", "Patient.modifierExtension[0]")]),
        (patient(extension=[{"url": "relative", "valueBoolean": True}]), [("extension", "Patient.extension[0]")]),
    ],
)  # fmt: skip
def test_extensions(resource, expected):
    registry = Registry([extension("http://x.test/e", ("element", "Patient"))])
    found = validation.validate(resource, registry=registry)
    assert [(each.code, each.path) for each in found if each.severity == "error"] == expected


def test_profiles_named_in_meta_are_checked_and_unknown_ones_said():
    registry = Registry([profile("urn:p", {"path": "Patient.active", "min": 1})])
    found = validation.validate(patient(meta={"profile": ["urn:p", "urn:unknown"]}), registry=registry)
    assert [(each.code, each.severity) for each in found if each.code != "invariant"] == [
        ("required", "error"),
        ("not-found", "warning"),
    ]


def test_versions_stand_side_by_side():
    registry = Registry([
        profile("urn:p", {"path": "Patient.active", "min": 1}, version="1.9.0"),
        profile("urn:p", {"path": "Patient.gender", "fixedCode": "male"}, version="1.10.0"),
    ])  # fmt: skip
    first = validation.validate(patient(gender="female"), profiles=["urn:p|1.9.0"], registry=registry)
    second = validation.validate(patient(gender="female"), profiles=["urn:p|1.10.0"], registry=registry)
    latest = validation.validate(patient(gender="female"), profiles=["urn:p"], registry=registry)
    assert [each.code for each in first if each.severity == "error"] == ["required"]
    assert [each.code for each in second if each.severity == "error"] == ["value"]
    assert [each.path for each in latest] == [each.path for each in second]


def package(files):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name, content in files.items():
            data = json.dumps(content).encode()
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_packages_are_loaded():
    registry = Registry()
    data = package({
        "package/package.json": {"name": "x"},
        "package/StructureDefinition-p.json": profile("urn:p", {"path": "Patient.active", "min": 1}, version="1"),
        "package/example/Patient-x.json": patient(),
        "../outside.json": profile("urn:q"),
    })  # fmt: skip
    assert registry.load_package(data) == 1
    assert registry.structure("urn:p|1")
    assert registry.structure("urn:q") is None


@pytest.mark.parametrize(
    "data", [b"", b"not a package", package({"package/x.json": [1]})[:60]], ids=["empty", "text", "cut"]
)
def test_what_is_not_a_package_is_refused(data):
    with pytest.raises(BadPackage):
        Registry().load_package(data)


def test_the_package_of_extensions_loads(shared_data):
    registry = Registry()
    path = shared_data / "fhir-r4-definitions" / "hl7.fhir.uv.extensions.r4-5.2.0.tgz"
    assert registry.load_package(path) > 500
    assert registry.structure(HL7 + "patient-birthPlace|5.2.0")


def test_circles_end():
    one = profile("urn:a", {"path": "Patient.active", "min": 1}, baseDefinition="urn:b")
    other = profile("urn:b", baseDefinition="urn:a")
    for each in (one, other):
        each["differential"]["element"] = [{"path": "Patient.active", "min": 1}]
    assert errors(patient(), one, other) == [("not-found", "Patient")]
    linked = profile(
        "urn:p",
        {"path": "Patient.link.other", "type": [{"code": "Reference", "targetProfile": ["urn:p"]}]},
        {"path": "Patient.gender", "fixedCode": "other"},
    )
    bundle = {"resourceType": "Bundle", "type": "collection", "entry": []}
    for ident, target in (("1", "2"), ("2", "1")):
        content = patient(
            gender="other",
            link=[{"other": {"reference": f"urn:uuid:0000000{target}-0000-0000-0000-000000000000"}, "type": "seealso"}],
            meta={"profile": ["urn:p"]},
        )
        bundle["entry"].append(
            {"fullUrl": f"urn:uuid:0000000{ident}-0000-0000-0000-000000000000", "resource": {**content, "id": ident}}
        )
    assert [each for each in validation.validate(bundle, registry=Registry([linked])) if each.severity == "error"] == []
    bundle["entry"][1]["resource"]["gender"] = "male"
    found = validation.validate(bundle, registry=Registry([linked]))
    assert "Bundle.entry[1].resource.gender" in {each.path for each in found if each.severity == "error"}


def test_a_value_set_that_includes_itself_ends():
    loop = {
        "resourceType": "ValueSet",
        "url": "urn:v",
        "compose": {"include": [{"valueSet": ["urn:v"]}, {"system": "urn:s", "concept": [{"code": "x"}]}]},
    }
    bound = profile(
        "urn:p", {"path": "Patient.maritalStatus", "binding": {"strength": "required", "valueSet": "urn:v"}}
    )
    assert errors(patient(maritalStatus={"coding": [{"system": "urn:s", "code": "x"}]}), bound, loop) == []
    assert errors(patient(maritalStatus={"coding": [{"system": "urn:s", "code": "y"}]}), bound, loop) == [
        ("code-invalid", "Patient.maritalStatus")
    ]


def test_large_arrays_end():
    definition = profile(
        "urn:p",
        *sliced(
            "value",
            "system",
            {"path": "Patient.identifier", "sliceName": "mrn"},
            {"path": "Patient.identifier.system", "fixedUri": MRN},
        ),
    )
    with bounded():
        found = validation.validate(
            patient(identifier=[{"system": "urn:x"}] * 1_000_000), profiles=["urn:p"], registry=Registry([definition])
        )
    assert found[-1].code == "too-costly"


@pytest.mark.parametrize(
    "broken", [{}, {"path": 3}, {"path": "Patient.x.y.z", "min": "one"}, {"path": "Patient.name", "type": "x"}]
)
def test_broken_profiles_are_said_not_raised(broken):
    assert [code for code, _ in errors(patient(name=[{"text": "x"}]), profile("urn:p", broken))] in ([], ["not-found"])


def test_questionnaire_responses():
    questionnaire = {
        "resourceType": "Questionnaire", "url": "urn:q", "status": "active",
        "item": [
            {"linkId": "1", "type": "boolean", "required": True},
            {"linkId": "2", "type": "integer", "enableWhen": [{"question": "1", "operator": "=", "answerBoolean": True}]},
            {"linkId": "3", "type": "choice", "answerOption": [{"valueCoding": {"system": "urn:s", "code": "a"}}]},
        ],
    }  # fmt: skip

    def respond(*items):
        response = {
            "resourceType": "QuestionnaireResponse",
            "questionnaire": "urn:q",
            "status": "completed",
            "item": list(items),
        }
        found = validation.validate(response, registry=Registry([questionnaire]))
        return [(each.code, each.path) for each in found if each.severity == "error"]

    yes, no = ({"linkId": "1", "answer": [{"valueBoolean": value}]} for value in (True, False))
    two = {"linkId": "2", "answer": [{"valueInteger": 3}]}
    assert respond(yes, two) == []
    assert respond(no) == []
    assert respond(no, two) == [("invalid", "QuestionnaireResponse.item[1]")]
    assert respond(two) == [("required", "QuestionnaireResponse"), ("invalid", "QuestionnaireResponse.item[0]")]
    assert respond(yes, {"linkId": "9"}) == [("not-found", "QuestionnaireResponse")]
    assert respond(yes, {"linkId": "2", "answer": [{"valueString": "x"}]}) == [
        ("structure", "QuestionnaireResponse.item[1].answer[0].value.ofType(string)")
    ]
    assert respond(yes, {"linkId": "3", "answer": [{"valueCoding": {"system": "urn:s", "code": "z"}}]}) == [
        ("code-invalid", "QuestionnaireResponse.item[1].answer[0].value.ofType(Coding)")
    ]


def test_bundles():
    def check(kind, *entries):
        bundle = {"resourceType": "Bundle", "type": kind, "entry": list(entries)}
        return [(each.code, each.path) for each in validation.validate(bundle) if each.severity == "error"]

    one = {"fullUrl": "http://x.test/Patient/p", "resource": patient()}
    assert check("collection", one) == []
    assert check("collection", one, one) == [("invariant", "Bundle"), ("duplicate", "Bundle.entry[1]")]
    assert check("collection", {"fullUrl": "http://x.test/Patient/other", "resource": patient()}) == [
        ("invalid", "Bundle.entry[0]")
    ]
    assert ("invalid", "Bundle.entry[0]") in check("document", one)


def test_many_warnings_do_not_hide_an_error():
    entries = [
        {
            "fullUrl": f"http://x.test/Basic/{n}",
            "resource": {
                "resourceType": "Basic",
                "id": str(n),
                "code": {"text": "x"},
                "meta": {"profile": [f"urn:x:{n}"]},
            },
        }
        for n in range(700)
    ]
    entries.append(
        {
            "fullUrl": "urn:uuid:0c3151bd-1cbf-4d64-b04d-cd9187a4c6e0",
            "resource": patient(
                link=[{"other": {"reference": "Patient/1"}, "type": "seealso"}], contact=[{"gender": "male"}]
            ),
        }
    )
    found = validation.validate({"resourceType": "Bundle", "type": "collection", "entry": entries})
    assert [each.path for each in found if each.severity == "error"] == ["Bundle.entry[700].resource.contact[0]"]


def test_a_dear_invariant_of_a_profile_is_stopped():
    nested = "repeat(%resource.descendants())" * 1
    dear = f"descendants().select(%resource.descendants().select(%resource.descendants().select({nested}))).count() > 0"
    definition = profile(
        "urn:p", {"path": "Patient", "constraint": [{"key": "dear-1", "severity": "error", "expression": dear}]}
    )
    with bounded():
        found = validation.validate(
            patient(name=[{"given": ["a"] * 200}]), profiles=["urn:p"], registry=Registry([definition])
        )
    assert [each.code for each in found] == ["processing"]
