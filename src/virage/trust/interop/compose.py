"""Writes a CDA R2 of the CI-SIS: header from values, body either one file (N1) or titled narrative sections (N3).

Used where a person deposits a file by a form, and by the sandbox. What it writes passes `check`.
"""

import base64
from collections.abc import Iterable
from typing import Any

from lxml import etree

from virage.core.errors import Invalid
from virage.trust.interop import volets
from virage.trust.interop.reader import CDA
from virage.trust.interop.values import CdaMetadata, Code, Id, Organisation, Participant, Traits

_E = f"{{{CDA}}}"
_NULL_ADDRESS = {"nullFlavor": "NASK"}


class Section(tuple[Code, str, tuple[str, ...]]):
    """A titled section: its LOINC code, its title, its paragraphs."""

    __slots__ = ()

    def __new__(cls, code: Code, title: str, paragraphs: Iterable[str]) -> "Section":
        """From any iterable of paragraphs."""
        return super().__new__(cls, (code, title, tuple(paragraphs)))


def _add(parent: Any, tag: str, text: str = "", **attributes: str) -> Any:
    try:
        node = etree.SubElement(parent, _E + tag, {key: value for key, value in attributes.items() if value})
        node.text = text or None
    except ValueError:
        raise Invalid("Un texte contient des caractères interdits en XML.", code="INTEROP.CHARACTERS") from None
    return node


def _code(parent: Any, tag: str, code: Code | None) -> None:
    if code is not None:
        _add(parent, tag, code=code.code, displayName=code.display, codeSystem=code.system)


def _id(parent: Any, ident: Id, tag: str = "id") -> None:
    _add(parent, tag, root=ident.root, extension=ident.extension)


def hl7(moment: str) -> str:
    """A FHIR `date` or `dateTime` as an HL7 timestamp."""
    value = moment.replace("Z", "+00:00")
    date, _, time = value.partition("T")
    if not time:
        return date.replace("-", "")
    sign = "-" if "-" in time else "+"
    clock, _, zone = time.partition(sign)
    return f"{date.replace('-', '')}{clock.partition('.')[0].replace(':', '')}{sign}{zone.replace(':', '')}"


def _address(parent: Any) -> None:
    _add(parent, "addr", **_NULL_ADDRESS)
    _add(parent, "telecom", **_NULL_ADDRESS)


def _organisation(parent: Any, tag: str, organisation: Organisation, *, setting: bool = True) -> None:
    node = _add(parent, tag)
    if organisation.ident:
        _id(node, organisation.ident)
    _add(node, "name", organisation.name)
    _address_after_name(node)
    if setting:
        _code(node, "standardIndustryClassCode", organisation.setting)


def _address_after_name(node: Any) -> None:
    _add(node, "telecom", **_NULL_ADDRESS)
    _add(node, "addr", **_NULL_ADDRESS)


def _entity(parent: Any, tag: str, person: Participant) -> None:
    node = _add(parent, tag)
    if person.ident:
        _id(node, person.ident)
    _code(node, "code", person.specialty)
    _address(node)
    if person.device:
        device = _add(node, "assignedAuthoringDevice")
        _add(device, "manufacturerModelName", person.device)
        _add(device, "softwareName", person.device)
    else:
        given, _, family = person.name.rpartition(" ")
        name = _add(_add(node, "assignedPerson"), "name")
        _add(name, "family", family)
        if given:
            _add(name, "given", given)
    if person.organisation:
        _organisation(node, "representedOrganization", person.organisation)


def _patient(root: Any, ids: Iterable[Id], traits: Traits) -> None:
    role = _add(_add(root, "recordTarget"), "patientRole")
    _add(role, "id", extension=traits.matricule, root=traits.oid)
    for ident in ids:
        _id(role, ident)
    _address(role)
    patient = _add(role, "patient")
    name = _add(patient, "name")
    _add(name, "family", traits.birth_name, qualifier="BR")
    _add(name, "given", traits.given_names)
    _add(name, "given", traits.first_given, qualifier="BR")
    _add(name, "family", traits.used_name or traits.birth_name, qualifier="CL")
    _add(name, "given", traits.used_given or traits.first_given, qualifier="CL")
    _add(patient, "administrativeGenderCode", code=traits.sex, codeSystem="2.16.840.1.113883.5.1")
    _add(patient, "birthTime", value=traits.birth_date.replace("-", ""))
    _add(_add(_add(_add(patient, "birthplace"), "place"), "addr"), "county", traits.birth_place)


