"""Takes the header of a CDA apart: XML in, plain values out. No judgement here, that is `rules`."""

from typing import Any

from virage.trust.interop import volets
from virage.trust.interop.reader import NS, Document
from virage.trust.interop.timestamps import fhir_date, fhir_datetime
from virage.trust.interop.values import (
    INS_OIDS,
    CdaMetadata,
    Code,
    Id,
    Organisation,
    Participant,
    Traits,
)


def text_of(node: Any) -> str:
    """All the text below a node, white space collapsed; empty for None."""
    return " ".join("".join(node.itertext()).split()) if node is not None else ""


def find(node: Any, path: str) -> Any:
    """First element at a path of plain CDA names (`author/time`), or None."""
    return None if node is None else node.find("/".join(f"c:{step}" for step in path.split("/")), NS)


def find_all(node: Any, path: str) -> list[Any]:
    """Every element at a path of plain CDA names."""
    return [] if node is None else node.findall("/".join(f"c:{step}" for step in path.split("/")), NS)


def code_of(node: Any) -> Code | None:
    """A coded element, or None when it says nothing."""
    if node is None or not node.get("code"):
        return None
    return Code(node.get("code"), node.get("codeSystem", ""), node.get("displayName", ""))


def id_of(node: Any) -> Id | None:
    """An `id` element, or None without a root."""
    if node is None or not node.get("root"):
        return None
    return Id(node.get("root").strip(), (node.get("extension") or "").strip())


def name_of(node: Any) -> str:
    """A person's name in reading order: title, given names, family name."""
    if node is None:
        return ""
    parts = [text_of(find(node, step)) for step in ("suffix", "prefix", "given", "family")]
    shown = [part for part in ([parts[0] or parts[1], *parts[2:]]) if part]
    return " ".join(shown) if shown else text_of(node)


def organisation_of(node: Any) -> Organisation | None:
    """A `representedOrganization` or custodian."""
    if node is None:
        return None
    return Organisation(
        text_of(find(node, "name")), id_of(find(node, "id")), code_of(find(node, "standardIndustryClassCode"))
    )


def participant_of(node: Any, entity: str) -> Participant | None:
    """An author (`entity` `assignedAuthor`), authenticator or performer (`assignedEntity`)."""
    if node is None:
        return None
    who = find(node, entity)
    time = find(node, "time")
    device = find(who, "assignedAuthoringDevice")
    name = find(who, "assignedPerson/name")
    return Participant(
        ident=id_of(find(who, "id")),
        name=name_of(name),
        family=text_of(find(name, "family")),
        given=tuple(filter(None, map(text_of, find_all(name, "given")))),
        specialty=code_of(find(who, "code")),
        role=code_of(find(node, "functionCode")),
        time=fhir_datetime(time.get("value", "")) if time is not None else "",
        device=" ".join(
            filter(None, (text_of(find(device, "manufacturerModelName")), text_of(find(device, "softwareName"))))
        ),
        organisation=organisation_of(find(who, "representedOrganization")),
    )


def traits_of(patient_role: Any) -> Traits:
    """The INS traits that the header carries; the first identifier with an INS OID is the matricule."""
    ids = [found for node in find_all(patient_role, "id") if (found := id_of(node))]
    ins = next((one for one in ids if one.root in INS_OIDS), None)
    patient = find(patient_role, "patient")
    names = find_all(patient, "name")

    def parts(tag: str, qualifier: str | None) -> str:
        found = [
            text_of(node)
            for name in names
            for node in find_all(name, tag)
            if (node.get("qualifier") or None) == qualifier
        ]
        return " ".join(part for part in found if part)

    birth, sex = find(patient, "birthTime"), find(patient, "administrativeGenderCode")
    return Traits(
        matricule=ins.extension if ins else "",
        oid=ins.root if ins else "",
        birth_name=parts("family", "BR"),
        given_names=parts("given", None),
        first_given=parts("given", "BR"),
        birth_date=fhir_date(birth.get("value", "")) if birth is not None else "",
        sex=sex.get("code", "") if sex is not None else "",
        birth_place=text_of(find(patient, "birthplace/place/addr/county")),
        used_name=parts("family", "CL"),
        used_given=parts("given", "CL"),
    )


def main_service_event(root: Any) -> Any:
    """The main act: the first `documentationOf/serviceEvent` with a performer, else the first."""
    events = find_all(root, "documentationOf/serviceEvent")
    return next((event for event in events if find(event, "performer") is not None), events[0] if events else None)


def interval(node: Any) -> tuple[str, str]:
    """Low and high of an `effectiveTime`, either of them possibly empty; a plain value is the low."""
    if node is None:
        return "", ""
    low, high = find(node, "low"), find(node, "high")
    start = (low.get("value") if low is not None else node.get("value")) or ""
    stop = (high.get("value") if high is not None else "") or ""
    return fhir_datetime(start), fhir_datetime(stop)


def metadata(document: Document) -> CdaMetadata:
    """Everything the header says, and the level of the body. Never raises on a sound XML tree."""
    root = document.root
    event = main_service_event(root)
    start, stop = interval(find(event, "effectiveTime"))
    performer = participant_of(find(event, "performer"), "assignedEntity")
    version = find(root, "versionNumber")
    number = version.get("value", "") if version is not None else ""
    language, effective = find(root, "languageCode"), find(root, "effectiveTime")
    body = find(root, "component/nonXMLBody/text")
    templates = tuple(found for node in find_all(root, "templateId") if (found := id_of(node)))
    media = body.get("mediaType", "text/plain") if body is not None else ""
    model = volets.recognise(templates)
    replaced = next((node for node in find_all(root, "relatedDocument") if node.get("typeCode") == "RPLC"), None)
    encounter = find(root, "componentOf/encompassingEncounter")
    return CdaMetadata(
        id=id_of(find(root, "id")),
        set_id=id_of(find(root, "setId")),
        version=int(number) if number.isascii() and number.isdigit() and len(number) < 10 else None,
        code=code_of(find(root, "code")),
        title=text_of(find(root, "title")),
        effective_time=fhir_datetime(effective.get("value", "")) if effective is not None else "",
        confidentiality=code_of(find(root, "confidentialityCode")),
        language=language.get("code", "") if language is not None else "",
        patient_ids=tuple(found for node in find_all(root, "recordTarget/patientRole/id") if (found := id_of(node))),
        traits=traits_of(find(root, "recordTarget/patientRole")),
        authors=tuple(filter(None, (participant_of(node, "assignedAuthor") for node in find_all(root, "author")))),
        custodian=organisation_of(find(root, "custodian/assignedCustodian/representedCustodianOrganization")),
        legal_authenticator=participant_of(find(root, "legalAuthenticator"), "assignedEntity"),
        performer=performer,
        service_start=start,
        service_stop=stop,
        acts=tuple(filter(None, map(code_of, find_all(root, "documentationOf/serviceEvent/code")))),
        facility_type=code_of(find(encounter, "location/healthCareFacility/code")),
        encounter_type=code_of(find(encounter, "code")),
        practice_setting=performer.organisation.setting if performer and performer.organisation else None,
        template_ids=templates,
        level="N1" if body is not None else "N3",
        media_type=media,
        format_code=volets.format_of(model, media, level="N1" if body is not None else "N3"),
        model=model.title if model else "",
        replaces=id_of(find(replaced, "parentDocument/id")) if replaced is not None else None,
        self_rendering=document.self_rendering,
        sections=tuple(text_of(node) for node in root.iterfind("c:component/c:structuredBody//c:section/c:title", NS)),
    )
