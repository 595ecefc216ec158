"""Reads what a producer sends: an ITI-65 bundle or an ITI-105 DocumentReference. Pure: values in, values out.

Sources: IHE MHD 4.2 (ITI-65, ITI-105; older 3.x shapes are read too), PDSm 3.1 flows 01, 03 and 09.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virage.core.errors import Invalid, Malformed
from virage.core.fhir import json
from virage.services.dmp import codes

MAX_DOCUMENTS = 50
_SUPPORT = frozenset({"Practitioner", "PractitionerRole", "Organization", "Device", "RelatedPerson"})
_WHERE = re.compile(r"Patient\?(?:.*&)?identifier=([^&]+)")


@dataclass(slots=True)
class Deposit:
    """One document to publish: its metadata as sent, its bytes, where it stands in what was sent."""

    resource: dict[str, Any]
    content: bytes
    mime: str
    path: str
    full_url: str = ""


@dataclass(slots=True)
class Patching:
    """A metadata update inside a submission: which document, and the patch resource."""

    document: str
    resource: dict[str, Any]
    path: str


@dataclass(slots=True)
class Submission:
    """A lot: its List (None for ITI-105), its documents, its metadata updates.

    `kinds` says for each entry of the bundle what answers it: `("list", 0)`, `("document", 1)`, `("binary", 1)` (the
    document whose bytes it holds), `("patch", 0)`, `("support", 0)`. `people` are the resources of the bundle by fullUrl.
    """

    lots: list[dict[str, Any]] = field(default_factory=list)
    deposits: list[Deposit] = field(default_factory=list)
    patches: list[Patching] = field(default_factory=list)
    kinds: list[tuple[str, int]] = field(default_factory=list)
    people: dict[str, dict[str, Any]] = field(default_factory=dict)
    lot_urls: list[str] = field(default_factory=list)


def _refuse(text: str, path: str, code: str = "DMP.SUBMISSION") -> Invalid:
    return Invalid(text, code=code, path=path)


def is_lot(resource: Mapping[str, Any]) -> bool:
    """Whether a List is a submission set."""
    return any(
        one.get("code") == "submissionset" and one.get("system", "") in codes.LIST_TYPES
        for one in (resource.get("code") or {}).get("coding") or ()
    )


def decoded(data: Any, path: str) -> bytes:
    """Base64 content. Raises `Invalid` when it is not."""
    try:
        return base64.b64decode("".join(str(data).split()), validate=True)
    except (binascii.Error, ValueError):
        raise _refuse("Le contenu du document n'est pas du base64.", path) from None


def parse(bundle: Mapping[str, Any]) -> Submission:
    """An ITI-65 transaction. Raises `Malformed` or `Invalid` with the path of the entry at fault."""
    entries = bundle.get("entry") or []
    if not isinstance(entries, list) or not entries:
        raise Malformed(
            "Le lot est vide : il contient un List, ses DocumentReference et leurs Binary.",
            code="DMP.SUBMISSION",
            path="Bundle.entry",
        )
    result = Submission()
    files: dict[str, tuple[dict[str, Any], int]] = {}
    for index, entry in enumerate(entries):
        path = f"Bundle.entry[{index}]"
        resource = entry.get("resource") if isinstance(entry, dict) else None
        request = entry.get("request") if isinstance(entry, dict) else None
        if not isinstance(resource, dict) or not isinstance(request, dict):
            raise Malformed("Chaque entrée du lot porte une ressource et sa requête.", code="DMP.SUBMISSION", path=path)
        kind, method = str(resource.get("resourceType")), request.get("method")
        url, full = str(request.get("url", "")), str(entry.get("fullUrl", ""))
        if method == "PATCH" and url.startswith("DocumentReference/") and kind in ("Parameters", "Binary"):
            result.kinds.append(("patch", len(result.patches)))
            result.patches.append(Patching(url.partition("/")[2], resource, f"{path}.resource"))
        elif method != "POST":
            raise _refuse(
                "Un lot ne fait que créer (POST) et remplacer le statut d'un document (PATCH).",
                f"{path}.request.method",
            )
        elif kind == "List":
            result.kinds.append(("list", len(result.lots)))
            result.lots.append(resource)
            result.lot_urls.append(full)
        elif kind == "DocumentReference":
            result.kinds.append(("document", len(result.deposits)))
            result.deposits.append(Deposit(resource, b"", "", f"{path}.resource", full))
        elif kind in ("Binary", "Bundle"):
            result.kinds.append(("binary", -1))
            files[full or f"{kind}/{resource.get('id', '')}"] = (resource, index)
        elif kind == "Patient" or kind in _SUPPORT:
            result.kinds.append(("support", 0))
            result.people[full or f"{kind}/{resource.get('id', '')}"] = resource
        else:
            raise _refuse(
                "Ce type de ressource n'a pas sa place dans un lot de documents.", f"{path}.resource.resourceType"
            )
    if sum(map(is_lot, result.lots)) != 1:
        raise _refuse("Un lot contient exactement un List de code « submissionset ».", "Bundle.entry", "DMP.NO_LOT")
    if not result.deposits and not result.patches:
        raise _refuse("Un lot contient au moins un document.", "Bundle.entry")
    if len(result.deposits) > MAX_DOCUMENTS:
        raise _refuse(f"Un lot contient au plus {MAX_DOCUMENTS} documents.", "Bundle.entry")
    for number, deposit in enumerate(result.deposits):
        _attach(deposit, files, result.kinds, number)
    unused = [index for index, (kind, number) in enumerate(result.kinds) if kind == "binary" and number < 0]
    if unused:
        raise _refuse("Ce contenu n'est désigné par aucun document du lot.", f"Bundle.entry[{unused[0]}]")
    return result


def attachment_of(resource: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The one attachment of a DocumentReference. Raises `Invalid` when there is none, or several."""
    contents = resource.get("content")
    if not isinstance(contents, list) or len(contents) != 1 or not isinstance(contents[0], dict):
        raise _refuse("Une fiche décrit exactement un document (content).", f"{path}.content")
    attachment = contents[0].get("attachment")
    if not isinstance(attachment, dict) or not attachment.get("contentType"):
        raise _refuse(
            "Le type du document (attachment.contentType) est obligatoire.", f"{path}.content[0].attachment.contentType"
        )
    return attachment