def compose(
    facts: CdaMetadata,
    *,
    sections: Iterable[Section] = (),
    payload: bytes = b"",
    media_type: str = "application/pdf",
) -> bytes:
    """A CDA document of this header: with `payload` an N1, else an N3 of these sections.

    `facts.template_ids` beyond the two national ones are written for N3. Raises `Invalid` (`INTEROP.CHARACTERS`).
    """
    root = etree.Element(_E + "ClinicalDocument", nsmap={None: CDA})  # type: ignore[dict-item]
    _add(root, "realmCode", code="FR")
    _add(root, "typeId", root="2.16.840.1.113883.1.3", extension="POCD_HD000040")
    national = [Id(volets.HL7_FRANCE), Id(volets.CI_SIS)]
    chosen = [Id(volets.N1_TEMPLATE)] if payload else [one for one in facts.template_ids if one not in national]
    for template in (*national, *chosen):
        _id(root, template, "templateId")
    if facts.id:
        _id(root, facts.id)
    _code(root, "code", facts.code)
    _add(root, "title", facts.title)
    _add(root, "effectiveTime", value=hl7(facts.effective_time))
    _code(root, "confidentialityCode", facts.confidentiality or Code("N", "2.16.840.1.113883.5.25", "Normal"))
    _add(root, "languageCode", code=facts.language or "fr-FR")
    if facts.set_id or facts.id:
        _id(root, facts.set_id or facts.id, "setId")  # type: ignore[arg-type]
    _add(root, "versionNumber", value=str(facts.version or 1))
    _patient(root, facts.patient_ids, facts.traits)
    for author in facts.authors:
        node = _add(root, "author")
        _code(node, "functionCode", author.role)
        _add(node, "time", value=hl7(author.time or facts.effective_time))
        _entity(node, "assignedAuthor", author)
    if facts.custodian:
        holder = _add(_add(root, "custodian"), "assignedCustodian")
        _organisation(holder, "representedCustodianOrganization", facts.custodian, setting=False)
    if facts.legal_authenticator:
        legal = _add(root, "legalAuthenticator")
        _add(legal, "time", value=hl7(facts.legal_authenticator.time or facts.effective_time))
        _add(legal, "signatureCode", code="S")
        _entity(legal, "assignedEntity", facts.legal_authenticator)
    _acts(root, facts)
    if facts.replaces:
        _id(_add(_add(root, "relatedDocument", typeCode="RPLC"), "parentDocument"), facts.replaces)
    _encounter(root, facts)
    component = _add(root, "component")
    if payload:
        encoded = base64.b64encode(payload).decode()
        _add(_add(component, "nonXMLBody"), "text", encoded, mediaType=media_type, representation="B64")
    else:
        body = _add(component, "structuredBody")
        for code, title, paragraphs in sections:
            section = _add(_add(body, "component"), "section")
            _code(section, "code", code)
            _add(section, "title", title)
            text = _add(section, "text")
            for paragraph in paragraphs:
                _add(text, "paragraph", paragraph)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8"))


def _acts(root: Any, facts: CdaMetadata) -> None:
    event = _add(_add(root, "documentationOf"), "serviceEvent")
    if facts.acts:
        _code(event, "code", facts.acts[0])
    time = _add(event, "effectiveTime")
    _add(time, "low", value=hl7(facts.service_start or facts.effective_time))
    if facts.service_stop:
        _add(time, "high", value=hl7(facts.service_stop))
    if facts.performer:
        _entity(_add(event, "performer", typeCode="PRF"), "assignedEntity", facts.performer)


def _encounter(root: Any, facts: CdaMetadata) -> None:
    encounter = _add(_add(root, "componentOf"), "encompassingEncounter")
    _code(encounter, "code", facts.encounter_type)
    _add(_add(encounter, "effectiveTime"), "low", value=hl7(facts.service_start or facts.effective_time))
    _code(_add(_add(encounter, "location"), "healthCareFacility"), "code", facts.facility_type)
