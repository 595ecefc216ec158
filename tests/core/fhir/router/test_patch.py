"""The official suites of the three patches, with a floor that only rises."""

import json as stdlib_json
from pathlib import Path

import pytest
from lxml import etree

from virage.core.errors import VirageError
from virage.core.fhir import patch, xml
from virage.core.fhir.patch import json_patch, xml_patch
from virage.core.fhir.request import FhirRequest

RATCHET = Path(__file__).resolve().parents[3] / "conformity" / "ratchet.json"
FHIR = "{http://hl7.org/fhir}"


def floor(name: str) -> int:
    return stdlib_json.loads(RATCHET.read_text())[name]


def cases(path: Path) -> list[etree._Element]:
    return list(etree.parse(path).getroot().iter("case"))


def run_json(case: dict) -> bool:
    try:
        patched = json_patch.apply(case["doc"], json_patch.parse(case["patch"]))
    except VirageError:
        return "error" in case
    return "error" not in case and patched == case.get("expected", patched)


def test_json_patch_suite(shared_data):
    given = stdlib_json.loads((shared_data / "fhir-patch" / "json-patch-tests.json").read_text())
    failed = [case["comment"] for case in given if not run_json(case)]
    assert len(given) - len(failed) >= floor("patch.json"), failed


def canonical(node) -> bytes:
    """White space between elements does not count; that of texts does."""
    copied = etree.fromstring(etree.tostring(node))
    for each in copied.iter():
        if not (each.text or "").strip() and isinstance(each.tag, str):
            each.text = None
        if not (each.tail or "").strip():
            each.tail = None
    return etree.tostring(copied, method="c14n")


def run_xml(case) -> bool:
    target, patched, error = case.find("target"), case.find("patched"), case.find("error")
    document = next((node for node in target if isinstance(node.tag, str)), None)
    if document is None:
        return error is not None  # no document, no patch: the reader refuses before
    document.tail = None
    try:
        found = xml_patch.apply(document, case.find(f"{FHIR}patch"))
    except VirageError:
        return error is not None
    wished = next((node for node in patched if isinstance(node.tag, str)), None) if patched is not None else None
    if wished is not None:
        wished.tail = None
    return wished is not None and canonical(found) == canonical(wished)


def test_xml_patch_suite(shared_data):
    given = cases(shared_data / "fhir-patch" / "xml-patch-tests.xml")
    failed = [case.get("name") for case in given if not run_xml(case)]
    assert len(given) - len(failed) >= floor("patch.xml"), failed


def resource_of(node):
    return xml.loads(etree.tostring(next(iter(node))))


def run_fhirpath(case) -> bool:
    request = FhirRequest("PATCH", "Patient/x", parsed=resource_of(case.find("diff")))
    return patch.parse(request)(resource_of(case.find("input"))) == resource_of(case.find("output"))


def test_fhirpath_patch_suite(shared_data):
    given = cases(shared_data / "fhir-patch" / "fhir-patch-tests-part.xml")
    failed = [case.get("name") for case in given if not run_fhirpath(case)]
    assert len(given) - len(failed) >= floor("patch.fhirpath"), failed


PATIENT = {
    "resourceType": "Patient",
    "id": "p",
    "name": [{"family": "Source", "given": ["Anne", "Lise"]}],
    "contact": [{"name": {"text": "a"}}, {"name": {"text": "b"}}],
    "deceasedBoolean": False,
    "birthDate": "1950-01-01",
    "_birthDate": {"id": "b"},
}


def part(name, **value):
    return {"name": name, **value}


def operation(type, path, *more):
    parts = [part("type", valueCode=type), part("path", valueString=path), *more]
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": parts}]}


def patched(parameters, resource=PATIENT):
    return patch.parse(FhirRequest("PATCH", "Patient/p", parsed=parameters))(resource)


def test_a_primitive_goes_with_its_extension():
    result = patched(operation("delete", "Patient.birthDate"))
    assert "birthDate" not in result
    assert "_birthDate" not in result
    assert PATIENT["_birthDate"] == {"id": "b"}


