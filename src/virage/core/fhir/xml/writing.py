"""From the JSON form to XML text."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.xml.form import FHIR, MAX_DEPTH, MalformedXml, Plan, Property, escape, plan_of
from virage.core.fhir.xml.narrative import sound_div


def dumps(resource: dict[str, Any], *, pretty: bool = False) -> bytes:
    """Write a resource as UTF-8 XML, elements in the order of the definition.

    Raises MalformedXml when the value cannot be written: unknown type or element, broken narrative, a character that XML
    does not have.
    """
    out = ['<?xml version="1.0" encoding="UTF-8"?>']
    _Writer(out.append, pretty).resource(resource, 0, top=True)
    return "".join(out).encode()


class _Writer:
    """Writes text pieces through `put`; `pretty` adds line breaks and two spaces a level."""

    def __init__(self, put: Callable[[str], None], pretty: bool) -> None:
        self._put = put
        self._pretty = pretty

    def _line(self, depth: int) -> None:
        if self._pretty:
            self._put("\n" + "  " * depth)

    def resource(self, value: Any, depth: int, *, top: bool = False) -> None:
        name = value.get("resourceType") if type(value) is dict else None
        if type(name) is not str or name not in definitions.resource_types():
            raise MalformedXml("Une ressource sans resourceType connu de FHIR R4 ne peut être écrite en XML.")
        self._line(depth)
        self._put(f'<{name} xmlns="{FHIR}">' if top else f"<{name}>")
        self._children(value, plan_of(name), depth + 1, name)
        self._line(depth)
        self._put(f"</{name}>")

    def _children(self, value: dict[str, Any], plan: Plan, depth: int, name: str) -> None:
        if depth > MAX_DEPTH:
            raise MalformedXml(
                f"La ressource est imbriquée sur plus de {MAX_DEPTH} niveaux : elle ne peut être écrite."
            )
        done = sum(1 for attribute in plan.attributes if attribute in value) + ("resourceType" in value)
        for each in plan.elements:
            twin = "_" + each.name
            if each.name in value:
                done += 1
                item = value[each.name]
                other = None
                if twin in value:
                    done += 1
                    other = value[twin]
                self._property(each, item, other, depth)
            elif twin in value and each.kind == "primitive":
                done += 1
                self._property(each, None, value[twin], depth)
        if done != len(value):
            raise MalformedXml(f"Un élément de {name} n'existe pas en FHIR R4 : retirez-le avant d'écrire en XML.")

    def _property(self, each: Property, item: Any, other: Any, depth: int) -> None:
        if not each.is_list:
            self._one(each, item, other, depth)
            return
        items = item if type(item) is list else []
        others = other if type(other) is list else []
        for index in range(max(len(items), len(others))):
            first = items[index] if index < len(items) else None
            second = others[index] if index < len(others) else None
            self._one(each, first, second, depth)

    def _one(self, each: Property, item: Any, twin: Any, depth: int) -> None:
        self._line(depth)
        if each.kind == "primitive":
            self._primitive(each, item, twin, depth)
        elif each.kind == "xhtml":
            self._put(sound_div(item))
        elif each.kind == "resource":
            self._put(f"<{each.name}>")
            self.resource(item, depth + 1)
            self._line(depth)
            self._put(f"</{each.name}>")
        elif type(item) is dict:
            self._complex(each.name, item, plan_of(each.type), depth, "")
        else:
            raise MalformedXml(f"« {each.name} » doit être un objet pour être écrit en XML.")

    def _primitive(self, each: Property, item: Any, twin: Any, depth: int) -> None:
        value = "" if item is None else f' value="{escape(_text(item, each.name))}"'
        if type(twin) is dict and twin:
            self._complex(each.name, twin, plan_of("Element"), depth, value)
        else:
            self._put(f"<{each.name}{value}/>")

    def _complex(self, name: str, item: dict[str, Any], plan: Plan, depth: int, value: str) -> None:
        attributes = "".join(
            f' {each}="{escape(_text(item[each], each))}"' for each in plan.attributes if item.get(each) is not None
        )
        if len(item) <= len(plan.attributes) and all(each in plan.attributes for each in item):
            self._put(f"<{name}{attributes}{value}/>")
            return
        self._put(f"<{name}{attributes}{value}>")
        self._children(item, plan, depth + 1, name)
        self._line(depth)
        self._put(f"</{name}>")


def _text(item: Any, name: str) -> str:
    if type(item) is str:
        return item
    if item is True:
        return "true"
    if item is False:
        return "false"
    if type(item) is int or type(item) is float:
        return repr(item)
    if isinstance(item, Decimal):
        return getattr(item, "text", None) or str(item)
    raise MalformedXml(f"« {name} » doit être une valeur simple pour être écrit en XML.")
