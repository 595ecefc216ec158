"""Each search parameter of R4 on each type that has it: a resource with a value at its expression is found by that value and by
no other. The resources are built from the definitions, and FHIRPath says that the value is where the parameter looks.
"""

from collections.abc import Iterator
from typing import Any

import pytest

from virage.core.callers import system
from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import composites, paths
from virage.core.fhir.store import Store, space

BY = system("test")
TYPES = sorted(definitions.resource_types())
SHARES = 4

# In R4 but with no element of their own: each has tests of its own, beside.
ELSEWHERE = {"_id", "_lastUpdated", "_text", "_content", "_query", "_list", "_has", "_type", "_filter", "near"}

Made = tuple[Any, str]
"""A value and what it is sought by."""


def token(type_: str, n: int) -> Made:
    coding = {"system": "http://example.org/s", "code": f"c{n}"}
    match type_:
        case "Coding":
            return coding, f"http://example.org/s|c{n}"
        case "CodeableConcept":
            return {"coding": [coding]}, f"http://example.org/s|c{n}"
        case "Identifier":
            return {"system": "http://example.org/s", "value": f"c{n}"}, f"http://example.org/s|c{n}"
        case "ContactPoint":
            return {"system": "other", "value": f"c{n}"}, f"c{n}"
        case "boolean":
            return n == 1, "true" if n == 1 else "false"
        case "integer" | "positiveInt" | "unsignedInt":
            return n, str(n)
    return f"c{n}", f"c{n}"


def date(type_: str, n: int) -> Made:
    day = f"200{n}-03-04"
    match type_:
        case "Period":
            return {"start": day, "end": day}, day
        case "Timing":
            return {"event": [day + "T10:00:00Z"]}, day
        case "dateTime" | "instant":
            return day + "T10:00:00Z", day
        case "string":
            return day, day
    return day, day


def string(type_: str, n: int) -> Made:
    text = f"Éloïse {n}"
    match type_:
        case "HumanName":
            return {"family": text}, f"eloise {n}"
        case "Address":
            return {"city": text}, f"eloise {n}"
        case "CodeableConcept" | "Annotation":
            return {"text": text}, f"eloise {n}"
    return text, f"eloise {n}"


def quantity(type_: str, n: int) -> Made:
    unit = {"system": "http://unitsofmeasure.org", "code": "mg"}
    match type_:
        case "Money":
            return {"value": n, "currency": "EUR"}, f"{n}|urn:iso:std:iso:4217|EUR"
        case "Range":
            return {"low": {"value": n, **unit}, "high": {"value": n, **unit}}, f"{n}|http://unitsofmeasure.org|mg"
        case "SampledData":
            return {"origin": {"value": n, **unit}}, f"{n}|http://unitsofmeasure.org|mg"
        case "integer" | "positiveInt" | "unsignedInt" | "decimal":
            return n, str(n)
    return {"value": n, **unit}, f"{n}|http://unitsofmeasure.org|mg"


def reference(type_: str, n: int, param: SearchParam, asked: str) -> Made:
    if type_ in ("canonical", "uri", "url"):
        return f"http://example.org/{asked or 'x'}/r{n}", f"http://example.org/{asked or 'x'}/r{n}"
    target = asked or next((each for each in param.targets if each in TYPES), "Patient")
    return {"reference": f"{target}/r{n}"}, f"{target}/r{n}"


def value(param: SearchParam, path: paths.Path, n: int) -> Made:
    if path.truth:
        return n == 1, "true" if n == 1 else "false"
    match param.type:
        case "token":
            return token(path.type, n)
        case "date":
            return date(path.type, n)
        case "string":
            return string(path.type, n)
        case "number" | "quantity":
            made, query = quantity(path.type, n)
            return made, query if param.type == "quantity" else str(n)
        case "reference":
            return reference(path.type, n, param, path.steps[-1].target if path.steps else "")
    return f"http://example.org/u{n}", f"http://example.org/u{n}"


