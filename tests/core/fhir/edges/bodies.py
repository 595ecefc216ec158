"""Sound bodies of every kind that the base reads, to be warped."""

from typing import Any

from tests.core.fhir.router.conftest import observation, patient

_BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/"
_ONE, _TWO = "urn:uuid:5b8a2e3c-0000-4000-8000-000000000001", "urn:uuid:5b8a2e3c-0000-4000-8000-000000000002"


def part(name: str, **value: Any) -> dict[str, Any]:
    return {"name": name, **value}


def patch(*parts: dict[str, Any]) -> dict[str, Any]:
    return {"resourceType": "Parameters", "parameter": [{"name": "operation", "part": list(parts)}]}


PROFILE = {
    "resourceType": "StructureDefinition",
    "id": "sd",
    "url": "urn:edges:sd",
    "name": "Edges",
    "status": "active",
    "kind": "resource",
    "abstract": False,
    "type": "Patient",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "derivation": "constraint",
    "differential": {
        "element": [
            {"id": "Patient", "path": "Patient", "constraint": [
                {"key": "e-1", "severity": "error", "human": "x", "expression": "name.exists()"}]},
            {"id": "Patient.name", "path": "Patient.name", "min": 1, "slicing": {
                "discriminator": [{"type": "value", "path": "use"}], "rules": "open"}},
            {"id": "Patient.name:a", "path": "Patient.name", "sliceName": "a", "patternHumanName": {"use": "official"}},
            {"id": "Patient.gender", "path": "Patient.gender", "binding": {"strength": "required", "valueSet": "urn:edges:vs"}},
            {"id": "Patient.link.other", "path": "Patient.link.other", "type": [
                {"code": "Reference", "targetProfile": ["urn:edges:sd"]}]},
        ]
    },
}  # fmt: skip
VALUE_SET = {
    "resourceType": "ValueSet",
    "id": "vs",
    "url": "urn:edges:vs",
    "status": "active",
    "compose": {
        "include": [
            {"valueSet": ["urn:edges:vs"]},
            {"system": "urn:edges:cs", "filter": [{"property": "concept", "op": "is-a", "value": "a"}]},
            {"system": "urn:edges:cs", "concept": [{"code": "a"}]},
        ],
        "exclude": [{"system": "urn:edges:cs", "concept": [{"code": "b"}]}],
    },
}
CODE_SYSTEM = {
    "resourceType": "CodeSystem",
    "id": "cs",
    "url": "urn:edges:cs",
    "status": "active",
    "content": "complete",
    "concept": [{"code": "a", "concept": [{"code": "b", "property": [{"code": "parent", "valueCode": "a"}]}]}],
}
SUBSCRIPTION = {
    "resourceType": "Subscription",
    "id": "s",
    "status": "requested",
    "reason": "x",
    "criteria": "Observation?code=x",
    "_criteria": {"extension": [{"url": _BACKPORT + "backport-filter-criteria", "valueString": "Observation?code=x"}]},
    "channel": {"type": "rest-hook", "endpoint": "https://93.184.216.34/x", "header": ["A: b"]},
}
PARAMETER = {
    "resourceType": "SearchParameter",
    "id": "sp",
    "url": "urn:edges:sp",
    "name": "edges",
    "status": "active",
    "description": "x",
    "code": "edges",
    "base": ["Patient"],
    "type": "token",
    "expression": "Patient.name.given",
}
ANSWERS = {
    "resourceType": "QuestionnaireResponse",
    "id": "qr",
    "status": "completed",
    "item": [{"linkId": "1", "item": [{"linkId": "2", "answer": [{"valueInteger": 3}]}]}],
}
TRANSACTION = {
    "resourceType": "Bundle",
    "type": "transaction",
    "entry": [
        {
            "fullUrl": _ONE,
            "request": {"method": "POST", "url": "Patient", "ifNoneExist": "identifier=urn:s|9"},
            "resource": patient(),
        },
        {"request": {"method": "PUT", "url": "Patient/p", "ifMatch": 'W/"1"'}, "resource": patient(id="p")},
        {"request": {"method": "GET", "url": "Patient?name=x"}},
        {"request": {"method": "DELETE", "url": "Patient?identifier=urn:s|7"}},
        {"fullUrl": _TWO, "request": {"method": "POST", "url": "Observation"}, "resource": observation(_ONE)},
        {
            "request": {"method": "PATCH", "url": "Observation/o"},
            "resource": patch(part("type", valueCode="delete"), part("path", valueString="Observation.value")),
        },
    ],
}
RESOURCES: list[dict[str, Any]] = [
    *[PROFILE, VALUE_SET, CODE_SYSTEM, SUBSCRIPTION, PARAMETER, ANSWERS],
    *[patient(id="p"), observation("Patient/p", id="o"), {**TRANSACTION, "id": "b"}],
]
PATCHES = [
    patch(part("type", valueCode="add"), part("path", valueString="Patient"), part("name", valueString="birthDate"),
          part("value", valueDate="2001-02-03")),
    patch(part("type", valueCode="insert"), part("path", valueString="Patient.name"), part("index", valueInteger=0),
          part("value", part=[part("family", valueString="x")])),
    patch(part("type", valueCode="move"), part("path", valueString="Patient.name"), part("source", valueInteger=0),
          part("destination", valueInteger=0)),
    patch(part("type", valueCode="replace"), part("path", valueString="Patient.gender"), part("value", valueCode="male")),
]  # fmt: skip
JSON_PATCHES = [
    [{"op": "add", "path": "/birthDate", "value": "2001-02-03"}, {"op": "test", "path": "/gender", "value": "female"}],
    [{"op": "move", "from": "/name/0/given", "path": "/name/0/suffix"}, {"op": "remove", "path": "/gender"}],
    [{"op": "copy", "from": "/name/0", "path": "/name/-"}, {"op": "replace", "path": "/name/1/family", "value": "x"}],
]
