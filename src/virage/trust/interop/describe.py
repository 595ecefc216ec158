"""The XDS metadata of a document, as a FHIR DocumentReference of the PDSm, taken from its CDA header.

Source: CI-SIS « partage de documents de santé » (correspondence of CDA header, XDS metadata and DocumentReference).
"""

import base64
import hashlib
from typing import Any

from virage.trust.interop.values import CdaMetadata, Code, Organisation, Participant
from virage.trust.interop.volets import category_of, classes

NOS = "https://mos.esante.gouv.fr/NOS"
CLASS_SYSTEM = f"{NOS}/TRE_A03-ClasseDocument/FHIR/TRE-A03-ClasseDocument"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
FORMAT_SYSTEM = f"{NOS}/TRE_A06-FormatCodeComplementaire/FHIR/TRE-A06-FormatCodeComplementaire"
IHE_FORMATS = "http://ihe.net/fhir/ihe.formatcode.fhir/CodeSystem/formatcode"
SYSTEMS = {
    "2.16.840.1.113883.6.1": "http://loinc.org",
    "2.16.840.1.113883.6.96": "http://snomed.info/sct",
    "2.16.840.1.113883.5.25": CONFIDENTIALITY,
    "1.2.250.1.213.1.1.4.12": f"{NOS}/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire",
    "1.2.250.1.213.1.1.4.9": f"{NOS}/TRE_A01-CadreExercice/FHIR/TRE-A01-CadreExercice",
    "1.2.250.1.71.4.2.4": f"{NOS}/TRE_R02-SecteurActivite/FHIR/TRE-R02-SecteurActivite",
}


def hash_of(document: bytes) -> str:
    """SHA-1 in base64, as FHIR `attachment.hash` carries the XDS hash."""
    return base64.b64encode(hashlib.sha1(document, usedforsecurity=False).digest()).decode()


def coding(code: Code) -> dict[str, str]:
    """A FHIR Coding; OIDs without a known URL become `urn:oid:`."""
    system = SYSTEMS.get(code.system) or (f"urn:oid:{code.system}" if code.system else "")
    return {key: value for key, value in (("system", system), ("code", code.code), ("display", code.display)) if value}


def concept(code: Code) -> dict[str, Any]:
    """A FHIR CodeableConcept of one coding."""
    return {"coding": [coding(code)]}


def class_concept(category: str) -> dict[str, Any]:
    """The CodeableConcept of a document class (TRE_A03)."""
    return {"coding": [{"system": CLASS_SYSTEM, "code": category, "display": classes().get(category, category)}]}


def _organisation(organisation: Organisation, local: str) -> dict[str, Any]:
    resource: dict[str, Any] = {"resourceType": "Organization", "id": local}
    if organisation.ident:
        resource["identifier"] = [
            {
                "system": f"urn:oid:{organisation.ident.root}",
                "value": organisation.ident.extension or organisation.ident.root,
            }
        ]
    if organisation.name:
        resource["name"] = organisation.name
    return resource


def _participant(person: Participant, local: str) -> dict[str, Any]:
    kind = "Device" if person.device else "Practitioner"
    resource: dict[str, Any] = {"resourceType": kind, "id": local}
    if person.ident:
        resource["identifier"] = [
            {"system": f"urn:oid:{person.ident.root}", "value": person.ident.extension or person.ident.root}
        ]
    if kind == "Device":
        resource["deviceName"] = [{"name": person.device, "type": "manufacturer-name"}]
    elif person.name:
        name: dict[str, Any] = {"text": person.name}
        if person.family:
            name["family"] = person.family
        if person.given:
            name["given"] = list(person.given)
        resource["name"] = [name]
    if person.specialty and kind == "Practitioner":
        resource["qualification"] = [{"code": concept(person.specialty)}]
    return resource


def document_reference(facts: CdaMetadata, document: bytes, *, mime: str = "text/xml", url: str = "") -> dict[str, Any]:
    """A DocumentReference without `subject` (the caller knows whose it is): what the header and the bytes say.

    Authors and custodian are contained; what the header does not say is left out, never invented.
    """
    contained: list[dict[str, Any]] = []
    resource: dict[str, Any] = {"resourceType": "DocumentReference", "status": "current"}
    if facts.id:
        resource["masterIdentifier"] = {"system": "urn:ietf:rfc:3986", "value": facts.id.urn}
    if facts.code:
        resource["type"] = concept(facts.code)
        category = category_of(facts.code.code)
        if category:
            resource["category"] = [class_concept(category)]
    if "T" in facts.effective_time:
        resource["date"] = facts.effective_time
    for number, author in enumerate(facts.authors, 1):
        contained.append(_participant(author, f"auteur-{number}"))
        resource.setdefault("author", []).append({"reference": f"#auteur-{number}"})
    if facts.legal_authenticator:
        contained.append(_participant(facts.legal_authenticator, "responsable"))
        resource["authenticator"] = {"reference": "#responsable"}
    if facts.custodian:
        contained.append(_organisation(facts.custodian, "conservateur"))
        resource["custodian"] = {"reference": "#conservateur"}
    confidentiality = facts.confidentiality.code if facts.confidentiality else "N"
    resource["securityLabel"] = [{"coding": [{"system": CONFIDENTIALITY, "code": confidentiality}]}]
    attachment: dict[str, Any] = {
        "contentType": mime,
        "language": facts.language,
        "url": url,
        "size": len(document),
        "hash": hash_of(document),
        "title": facts.title,
        "creation": facts.effective_time,
    }
    content: dict[str, Any] = {"attachment": {key: value for key, value in attachment.items() if value}}
    if facts.format_code:
        system = IHE_FORMATS if facts.format_code.startswith("urn:ihe:") else FORMAT_SYSTEM
        content["format"] = {"system": system, "code": facts.format_code}
    resource["content"] = [content]
    resource["context"] = _context(facts)
    return {**resource, **({"contained": contained} if contained else {})}


def _context(facts: CdaMetadata) -> dict[str, Any]:
    context: dict[str, Any] = {}
    if facts.acts:
        context["event"] = [concept(act) for act in facts.acts]
    period = {key: value for key, value in (("start", facts.service_start), ("end", facts.service_stop)) if value}
    if period.get("end", "") and period.get("start", "") > period["end"]:
        del period["end"]  # an interval that runs backwards would make the resource itself invalid
    if period:
        context["period"] = period
    if facts.facility_type:
        context["facilityType"] = concept(facts.facility_type)
    if facts.practice_setting:
        context["practiceSetting"] = concept(facts.practice_setting)
    return context
