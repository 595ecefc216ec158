"""`$fhirpath`: an expression on a resource, Parameters in and out.

In: `expression` (valueString), `resource` (optional), `variables` (parts, each a `%` variable). Out: one `result` for each
result, in order: its value in `value[x]`, a resource in `resource`, another complex value in a part `value`; its type in
the part `type`, its place in the resource in the part `path`.
"""

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from virage.core.errors import Invalid
from virage.core.fhir import definitions
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import GUEST_STEPS
from virage.core.fhir.fhirpath.expression import compile
from virage.core.fhir.fhirpath.functions.navigation import nodes_below
from virage.core.fhir.fhirpath.model import resource_type
from virage.core.fhir.fhirpath.values import Node, described, plain

# A result can be written many times larger than the resource it comes from.
MAX_RESULTS = 10_000


def evaluate_operation(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The answer to `$fhirpath`. Invalid for Parameters that lack something, FhirPathError for a wrong expression."""
    expression = ""
    resource: Mapping[str, Any] | None = None
    variables: dict[str, Any] = {}
    for each in _parameters(parameters):
        name = each.get("name")
        if name == "expression":
            expression = each.get("valueString") or ""
        elif name == "resource":
            resource = each.get("resource")
        elif name == "variables":
            variables.update(_variables(each))
    if not isinstance(expression, str) or not expression.strip():
        raise Invalid(
            "Donnez l’expression à évaluer dans le paramètre « expression » (valueString).",
            issue="required",
            path="expression",
        )
    if resource is not None and (
        not isinstance(resource, Mapping) or resource_type(resource.get("resourceType")) is None
    ):
        raise Invalid("Le paramètre « resource » doit porter une ressource FHIR R4.", path="resource", issue="value")
    kind = None if resource is None else str(resource["resourceType"])
    try:
        found = compile(expression, kind, strict=True).nodes(resource, env=variables, steps=GUEST_STEPS)
    except FhirPathError as error:
        raise error.located("expression") from None
    if len(found) > MAX_RESULTS:
        raise Invalid("Trop de résultats : précisez l’expression.", issue="too-costly", path="expression")
    results = [_result(each) for each in found]
    # FHIR JSON has no empty arrays.
    return {"resourceType": "Parameters"} | ({"parameter": results} if results else {})


def _parameters(parameters: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    lines = parameters.get("parameter", [])
    if parameters.get("resourceType") != "Parameters" or not isinstance(lines, list):
        raise Invalid("Une ressource Parameters est attendue.", issue="structure", path="Parameters.parameter")
    return [each for each in lines if isinstance(each, Mapping)]


def _variables(parameter: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    parts = parameter.get("part")
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, Mapping) and isinstance(part.get("name"), str):
            value = next((part[key] for key in part if key == "resource" or key.startswith("value")), None)
            if value is not None:
                yield part["name"], value


def _value_key(type: str) -> str | None:
    """The `value[x]` that carries a type; None when Parameters has none for it."""
    key = "value" + type[0].upper() + type[1:]
    return key if key in definitions.element("Parameters.parameter").properties else None


def _settled(value: Any) -> Any:
    # Written without exponent, as FHIR's readers expect.
    return Decimal(f"{value:f}") if isinstance(value, Decimal) else value


def _result(item: Any) -> dict[str, Any]:
    told = described(item)
    parts: list[dict[str, Any]] = [{"name": "type", "valueString": told.type}]
    if told.path:
        parts.append({"name": "path", "valueString": told.path})
    found: dict[str, Any] = {"name": "result"}
    if isinstance(item, Node) and item.type.kind == "resource":
        found["resource"] = item.value
    elif _direct(item):
        found.update(_carried(item, told.type))
    else:
        parts.insert(0, {"name": "value", **_carried(item, told.type)})
    found["part"] = parts
    return found


def _direct(item: Any) -> bool:
    """Whether the value goes into the result itself: primitives and quantities."""
    if isinstance(item, Node):
        return item.type.primitive or item.type.kind == "quantity"
    return not isinstance(plain(item), Mapping) or described(item).type == "Quantity"


def _carried(item: Any, type: str) -> dict[str, Any]:
    """What carries a value in a parameter: `value[x]`, with the extensions of a primitive; else its children as parts."""
    value = plain(item)
    key = _value_key(type)
    if key is None and isinstance(value, str):
        key = "valueString"
    if key is not None:
        found = {} if value is None else {key: _settled(value)}
        if isinstance(item, Node) and item.type.primitive and item.data is not None:
            found["_" + key] = item.data
        return found
    if isinstance(item, Node):
        return {"part": [{"name": _name(each), **_below(each)} for each in nodes_below(item)]}
    return {"part": [{"name": name, "valueString": each} for name, each in value.items()]}


def _name(node: Node) -> str:
    return "" if node.step is None else node.step.name


def _below(node: Node) -> dict[str, Any]:
    return {"resource": node.value} if node.type.kind == "resource" else _carried(node, node.type.name)
