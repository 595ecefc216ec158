"""Directory entries as FHIR resources, in the shape of the national profiles (Annuaire Santé IG 1.2.0). Pure."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from virage.trust.annuaire import nomenclatures as nom
from virage.trust.annuaire import rules

IG = "https://interop.esante.gouv.fr/ig/fhir/annuaire"
FR_CORE = "https://hl7.fr/ig/fhir/core"
IDENTIFIER_TYPES = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-0203"
ORGANIZATION_KINDS = f"{FR_CORE}/CodeSystem/fr-core-cs-v2-3307"
EMAIL_TYPE = f"{FR_CORE}/StructureDefinition/fr-core-contact-point-email-type"
INSEE_CODE = f"{FR_CORE}/StructureDefinition/fr-core-address-insee-code"
DATA_TRACE = f"{IG}/StructureDefinition/as-ext-data-trace"
MAILBOX = f"{IG}/StructureDefinition/as-ext-mailbox-mss-metadata"
SMARTCARD = f"{IG}/StructureDefinition/as-ext-smartcard"
ORGANIZATION_TYPES = f"{IG}/StructureDefinition/as-ext-organization-types"
GEOLOCATION = "http://hl7.org/fhir/StructureDefinition/geolocation"
COMMUNES = "https://mos.esante.gouv.fr/NOS/TRE_R13-Commune/FHIR/TRE-R13-Commune"
TECHNICAL_SYSTEM = "https://annuaire.sante.gouv.fr"
SITUATION_SYSTEM = rules.RPPS_SYSTEM


def stable_id(kind: str, value: str) -> str:
    """The logical id of a directory entry: the same number always gives the same one, so that a load can run again."""
    digest = hashlib.sha256(f"{kind}:{value}".encode()).digest()
    return base64.b32encode(digest[:15]).decode().lower()


def meta(profile: str, source: str) -> dict[str, Any]:
    """Profile and trace of origin: `source` is RPPS, FINESS, MSS or CG."""
    return {
        "profile": [f"{IG}/StructureDefinition/{profile}"],
        "extension": [{"url": DATA_TRACE, "extension": [{"url": "systeme-information", "valueCode": source}]}],
    }


def source_of(resource: Mapping[str, Any]) -> str:
    """The register that a stored resource came from, empty when it does not say."""
    for extension in resource.get("meta", {}).get("extension", ()):
        if extension.get("url") == DATA_TRACE:
            for part in extension.get("extension", ()):
                if part.get("url") == "systeme-information":
                    return str(part.get("valueCode", ""))
    return ""


def identifier(system: str, value: str, type_: str, use: str = "official") -> dict[str, Any]:
    """An Identifier with its national type code."""
    return {
        "use": use,
        "type": {"coding": [{"system": IDENTIFIER_TYPES, "code": type_}]},
        "system": system,
        "value": value,
    }


def concept(*codings: dict[str, str], url: str = "", slice_: str = "") -> dict[str, Any]:
    """A CodeableConcept; with `url`, the extension that names its slice."""
    value: dict[str, Any] = {"coding": list(codings)}
    if url:
        value["extension"] = [{"url": url, "valueCode": slice_}]
    return value


def mailbox(address: str, kind: str = "PER") -> dict[str, Any]:
    """A secure mailbox as ContactPoint; `kind` is PER, ORG, APP or CAB."""
    return {
        "extension": [
            {"url": EMAIL_TYPE, "valueCodeableConcept": {"coding": [nom.coding(nom.R256, "MSSANTE")]}},
            {"url": MAILBOX, "extension": [{"url": "type", "valueCode": kind}]},
        ],
        "system": "email",
        "value": address,
    }


def practitioner(
    *,
    idnat: str,
    family: str,
    given: str,
    title: str = "",
    practice_title: str = "",
    professions: Sequence[tuple[str, str]] = (),
    skills: Sequence[tuple[str, str, str]] = (),
    mailboxes: Sequence[str] = (),
    labels: Mapping[tuple[str, str], str] | None = None,
) -> dict[str, Any]:
    """Profile as-dp-practitioner.

    `professions` are (TRE_G15 code, TRE_R09 category); `skills` are (TRE_R04 type, table, code); `labels` gives displays by
    (table, code) where the source has them.
    """
    shown = labels or {}

    def code(table: str, value: str) -> dict[str, str]:
        return nom.coding(table, value, shown.get((table, value), ""))

    identifiers = [identifier(rules.IDNAT_PS_SYSTEM, idnat, "IDNPS")]
    rpps = idnat[1:] if idnat.startswith("8") else ""
    if rpps:
        identifiers.append(identifier(rules.RPPS_SYSTEM, rpps, "RPPS"))
    name: dict[str, Any] = {"family": family}
    if given:
        name["given"] = [given]
    if title:
        name["prefix"] = [title]
    if practice_title:
        name["suffix"] = [practice_title]
    qualifications = [
        {"code": concept(code(nom.G15, profession), *([code(nom.R09, category)] if category else []))}
        for profession, category in professions
    ]
    qualifications += [{"code": concept(code(nom.R04, kind), code(table, value))} for kind, table, value in skills]
    resource: dict[str, Any] = {
        "resourceType": "Practitioner",
        "id": stable_id("practitioner", idnat),
        "meta": meta("as-dp-practitioner", "RPPS"),
        "identifier": identifiers,
        "active": True,
        "name": [name],
    }
    if mailboxes:
        resource["telecom"] = [mailbox(address) for address in mailboxes]
    if qualifications:
        resource["qualification"] = qualifications
    return resource


def practitioner_role(
    *,
    idnat: str,
    situation: str,
    organization: str = "",
    profession: str = "",
    genre: str = "",
    mode: str = "",
    function: str = "",
    mailboxes: Sequence[str] = (),
) -> dict[str, Any]:
    """Profile as-dp-practitionerrole: one practice situation. `organization` is the logical id of the structure."""
    resource: dict[str, Any] = {
        "resourceType": "PractitionerRole",
        "id": stable_id("role", f"{idnat}|{situation}"),
        "meta": meta("as-dp-practitionerrole", "RPPS"),
        "identifier": [{"system": SITUATION_SYSTEM, "value": stable_id("situation", f"{idnat}|{situation}")}],
        "active": True,
        "practitioner": {"reference": f"Practitioner/{stable_id('practitioner', idnat)}"},
    }
    if organization:
        resource["organization"] = {"reference": f"Organization/{organization}"}
    codes = [
        concept(nom.coding(table, value))
        for table, value in ((nom.R22, genre), (nom.R23, mode), (nom.R21, function))
        if value
    ]
    if codes:
        resource["code"] = codes
    if profession:
        # The situation's own profession: a person with two professions has one situation for each.
        resource["specialty"] = [concept(nom.coding(nom.G15, profession))]
    if mailboxes:
        resource["telecom"] = [mailbox(address) for address in mailboxes]
    return resource


def organization_id(finess: str) -> str:
    """Logical id of a structure by its FINESS number, on which FINESS and the directory meet."""
    return stable_id("organization", rules.idnat_struct(finess=finess))


def organization(
    *,
    name: str,
    source: str,
    finess: str = "",
    legal_finess: str = "",
    siret: str = "",
    siren: str = "",
    technical: str = "",
    kind: str = "GEOGRAPHICAL-ENTITY",
    alias: str = "",
    types: Sequence[tuple[str, str, str, str]] = (),
    phones: Sequence[str] = (),
    fax: str = "",
    email: str = "",
    address: dict[str, Any] | None = None,
    opened: str = "",
    active: bool = True,
    mailboxes: Sequence[str] = (),
) -> dict[str, Any]:
    """Profile as-dp-organization. `types` are (slice, table, code, display); `source` is FINESS or RPPS."""
    identifiers = []
    idnat = rules.idnat_struct(finess=finess, siret=siret, siren=siren, technical=technical)
    identifiers.append(identifier(rules.IDNAT_STRUCT_SYSTEM, idnat, "IDNST"))
    if finess:
        type_ = "FINEJ" if kind == "LEGAL-ENTITY" else "FINEG"
        identifiers.append(identifier(rules.FINESS_SYSTEM, finess, type_))
    if siret:
        identifiers.append(identifier(rules.SIRENE_SYSTEM, siret, "SIRET"))
    if siren:
        identifiers.append(identifier(rules.SIRENE_SYSTEM, siren, "SIREN"))
    if technical:
        identifiers.append(identifier(TECHNICAL_SYSTEM, technical, "INTRN"))
    resource: dict[str, Any] = {
        "resourceType": "Organization",
        "id": stable_id("organization", idnat),
        "meta": meta("as-dp-organization", source),
        "identifier": identifiers,
        "active": active,
        "type": [
            concept({"system": ORGANIZATION_KINDS, "code": kind}, url=ORGANIZATION_TYPES, slice_="organizationType"),
            *(
                concept(nom.coding(table, code, shown), url=ORGANIZATION_TYPES, slice_=slice_)
                for slice_, table, code, shown in types
            ),
        ],
        "name": name,
    }
    if opened:
        resource["extension"] = [
            {"url": "http://hl7.org/fhir/StructureDefinition/organization-period", "valuePeriod": {"start": opened}}
        ]
    if alias and alias != name:
        resource["alias"] = [alias]
    telecom = [{"system": "phone", "value": phone} for phone in phones if phone]
    telecom += [{"system": "fax", "value": fax}] if fax else []
    telecom += [{"system": "email", "value": email}] if email else []
    telecom += [mailbox(one, "ORG") for one in mailboxes]
    if telecom:
        resource["telecom"] = telecom
    if address:
        resource["address"] = [address]
    if legal_finess and legal_finess != finess:
        resource["partOf"] = {
            "reference": f"Organization/{organization_id(legal_finess)}",
            "identifier": identifier(rules.FINESS_SYSTEM, legal_finess, "FINEJ"),
        }
    return resource


def postal_address(
    *, lines: Sequence[str], postal_code: str = "", city: str = "", commune: str = "", country: str = ""
) -> dict[str, Any] | None:
    """An Address, None when nothing of it is known; `commune` is its INSEE code."""
    found: dict[str, Any] = {}
    if commune:
        found["extension"] = [{"url": INSEE_CODE, "valueCoding": {"system": COMMUNES, "code": commune}}]
    kept = [line.strip() for line in lines if line.strip()]
    if kept:
        found["line"] = kept
    parts = {"city": city, "postalCode": postal_code, "country": country}
    found.update({key: value for key, value in parts.items() if value})
    return found or None


def with_position(resource: dict[str, Any], latitude: float, longitude: float) -> dict[str, Any]:
    """The same structure with the position of its address (WGS 84, degrees, to about ten centimetres)."""
    position = {
        "url": GEOLOCATION,
        "extension": [
            {"url": "latitude", "valueDecimal": round(latitude, 6)},
            {"url": "longitude", "valueDecimal": round(longitude, 6)},
        ],
    }
    address = dict((resource.get("address") or [{}])[0])
    others = [e for e in address.get("extension", ()) if e.get("url") != GEOLOCATION]
    address["extension"] = [*others, position]
    return {**resource, "address": [address, *resource.get("address", [])[1:]]}
