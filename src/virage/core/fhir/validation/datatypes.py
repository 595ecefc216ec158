"""Rules of a few data types that invariants do not say: identifiers, attachments, coded values, expressions."""

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from typing import Any

from virage.core.fhir import fhirpath
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")
_PAGE = re.compile(r"https?://build\.fhir\.org/|https?://(?:www\.)?hl7\.org/fhir/.*\.html$")
_KNOWN = (
    "http://loinc.org",
    "http://snomed.info/sct",
    "http://unitsofmeasure.org",
    "http://www.nlm.nih.gov/research/umls/rxnorm",
    "http://hl7.org/fhir/sid/icd-10",
    "http://hl7.org/fhir/sid/cvx",
)


def identifier(item: Item, session: Session) -> None:
    """The system is absolute; in the system of URIs, the value is a whole URI (`urn:oid:…`)."""
    system, value = item.value.get("system"), item.value.get("value")
    if type(system) is str and system and not _ABSOLUTE.match(system):
        text = "Le système d'un identifiant se donne par une adresse absolue (http://…, urn:oid:…)."
        session.add("invalid", text, item.place)
    if system == "urn:ietf:rfc:3986" and type(value) is str and not _ABSOLUTE.match(value):
        text = "Dans urn:ietf:rfc:3986, la valeur est une URI entière (urn:oid:…, urn:uuid:…)."
        session.add("invalid", text, item.place)


def attachment(item: Item, session: Session) -> None:
    """The size told is that of the data."""
    data, size = item.value.get("data"), item.value.get("size")
    if type(data) is str and type(size) is int:
        try:
            held = len(base64.b64decode("".join(data.split()), validate=True))
        except (binascii.Error, ValueError):
            text = "La taille annoncée ne peut être comparée au contenu, qui n'est pas du base64."
            session.add("value", text, item.place)
            return
        if held != size:
            text = f"La taille annoncée ({size} octets) n'est pas celle du contenu ({held} octets) : corrigez-la."
            session.add("value", text, item.place)


def expression(item: Item, session: Session) -> None:
    text = item.value.get("expression")
    if item.value.get("language") == "text/fhirpath" and type(text) is str:
        try:
            fhirpath.compile(text)
        except fhirpath.FhirPathError as error:
            session.add("invalid", f"L'expression FHIRPath n'est pas lisible : {error}", item.place)


def coded(item: Item, session: Session) -> None:
    value: Mapping[str, Any] = item.value
    system, code = value.get("system"), value.get("code")
    if type(system) is not str:
        return
    if not _ABSOLUTE.match(system):
        text = "Un système de codes se donne par une adresse absolue (http://…, urn:oid:…)."
        session.add("invalid", text, (item.place, "system", -1))
        return
    for right in _KNOWN:
        if system == right.replace("http:", "https:"):
            text = f"Ce système de codes s'appelle {right}, sans « s » à http."
            session.add("invalid", text, (item.place, "system", -1))
    if _PAGE.match(system):
        session.add(
            "invalid", "C'est l'adresse d'une page, pas celle d'un système de codes.", (item.place, "system", -1)
        )
        return
    if (
        "/ValueSet/" in system
        and session.registry.code_system(system) is None
        and session.registry.value_set(system) is not None
    ):
        session.add(
            "invalid", "C'est une liste de valeurs (ValueSet), pas un système de codes.", (item.place, "system", -1)
        )
    source = session.registry.code_system(system)
    if source is not None and (source.get("content") == "supplement" or "supplements" in source):
        text = "Ce système de codes n'est qu'un supplément : nommez le système qu'il complète."
        session.add("invalid", text, (item.place, "system", -1))
        return
    if type(code) is not str:
        return
    known = session.terminology.knows(system, code)
    if known is False:
        session.add(
            "code-invalid", "Ce code n'existe pas dans le système indiqué : vérifiez-le.", (item.place, "code", -1)
        )
        return
    display = value.get("display")
    if type(display) is str and known:
        accepted = session.terminology.displays(system, code)
        if accepted and " ".join(display.lower().split()) not in {" ".join(each.lower().split()) for each in accepted}:
            text = f"Le libellé n'est pas celui du code ; attendu : {', '.join(sorted(accepted)[:3])}."
            session.add("invalid", text, (item.place, "display", -1), session.options.displays)


RULES: dict[str, Callable[[Item, Session], None]] = {
    "Attachment": attachment,
    "Coding": coded,
    "Expression": expression,
    "Identifier": identifier,
    "Quantity": coded,
}
