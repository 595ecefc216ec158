"""Limits that a profile sets on an element by extensions: length, form, decimals, size, and the languages of a narrative.

Authority: the extensions minLength, regex, maxDecimalPlaces, maxSize, narrative-language-control and -source-control of HL7.
"""

import base64
import binascii
from decimal import Decimal
from typing import Any

from lxml import etree

from virage.core.fhir import fhirpath, narrative
from virage.core.fhir.fhirpath import regex
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session
from virage.core.fhir.validation.shapes import Shape

_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_SOURCES = frozenset({"generated", "boilerplate", "original"})


def check(shape: Shape, item: Item, session: Session) -> None:
    """What the extensions of an element definition ask of one element."""
    value = item.value
    for name, asked in shape.limits.items():
        for limit in asked:
            if type(value) is str:
                _text(name, limit, value, shape, item, session)
            if name == "maxDecimalPlaces":
                _decimals(limit, value.get("value") if type(value) is dict else value, shape, item, session)
            elif name == "maxSize" and type(value) is dict:
                _size(limit, value, shape, item, session)
    if item.type == "Narrative" and type(value) is dict:
        _narrative(shape, item, session)


def _text(name: str, limit: Any, value: str, shape: Shape, item: Item, session: Session) -> None:
    if name == "minLength" and type(limit) is int and len(value) < limit:
        session.add("value", f"Au moins {limit} caractères sont attendus par le profil {shape.profile}.", item.place)
    elif name == "regex" and type(limit) is str and not _has_form(limit, value):
        session.add("value", f"Cette valeur n'a pas la forme demandée par le profil {shape.profile}.", item.place)
    elif name == "maxSize" and item.type == "base64Binary":
        _size(limit, {"data": value}, shape, item, session)


def _has_form(pattern: str, text: str) -> bool:
    """A pattern that cannot be read asks for nothing."""
    try:
        return regex.matches(pattern, text, full=True)
    except fhirpath.FhirPathError:
        return True


def _decimals(limit: Any, value: Any, shape: Shape, item: Item, session: Session) -> None:
    if type(limit) is not int or type(value) is bool or not isinstance(value, int | float | Decimal):
        return
    if len(str(getattr(value, "text", value)).partition(".")[2]) > limit:
        session.add("value", f"Au plus {limit} décimales sont permises par le profil {shape.profile}.", item.place)


def _size(limit: Any, value: dict[str, Any], shape: Shape, item: Item, session: Session) -> None:
    size = value.get("size")
    data = value.get("data")
    if type(data) is str:
        try:
            size = len(base64.b64decode("".join(data.split()), validate=True))
        except (binascii.Error, ValueError):
            return
    if type(size) is int and isinstance(limit, int | float | Decimal) and size > limit:
        text = f"Le contenu dépasse la taille permise par le profil {shape.profile} ({limit} octets)."
        session.add("too-long", text, item.place)


def _narrative(shape: Shape, item: Item, session: Session) -> None:
    text = item.value.get("div")
    root = narrative.parse(text) if type(text) is str else None
    if root is None:
        return
    for level in shape.limits.get("narrative-source-control", ()):
        for node in root:
            content = isinstance(node.tag, str) and "".join(map(str, node.itertext())).strip()
            if content and not _SOURCES & set(str(node.get("class", "")).split()):
                told = f"Cette partie du texte ne dit pas d'où elle vient (class), ce que demande le profil {shape.profile}."
                severity = "error" if level == "error" else "warning"
                session.add("invalid", told, item.place, severity)
    languages = shape.limits.get("narrative-language-control", ())
    if languages:
        held = {str(node.get(_LANG)) for node in root if _is_section(node)}
        own = item.frame.resource.get("language")
        for each in languages:
            _language(str(each), held, own if type(own) is str else None, shape, item, session)


def _is_section(node: etree._Element) -> bool:
    return isinstance(node.tag, str) and etree.QName(node).localname == "div" and node.get(_LANG) is not None


def _language(code: str, held: set[str], own: str | None, shape: Shape, item: Item, session: Session) -> None:
    """Sections by language: none (`_no`), some (`_yes`), that of the resource (`_resource`), or one named."""
    word = code[1:] if code[:1] in ("_", "#") else ""
    severity = "error"
    if word == "no":
        holds, told = not held, "n'a pas de parties par langue"
    elif word == "yes":
        holds, told = bool(held), "a des parties par langue"
    else:
        wanted = own if word == "resource" else code
        holds, told = (
            wanted is not None and wanted in held,
            f"a une partie dans la langue {wanted or 'de la ressource'}",
        )
        # Without any section, or any language, the rule of the reference is advice.
        severity = "error" if held and wanted is not None else "warning"
    if not holds:
        text = f"Selon le profil {shape.profile}, ce texte {told}."
        session.add("invalid", text, item.place, severity)
