"""From XML text to the JSON form."""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from virage.core.errors import Issue
from virage.core.fhir import definitions
from virage.core.fhir.json import number
from virage.core.fhir.xml.form import FHIR, MAX_DEPTH, XHTML, MalformedXml, Plan, Property, parser, plan_of
from virage.core.fhir.xml.narrative import DIV, div

MAX_ISSUES = 200
_XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
_FHIR = f"{{{FHIR}}}"
_INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def loads(data: bytes) -> dict[str, Any]:
    """Read one resource. Raises MalformedXml (400) with every fault found, each with its path and its line."""
    resource, reader = _read(data)
    if issues := reader.issues:
        raise MalformedXml(issues[0].text, path=issues[0].path, issues=issues)
    return resource


def read(data: bytes) -> tuple[dict[str, Any], list[Issue]]:
    """Read what can be read of a resource, with the faults of its XML form; raises MalformedXml when nothing can be.

    Elements out of the order of their definition are told here, and read without a word by `loads`: nothing is lost by it.
    """
    resource, reader = _read(data)
    return resource, reader.issues + reader.disorder


def _read(data: bytes) -> tuple[dict[str, Any], "_Reader"]:
    try:
        root = etree.fromstring(data, parser())
    except etree.XMLSyntaxError as error:
        line, column = error.position
        raise MalformedXml(
            f"Le XML est illisible à la ligne {line}, colonne {column} : il n'est pas bien formé."
        ) from None
    except ValueError:
        raise MalformedXml("Le XML est illisible : vérifiez l'encodage annoncé en tête.") from None
    information = root.getroottree().docinfo
    if information.internalDTD is not None or information.doctype:
        raise MalformedXml("Un DOCTYPE n'est pas permis dans une ressource FHIR : retirez-le.")
    reader = _Reader()
    name = str(root.tag).removeprefix(_FHIR)
    value = reader.resource(root, name if name.isalpha() else "Resource", 0)
    if value is None:
        raise MalformedXml(reader.issues[0].text, issues=reader.issues)
    return value, reader


class _Reader:
    """Walks the tree, keeping the faults it meets."""

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.disorder: list[Issue] = []

    def _fault(self, text: str, path: str, node: etree._Element) -> None:
        if len(self.issues) < MAX_ISSUES:
            self.issues.append(Issue("structure", f"Ligne {node.sourceline} : {text}", path))

    def resource(self, node: etree._Element, path: str, depth: int) -> dict[str, Any] | None:
        tag = str(node.tag)
        name = tag.removeprefix(_FHIR)
        if not tag.startswith(_FHIR):
            self._fault(f'la ressource doit être dans l\'espace de noms FHIR : xmlns="{FHIR}".', path, node)
            return None
        if name not in definitions.resource_types():
            self._fault("ce type de ressource n'existe pas en FHIR R4.", path, node)
            return None
        for attribute in node.attrib:
            if not str(attribute).startswith(_XSI):
                self._fault("une ressource n'a pas d'attribut en XML : retirez-le.", path, node)
        value: dict[str, Any] = {"resourceType": name}
        self._children(node, value, plan_of(name), path, depth + 1)
        return value

    def _children(self, node: etree._Element, value: dict[str, Any], plan: Plan, path: str, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise MalformedXml(f"Le XML est imbriqué sur plus de {MAX_DEPTH} niveaux : c'est refusé.")
        self._no_text(node.text, path, node)
        twins: dict[str, list[Any]] = {}
        last = plan.elements[0] if plan.elements else None
        for child in _elements(node, self, path):
            self._no_text(child.tail, path, child)
            tag = str(child.tag)
            name = tag.removeprefix(_FHIR)
            each = plan.names.get(name) if tag.startswith(_FHIR) else None
            if each is None and tag == DIV:
                each = plan.names.get("div")
            if each is None:
                local = etree.QName(child).localname
                self._fault(f"l'élément « {local[:64]} » n'existe pas ici.", path, child)
                continue
            index = len(value.get(each.name, ())) if each.is_list else 0
            here = f"{path}.{each.shown}" + (f"[{index}]" if each.is_list else "")
            if not each.is_list and (each.name in value or each.name in twins):
                self._fault(f"l'élément « {each.shown} » ne se répète pas : gardez-en un.", path, child)
                continue
            if last is not None and each.rank < last.rank and len(self.disorder) < MAX_ISSUES:
                text = f"Ligne {child.sourceline} : cet élément doit venir avant « {last.shown} »."
                self.disorder.append(Issue("structure", text, here))
            last = each
            item, twin = self._value(each, child, here, depth)
            if each.is_list:
                value.setdefault(each.name, []).append(item)
                if each.kind == "primitive":
                    twins.setdefault(each.name, []).append(twin)
            elif each.kind != "primitive":
                value[each.name] = item
            else:
                if item is not None or twin is None:
                    value[each.name] = item
                if twin is not None:
                    twins[each.name] = [twin]
        for name, found in twins.items():
            if not plan.names[name].is_list:
                value["_" + name] = found[0]
            elif any(twin is not None for twin in found):
                value["_" + name] = found
                if all(item is None for item in value[name]):
                    del value[name]

    def _value(self, each: Property, node: etree._Element, path: str, depth: int) -> tuple[Any, Any]:
        if each.kind == "xhtml":
            if node.tag != DIV:
                self._fault(f'div doit être dans l\'espace de noms XHTML : xmlns="{XHTML}".', path, node)
            return div(node), None
        if each.kind == "resource":
            inner = list(_elements(node, self, path))
            if len(inner) != 1:
                self._fault("une et une seule ressource est attendue ici.", path, node)
                return {}, None
            return self.resource(inner[0], path, depth) or {}, None
        if each.kind == "complex":
            value: dict[str, Any] = {}
            self._attributes(node, value, plan_of(each.type).attributes, path)
            self._children(node, value, plan_of(each.type), path, depth + 1)
            return value, None
        twin: dict[str, Any] = {}
        text = self._attributes(node, twin, ("id",), path, has_value=True)
        if len(node):
            self._children(node, twin, plan_of("Element"), path, depth + 1)
        else:
            self._no_text(node.text, path, node)
        return (None if text is None else _read_primitive(text, each.type)), (twin or None)

    def _attributes(
        self, node: etree._Element, value: dict[str, Any], names: tuple[str, ...], path: str, has_value: bool = False
    ) -> str | None:
        found = None
        for name, text in node.attrib.items():
            if name in names:
                value[str(name)] = text
            elif name == "value" and has_value:
                found = str(text)
            else:
                self._fault("cet attribut n'existe pas ici.", path, node)
        return found

    def _no_text(self, text: Any, path: str, node: etree._Element) -> None:
        if text and not text.isspace():
            self._fault("du texte n'est pas permis ici : la valeur s'écrit dans l'attribut value.", path, node)


def _elements(node: etree._Element, reader: _Reader, path: str) -> Iterator[etree._Element]:
    for child in node:
        if isinstance(child.tag, str):
            yield child
        elif child.tag is etree.Entity:
            reader._fault("les entités ne sont pas permises.", path, node)
        else:
            reader._no_text(child.tail, path, node)


def _read_primitive(text: str, kind: str) -> Any:
    """The JSON value of an attribute; text that does not fit stays text, for validation to report."""
    if kind == "boolean":
        return {"true": True, "false": False}.get(text, text)
    if kind in ("integer", "positiveInt", "unsignedInt"):
        return int(text) if _INTEGER.fullmatch(text) else text
    if kind == "decimal" and _DECIMAL.fullmatch(text):
        return int(text) if _INTEGER.fullmatch(text) and text != "-0" else number(text)
    return text