def _attach(
    deposit: Deposit, files: Mapping[str, tuple[dict[str, Any], int]], kinds: list[tuple[str, int]], number: int
) -> None:
    """Finds the bytes of a document: inline, or in the entry that its `attachment.url` names."""
    attachment = attachment_of(deposit.resource, deposit.path)
    deposit.mime = str(attachment["contentType"])
    where = f"{deposit.path}.content[0].attachment"
    if "data" in attachment:
        deposit.content = decoded(attachment["data"], f"{where}.data")
        return
    found = files.get(str(attachment.get("url", "")))
    if found is None:
        raise _refuse(
            "Le contenu du document n'est pas dans le lot : attachment.url désigne une entrée Binary.",
            f"{where}.url",
            "DMP.NO_CONTENT",
        )
    binary, index = found
    kinds[index] = ("binary", number)
    if binary.get("resourceType") == "Bundle":
        deposit.content = json.dumps(binary)
    elif "data" not in binary:
        raise _refuse("Le Binary du document est vide.", f"Bundle.entry[{index}].resource.data", "DMP.NO_CONTENT")
    else:
        deposit.content = decoded(binary["data"], f"Bundle.entry[{index}].resource.data")


def simplified(resource: dict[str, Any]) -> Submission:
    """An ITI-105 publication: a DocumentReference whose attachment holds its data."""
    attachment = attachment_of(resource, "DocumentReference")
    if "data" not in attachment:
        raise _refuse(
            "La publication simplifiée porte le document dans attachment.data.",
            "DocumentReference.content[0].attachment.data",
            "DMP.NO_CONTENT",
        )
    deposit = Deposit(resource, b"", "", "DocumentReference")
    _attach(deposit, {}, [], 0)
    return Submission(deposits=[deposit], kinds=[("document", 0)])


