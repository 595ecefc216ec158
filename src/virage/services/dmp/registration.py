"""From what a producer sent to what the registry keeps: subject, authors, labels and attachment in one form, metadata that
the document itself tells filled in. Pure but for the clock it is given.
"""

import copy
from collections.abc import Mapping
from typing import Any

from virage.core.callers import Caller
from virage.core.errors import Forbidden, Invalid, Issue
from virage.services.dmp import codes
from virage.services.dmp.rules import metadata
from virage.services.dmp.submission import Deposit, contained, identifiers_of, idnat
from virage.trust import interop

_PLAIN: Mapping[str, bytes | tuple[bytes, ...]] = {
    "application/pdf": b"%PDF-",
    "image/jpeg": b"\xff\xd8\xff",
    "image/png": b"\x89PNG\r\n\x1a\n",
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "application/rtf": b"{\\rtf",
    "text/rtf": b"{\\rtf",
    "text/plain": b"",
    "application/fhir+json": b"",
    "application/fhir+xml": b"",
    "application/dicom": b"",
}


def judge(deposit: Deposit, identity: interop.Traits) -> interop.Report | None:
    """Checks a document against its declared type and its patient; a CDA gives its report, other types None.

    Raises `Invalid` or `Malformed` with every finding, paths in the document.
    """
    mime = deposit.mime.split(";")[0].strip().lower()
    if not deposit.content:
        raise Invalid("Le document est vide.", code="DMP.EMPTY", path=f"{deposit.path}.content[0].attachment")
    if len(deposit.content) > interop.MAX_BYTES:
        raise Invalid(
            f"Le document dépasse {interop.MAX_BYTES // 1024 // 1024} Mio.",
            code="DMP.TOO_LARGE",
            status=413,
            issue="too-long",
        )
    _fingerprint(deposit)
    if interop.is_cda_type(mime):
        report = interop.check(deposit.content, identity)
        if not report.metadata.patient_ids and not report.metadata.authors and _declares_no_model(deposit.resource):
            # The format says « the media type is enough »: a file that designates nobody is judged as XML only.
            return None
        return report.require()
    if mime not in _PLAIN:
        raise Invalid(
            "Ce type de document n'est pas pris : CDA (text/xml), PDF, image, texte ou RTF.",
            code="DMP.MIME",
            path=f"{deposit.path}.content[0].attachment.contentType",
            issue="not-supported",
        )
    start = _PLAIN[mime]
    if start and not deposit.content.startswith(start):
        raise Invalid(
            "Le contenu du document n'est pas du type annoncé.",
            code="DMP.MIME",
            path=f"{deposit.path}.content[0].attachment",
        )
    if mime == "text/plain" and b"\x00" in deposit.content:
        raise Invalid(
            "Le contenu du document n'est pas du texte.", code="DMP.MIME", path=f"{deposit.path}.content[0].attachment"
        )
    return None


def _declares_no_model(resource: Mapping[str, Any]) -> bool:
    return (resource["content"][0].get("format") or {}).get("code") == codes.MIME_SUFFICIENT


def _fingerprint(deposit: Deposit) -> None:
    """The announced size and hash must be those of the bytes."""
    attachment = deposit.resource["content"][0]["attachment"]
    where = f"{deposit.path}.content[0].attachment"
    if "size" in attachment and attachment["size"] != len(deposit.content):
        raise Invalid("La taille annoncée n'est pas celle du document.", code="DMP.SIZE", path=f"{where}.size")
    if "hash" in attachment and attachment["hash"] != interop.hash_of(deposit.content):
        raise Invalid(
            "L'empreinte annoncée (SHA-1) n'est pas celle du document.", code="DMP.HASH", path=f"{where}.hash"
        )


def authored(
    by: Caller, resource: dict[str, Any], people: Mapping[str, Mapping[str, Any]], path: str, patient: str
) -> None:
    """Settles the authors: each gets its national identifier in clear, and the caller must be one of them; a caller whom
    the submission does not name gets the name of the directory.

    Without any author a professional or the holder is the author. Software publishes for the professionals it names.
    Raises `Forbidden` (`DMP.NOT_AUTHOR`), `Invalid` (`DMP.AUTHOR`).
    """
    authors = [dict(one) for one in resource.get("author") or () if isinstance(one, dict)]
    if not authors:
        if by.kind == "citizen":
            authors = [{"reference": f"Patient/{patient}"}]
        elif by.kind == "professional":
            authors = [{"identifier": {"system": codes.IDNAT_PS, "value": by.subject}, "display": by.name}]
        else:
            raise Invalid(
                "L'auteur du document est obligatoire.", code="DMP.AUTHOR", path=f"{path}.author", issue="required"
            )
    mine = False
    for author in authors:
        reference = str(author.get("reference", ""))
        identifiers = identifiers_of(resource, author, people)
        person = idnat(identifiers)
        if person:
            author["identifier"] = {"system": codes.IDNAT_PS, "value": person}
            author.setdefault("type", "Practitioner")
            mine = mine or person == by.subject
            held = contained(resource, reference) or people.get(reference) or {}
            if person == by.subject and by.name and "name" not in held:
                author.setdefault("display", by.name)
        elif by.kind == "citizen" and _is_patient(resource, reference, people, patient):
            author["reference"] = f"Patient/{patient}"
            mine = True
        elif identifiers and "identifier" not in author:
            author["identifier"] = {"system": identifiers[0][0], "value": identifiers[0][1]}
        who = people.get(reference)
        if who is not None and who.get("resourceType") != "Patient":
            # A person sent beside the document travels inside it from now on: this base keeps no directory.
            author["reference"] = f"#{_contain(resource, who)}"
    resource["author"] = authors
    if by.kind in ("software", "system"):
        if not any("identifier" in author for author in authors):
            raise Invalid("L'auteur du document doit être identifié.", code="DMP.AUTHOR", path=f"{path}.author")
    elif not mine:
        raise Forbidden(
            "Vous ne publiez que les documents dont vous êtes l'auteur.", code="DMP.NOT_AUTHOR", path=f"{path}.author"
        )