def placed(path: paths.Path, held: Any) -> dict[str, Any]:
    """The smallest object that has a value at a path."""
    for step in reversed(path.steps):
        if step.where is not None and isinstance(held, dict):
            held = {**held, step.where[0]: step.where[1]}
        held = {step.name: [held] if step.is_list else held}
    return held


def merged(one: Any, other: Any) -> Any:
    if isinstance(one, dict) and isinstance(other, dict):
        return {**one, **{key: merged(one[key], each) if key in one else each for key, each in other.items()}}
    if isinstance(one, list) and isinstance(other, list) and len(one) == len(other) == 1:
        return [merged(one[0], other[0])]
    return other


# The definition and the expression of each component are crossed in R4 (the target is said to be the code).
CROSSED = {"relationship"}


def composite(type_: str, param: SearchParam, base: paths.Path, n: int) -> Made | None:
    """An element of the composite's base that holds each component, in the first form that the component takes."""
    whole: Any = {}
    asked = []
    root = composites.element_type(type_, base)
    expressions = [each.expression for each in param.components]
    if param.code in CROSSED:
        expressions.reverse()
    for component, expression in zip(param.components, expressions, strict=True):
        follows = definitions.search_parameter_by_url(component.definition)
        assert follows is not None
        outside = expression.startswith("%resource.")
        expression = expression.removeprefix("%resource.")
        found = paths.read(type_, expression, "" if outside or not base.steps else root)
        if not found:
            return None
        made, query = value(follows, found[0], n)
        asked.append(query)
        whole = merged(whole, placed(found[0], made) if outside else placed(base, placed(found[0], made)))
    return whole, "$".join(asked)


def cases(type_: str) -> Iterator[tuple[SearchParam, str, list[Made]]]:
    """For each parameter and each place where it looks: two resources and what each is found by."""
    for param in definitions.search_parameters(type_):
        if param.code in ELSEWHERE:
            continue
        for place, path in enumerate(paths.read(type_, param.expression)):
            name = f"{param.code}-{place}".replace("_", "u.")
            if param.type == "composite":
                pair = [composite(type_, param, path, n) for n in (1, 2)]
                if None not in pair:
                    yield param, name, pair  # type: ignore[misc]
                continue
            if (type_, param.code, path.type) in NOTHING:
                continue
            made = [value(param, path, n) for n in (1, 2)]
            yield param, name, [(placed(path, held), query) for held, query in made]


# Elements that R4's expressions reach but that hold nothing of the parameter's type.
NOTHING = {
    ("CarePlan", "activity-date", "string"),
    ("Immunization", "date", "string"),
    ("Procedure", "date", "Age"),
    ("Procedure", "date", "Range"),
    ("Procedure", "date", "string"),
}


def in_place(type_: str, param: SearchParam, resource: dict[str, Any]) -> bool:
    return bool(fhirpath.compile(param.expression)(resource, resolver=resolved))


def resolved(url: str) -> dict[str, Any]:
    type_, id_ = url.split("/")[-2:]
    return {"resourceType": type_, "id": id_}


@pytest.mark.parametrize("share", range(SHARES))
def test_each_parameter_finds_its_value_and_no_other(db, share):
    store = Store(space("fhir"))
    asked = []
    resources = []
    for type_ in TYPES[share::SHARES]:
        for param, name, pair in cases(type_):
            for n, (body, query) in enumerate(pair, 1):
                resource = {"resourceType": type_, "id": f"{name}-{n}"[-64:], **body}
                if "meta" in body:
                    resource["meta"] = body["meta"]
                assert in_place(type_, param, resource), (type_, param.code, resource)
                resources.append(resource)
                asked.append((type_, param.code, query, resource["id"], f"{name}-{3 - n}"[-64:]))
    assert store.load(resources, by=BY).written == len(resources)
    lost = []
    for type_, code, query, wanted, other in asked:
        page = store.search(type_, [(code, query.replace(",", "\\,"))], count=1000)
        found = {each.id for each in page.matches}
        if wanted not in found or other in found or page.unknown:
            lost.append((type_, code, query, wanted in found, other in found, page.unknown))
    assert not lost, (len(lost), len(asked), lost)