def contained(resource: Mapping[str, Any], reference: str) -> Mapping[str, Any] | None:
    """What a `#id` reference points at, or None."""
    if not reference.startswith("#"):
        return None
    return next(
        (one for one in resource.get("contained") or () if isinstance(one, dict) and one.get("id") == reference[1:]),
        None,
    )


def subject_pointers(
    resource: Mapping[str, Any], people: Mapping[str, Mapping[str, Any]]
) -> tuple[str, list[tuple[str, str]]]:
    """How a resource designates its patient: a logical reference `Patient/x` (possibly empty), and (system, value) identifiers.

    Reads a plain or conditional reference, a contained Patient, a Patient of the bundle, an identifier; without any subject,
    the source patient (MHD minimal metadata).
    """
    subject = resource.get("subject")
    if not isinstance(subject, dict):
        subject = (
            (resource.get("context") or {}).get("sourcePatientInfo")
            if isinstance(resource.get("context"), dict)
            else None
        )
    if not isinstance(subject, dict):
        return "", []
    reference = str(subject.get("reference", ""))
    found: list[tuple[str, str]] = []
    conditional = _WHERE.search(reference)
    patient = contained(resource, reference) or people.get(reference)
    if conditional:
        system, _, value = (
            conditional[1]
            .replace("%7C", "|")
            .replace("%3A", ":")
            .replace("%7c", "|")
            .replace("%3a", ":")
            .partition("|")
        )
        found.append((system, value))
        reference = ""
    elif patient is not None:
        found += [
            (str(one.get("system", "")), str(one.get("value", "")))
            for one in patient.get("identifier") or ()
            if isinstance(one, dict)
        ]
        reference = ""
    if isinstance(subject.get("identifier"), dict):
        found.append((str(subject["identifier"].get("system", "")), str(subject["identifier"].get("value", ""))))
    return reference, found


def identifiers_of(
    resource: Mapping[str, Any], pointer: Mapping[str, Any], people: Mapping[str, Mapping[str, Any]]
) -> list[tuple[str, str]]:
    """(system, value) of whom a reference designates, through contained resources, the bundle, or the identifier it holds.

    A PractitionerRole gives its own identifiers, then those of its practitioner.
    """
    found: list[tuple[str, str]] = []
    if isinstance(pointer.get("identifier"), dict):
        found.append((str(pointer["identifier"].get("system", "")), str(pointer["identifier"].get("value", ""))))
    reference = str(pointer.get("reference", ""))
    conditional = re.match(r"Practitioner(?:Role)?\?(?:.*&)?identifier=([^&]+)", reference)
    if conditional:
        system, _, value = conditional[1].replace("%7C", "|").partition("|")
        found.append((system, value))
    who = contained(resource, reference) or people.get(reference)
    if who is not None:
        found += [
            (str(one.get("system", "")), str(one.get("value", "")))
            for one in who.get("identifier") or ()
            if isinstance(one, dict)
        ]
        further = who.get("practitioner")
        if (
            who.get("resourceType") == "PractitionerRole"
            and isinstance(further, dict)
            and further.get("reference") != reference
        ):
            found += identifiers_of(resource, further, people)
    return found


def idnat(identifiers: list[tuple[str, str]]) -> str:
    """The idNat_PS among identifiers (`8` + RPPS), from the national system or from a bare RPPS; empty when there is none."""
    for system, value in identifiers:
        if system in (codes.IDNAT_PS, codes.IDNAT_PS.removeprefix("urn:oid:")) and value:
            # An RPPS of 11 digits alone is met too under this system.
            return f"8{value}" if value.isdigit() and len(value) == 11 else value
        if not system and len(value) == 12 and value.isdigit() and value[0] == "8":
            return value
        if system in (codes.RPPS, "urn:oid:1.2.250.1.71.4.2.1.8") and value:
            return value if len(value) == 12 else f"8{value}"
    return ""
