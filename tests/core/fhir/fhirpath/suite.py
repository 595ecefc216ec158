"""The official FHIRPath suite: its cases, its inputs, and what passing means."""

import json
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from virage.core.fhir import definitions, fhirpath

FHIR = "{http://hl7.org/fhir}"
XHTML = "{http://www.w3.org/1999/xhtml}"


@dataclass(frozen=True)
class Case:
    """One `test` of the suite."""

    name: str
    expression: str
    input: str
    invalid: str
    predicate: bool
    outputs: tuple[tuple[str, str], ...]


def cases(path: Path) -> list[Case]:
    """Every case of a suite file; names that come twice get a number."""
    found: list[Case] = []
    seen: dict[str, int] = {}
    for test in ElementTree.parse(path).getroot().iter("test"):
        expression = test.find("expression")
        assert expression is not None
        name = test.get("name", "")
        seen[name] = seen.get(name, 0) + 1
        found.append(
            Case(
                name if seen[name] == 1 else f"{name}#{seen[name]}",
                expression.text or "",
                test.get("inputfile", ""),
                expression.get("invalid", ""),
                test.get("predicate") == "true",
                tuple((each.get("type", ""), each.text or "") for each in test.findall("output")),
            )
        )
    return found


@lru_cache
def resource(path: Path) -> Any:
    """An input, in JSON whatever its form."""
    if path.suffix == ".json":
        return json.loads(path.read_text(), parse_float=Decimal)
    top = ElementTree.parse(path).getroot()
    name = top.tag.removeprefix(FHIR)
    return {"resourceType": name, **_object(top, name)}


def _object(element: ElementTree.Element, type_name: str) -> dict[str, Any]:
    """A small reader of FHIR XML, enough for the inputs of the suite."""
    found: dict[str, Any] = {}
    properties = definitions.element(type_name).properties
    for name in ("id", "url"):
        if name in element.attrib:
            found[name] = element.attrib[name]
    for child in element:
        key = child.tag.removeprefix(FHIR).removeprefix(XHTML)
        if key not in properties:
            continue
        definition, ref = properties[key]
        shadow: dict[str, Any] = {}
        value: Any
        if ref.code == "xhtml":
            value = ElementTree.tostring(child, encoding="unicode").replace("html:", "").replace(":html", "")
        elif definitions.kind(ref.code) == "primitive-type":
            value = _primitive(ref.code, child.get("value"))
            shadow = _object(child, ref.code)
        elif ref.code == "Resource":
            inner = child[0]
            kind = inner.tag.removeprefix(FHIR)
            value = {"resourceType": kind, **_object(inner, kind)}
        else:
            value = _object(child, definition.type_name(ref.code))
        if definition.is_list:
            found.setdefault(key, []).append(value)
            if shadow:
                found.setdefault("_" + key, [None] * (len(found[key]) - 1)).append(shadow)
        else:
            if value is not None:
                found[key] = value
            if shadow:
                found["_" + key] = shadow
    return found


def _primitive(kind: str, text: str | None) -> Any:
    if text is None:
        return None
    if kind == "boolean":
        return text == "true"
    if kind in ("integer", "positiveInt", "unsignedInt"):
        return int(text)
    return Decimal(text) if kind == "decimal" else text


def failure(case: Case, folder: Path) -> str:
    """Why the case fails, or "" when it passes."""
    focus = resource(folder / "input" / (case.input or "patient-example.xml"))
    try:
        compiled = fhirpath.compile(case.expression, focus["resourceType"], strict=True)
        found = compiled.typed(focus)
    except fhirpath.FhirPathError as error:
        return "" if case.invalid else f"refused: {error}"
    if case.invalid:
        return f"{case.invalid} error expected, got {found}"
    if case.predicate:
        truth = len(found) > 0 if found and found[0].value is not True else bool(found)
        return "" if [("boolean", str(truth).lower())] == list(case.outputs) else f"predicate got {found}"
    if len(found) != len(case.outputs):
        return f"{len(case.outputs)} results expected, got {found}"
    for item, (kind, text) in zip(found, case.outputs, strict=True):
        if kind and kind != item.type:
            return f"type {kind} expected, got {item.type}"
        if not _same(item.type, item.value, text):
            return f"{text} expected, got {item.value}"
    return ""


def _same(kind: str, value: Any, text: str) -> bool:
    if isinstance(value, bool):
        return text == str(value).lower()
    if isinstance(value, Decimal):
        return text == f"{value:f}"
    if kind == "Quantity":
        return re.sub(r"\s+", " ", text) == f"{value['value']:f} '{value['unit']}'"
    return text.removeprefix("@").removeprefix("T") == str(value) if text.startswith("@") else text == str(value)