def _is_patient(
    resource: Mapping[str, Any], reference: str, people: Mapping[str, Mapping[str, Any]], patient: str
) -> bool:
    who = contained(resource, reference) or people.get(reference)
    if who is not None:
        return who.get("resourceType") == "Patient"
    return reference == f"Patient/{patient}" or reference.startswith("Patient?")


def _contain(resource: dict[str, Any], who: Mapping[str, Any]) -> str:
    inside = resource.setdefault("contained", [])
    local = f"p{len(inside) + 1}"
    inside.append({**{key: value for key, value in who.items() if key != "meta"}, "id": local})
    return local


def completed(resource: dict[str, Any], deposit: Deposit, report: interop.Report | None, now: str) -> None:
    """Fills in what the producer left out and the document says: a CDA's header is the source of its metadata (CI-SIS)."""
    attachment = resource["content"][0]["attachment"]
    attachment.pop("data", None)
    if report is not None:
        told = interop.document_reference(report.metadata, deposit.content, mime=deposit.mime)
        for key in ("masterIdentifier", "type", "category", "date"):
            if key in told:
                resource.setdefault(key, told[key])
        for key in ("authenticator", "custodian"):
            if key in told and key not in resource:
                name = told[key]["reference"][1:]
                who = next(one for one in told["contained"] if one["id"] == name)
                resource[key] = {"reference": f"#{_contain(resource, who)}"}
        if not metadata.labels(resource) & codes.CONFIDENTIALITY_CODES:
            resource["securityLabel"] = [*(resource.get("securityLabel") or ()), *told["securityLabel"]]
        content, said = resource["content"][0], told["content"][0]
        if "format" in said:
            content.setdefault("format", said["format"])
        for key in ("title", "creation", "language"):
            if key in said["attachment"]:
                attachment.setdefault(key, said["attachment"][key])
        context = resource.setdefault("context", {})
        for key, value in told["context"].items():
            context.setdefault(key, value)
        if not context:
            del resource["context"]
    if "category" not in resource and "type" in resource:
        code = str((resource["type"].get("coding") or [{}])[0].get("code", ""))
        category = interop.category_of(code)
        if category:
            resource["category"] = [interop.class_concept(category)]
    attachment["size"] = len(deposit.content)
    attachment["hash"] = interop.hash_of(deposit.content)
    resource.setdefault("date", now)


def registered(
    deposit: Deposit,
    *,
    by: Caller,
    patient: str,
    subject: Mapping[str, Any],
    report: interop.Report | None,
    people: Mapping[str, Mapping[str, Any]],
    now: str,
) -> dict[str, Any]:
    """The DocumentReference to store, without its id nor the address of its bytes. Raises `Invalid`, `Forbidden`."""
    resource = copy.deepcopy(deposit.resource)
    for key in ("id", "text"):
        resource.pop(key, None)
    status = resource.setdefault("status", "current")
    if status != "current":
        raise Invalid(
            "Un document se publie avec le statut « current ».", code="DMP.STATUS", path=f"{deposit.path}.status"
        )
    authored(by, resource, people, deposit.path, patient)
    completed(resource, deposit, report, now)
    wanted = metadata.labels(resource)
    unknown = wanted - codes.VISIBILITY.keys() - codes.CONFIDENTIALITY_CODES
    if unknown:
        raise Invalid(
            "Ce code de confidentialité n'est pas connu.", code="DMP.LABEL", path=f"{deposit.path}.securityLabel"
        )
    resource["securityLabel"] = metadata.canonical(wanted if wanted & codes.CONFIDENTIALITY_CODES else {*wanted, "N"})
    resource["subject"] = dict(subject)
    return resource


def warnings(report: interop.Report | None) -> tuple[Issue, ...]:
    """What the check of a document noted without refusing it."""
    return tuple(issue for issue in report.issues if issue.severity != "error") if report else ()
