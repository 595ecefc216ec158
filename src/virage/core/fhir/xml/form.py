"""What writing and reading share: names, limits, the plan of each type, the safe parser, escaping."""

import functools
import re
from typing import NamedTuple

from lxml import etree

from virage.core.errors import Malformed
from virage.core.fhir import definitions

FHIR = "http://hl7.org/fhir"
XHTML = "http://www.w3.org/1999/xhtml"
MAX_DEPTH = 100
# Characters that XML 1.0 cannot carry, even escaped.
_FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_ESCAPES = {
    ord("&"): "&amp;",
    ord("<"): "&lt;",
    ord(">"): "&gt;",
    ord('"'): "&quot;",
    ord("\n"): "&#10;",
    ord("\r"): "&#13;",
    ord("\t"): "&#9;",
}
_SPECIAL = re.compile('[&<>"\n\r\t]')


class MalformedXml(Malformed):
    """The bytes are not FHIR XML; each issue says where, with its line."""

    code = "FHIR.XML"


class Property(NamedTuple):
    """What there is to know of one JSON name: its element's list-ness, how to write it, and its type."""

    name: str
    shown: str  # as FHIRPath names it: `value.ofType(Quantity)`
    kind: str  # primitive, xhtml, resource, complex
    type: str
    is_list: bool
    rank: int


class Plan(NamedTuple):
    """How a type is written: its XML attributes (`id`, `url`), then its elements in order."""

    attributes: tuple[str, ...]
    elements: tuple[Property, ...]
    names: dict[str, Property]


@functools.cache
def plan_of(name: str) -> Plan:
    attributes: list[str] = []
    elements: list[Property] = []
    type_def = definitions.element(name)
    for rank, child in enumerate(type_def.children.values()):
        if (child.xml_attribute or child.name == "id") and type_def.kind != "resource":
            attributes.append(child.name)
            continue
        for json_name, ref in child.json.items():
            target = child.type_name(ref.code)
            if ref.code == "xhtml":
                kind = "xhtml"
            elif target == "Resource":
                kind = "resource"
            else:
                kind = "primitive" if definitions.kind(target) == "primitive-type" else "complex"
            shown = f"{child.name}.ofType({ref.code})" if child.choice else child.name
            elements.append(Property(json_name, shown, kind, target, child.is_list, rank))
    return Plan(tuple(attributes), tuple(elements), {each.name: each for each in elements})


def parser() -> etree.XMLParser:
    return etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, dtd_validation=False, huge_tree=False, remove_pis=True
    )


def escape(text: str) -> str:
    if not text.isprintable() and _FORBIDDEN.search(text):
        raise MalformedXml("Un texte contient un caractère que XML ne sait pas porter : retirez-le.")
    return text.translate(_ESCAPES) if _SPECIAL.search(text) else text