def test_a_choice_changes_its_type():
    result = patched(operation("replace", "Patient.deceased", part("value", valueDateTime="2020-01-01")))
    assert result["deceasedDateTime"] == "2020-01-01"
    assert "deceasedBoolean" not in result


def test_a_backbone_element_is_built_from_parts():
    value = {"name": "value", "part": [part("name", valueHumanName={"text": "c"}), part("gender", valueCode="male")]}
    result = patched(operation("add", "Patient", part("name", valueString="contact"), value))
    assert result["contact"][-1] == {"name": {"text": "c"}, "gender": "male"}


def test_insert_among_primitives():
    insert = operation(
        "insert", "Patient.name[0].given", part("index", valueInteger=1), part("value", valueString="Eve")
    )
    assert patched(insert)["name"][0]["given"] == ["Anne", "Eve", "Lise"]


def test_what_a_deletion_empties_goes_too():
    result = patched(operation("delete", "Patient.contact[1].name.text"))
    assert result["contact"] == [{"name": {"text": "a"}}]


@pytest.mark.parametrize(
    ("parameters", "status"),
    [
        ({"resourceType": "Patient"}, 400),
        (operation("rename", "Patient"), 400),
        (operation("add", "Patient", part("name", valueString="birthDate")), 400),
        (operation("insert", "Patient.name", part("index", valueInteger=-1), part("value", valueString="x")), 400),
        (operation("replace", "Patient.nothing", part("value", valueString="x")), 422),
        (operation("replace", "Patient.contact", part("value", valueString="x")), 422),
        (operation("delete", "Patient.contact"), 422),
        (operation("delete", "Patient"), 422),
        (operation("add", "Patient", part("name", valueString="birthDate"), part("value", valueDate="2000")), 422),
        (operation("replace", "Patient.deceased", part("value", valueQuantity={"value": 1})), 422),
        (
            operation("move", "Patient.contact", part("source", valueInteger=5), part("destination", valueInteger=0)),
            422,
        ),
    ],
)
def test_a_patch_that_makes_no_sense_is_refused(parameters, status):
    with pytest.raises(VirageError) as refusal:
        patched(parameters)
    assert refusal.value.status == status


@pytest.mark.parametrize(
    ("operations", "status"),
    [
        ({}, 400),
        (["x"], 400),
        ([{"op": "replace", "path": "/x"}], 400),
        ([{"op": "fly", "path": "/x"}], 400),
        ([{"op": "remove", "path": "x"}], 400),
        ([{"op": "remove", "path": "/nothing"}], 422),
        ([{"op": "test", "path": "/birthDate", "value": "1"}], 422),
        ([{"op": "replace", "path": "", "value": []}], 422),
    ],
)
def test_a_json_patch_that_makes_no_sense_is_refused(operations, status):
    with pytest.raises(VirageError) as refusal:
        json_patch.apply(PATIENT, json_patch.parse(operations))
    assert refusal.value.status == status


def test_a_patch_that_doubles_at_each_step_is_stopped():
    grow = [{"op": "add", "path": "/a", "value": ["x" * 100_000]}]
    grow += [{"op": "copy", "from": "/a", "path": "/a/-"}] * 40
    with pytest.raises(patch.PatchFailed):
        json_patch.apply(PATIENT, json_patch.parse(grow))


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE p [<!ENTITY a "b">]><p xmlns="http://hl7.org/fhir"><remove sel="a"/></p>',
        b"<p",
        b"",
    ],
)
def test_an_xml_patch_with_a_dtd_or_no_form_is_refused(body):
    with pytest.raises(patch.MalformedPatch):
        xml_patch.parse(body)


def test_selectors_call_no_costly_function():
    root = etree.fromstring("<doc/>")
    change = etree.fromstring('<p><remove sel="doc[count(//*) > 1]"/></p>')
    with pytest.raises(patch.MalformedPatch):
        xml_patch.apply(root, change)
