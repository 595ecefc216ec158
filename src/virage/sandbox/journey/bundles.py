"""What the journey's software sends to the shared record: IHE MHD ITI-65, profile PDSm."""

import base64
import hashlib
import uuid
from datetime import UTC, datetime
from typing import Any

from virage.trust import interop

_LIST_TYPE = "http://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
_IDNAT = "urn:oid:1.2.250.1.71.4.2.1"
_LOINC = "http://loinc.org"
_NATIONAL_TYPES = "https://mos.esante.gouv.fr/NOS/TRE_A05-TypeDocComplementaire/FHIR/TRE-A05-TypeDocComplementaire"


def _author(rpps: str, family: str, given: str) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": "auteur",
        "identifier": [{"system": _IDNAT, "value": f"8{rpps}"}],
        "name": [{"family": family, "given": [given]}],
    }


def submission(
    document: bytes, mime: str, *, ins: str, oid: str, rpps: str, family: str, given: str, title: str = ""
) -> tuple[dict[str, Any], str]:
    """A transaction bundle that publishes one document, and the document's unique identifier in it.

    `ins` and `oid` name the patient by a conditional reference, as a software does that does not know our ids.
    """
    patient = f"Patient?identifier=urn:oid:{oid}|{ins}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    report = interop.check(document)
    metadata = report.metadata
    unique = f"urn:oid:{metadata.id.root}" if metadata and not metadata.id.extension else ""
    if metadata and metadata.id.extension:
        unique = f"urn:oid:{metadata.id.root}^{metadata.id.extension}"
    unique = unique or f"urn:uuid:{uuid.uuid4()}"
    code = metadata.code if metadata else None
    system = _LOINC if code and code.system == "2.16.840.1.113883.6.1" else _NATIONAL_TYPES
    binary, reference, lot = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    author = _author(rpps, family, given)
    category = interop.category_of(code.code) if code else None
    described: dict[str, Any] = {
        "resourceType": "DocumentReference",
        "contained": [author],
        "masterIdentifier": {"system": "urn:ietf:rfc:3986", "value": unique},
        "identifier": [{"system": "urn:ietf:rfc:3986", "value": unique}],
        "status": "current",
        "type": {"coding": [{"system": system, "code": code.code if code else "34133-9"}]},
        "subject": {"reference": patient},
        "date": now,
        "author": [{"reference": "#auteur"}],
        "content": [
            {
                "attachment": {
                    "contentType": mime,
                    "language": "fr-FR",
                    "url": binary,
                    "size": len(document),
                    "hash": base64.b64encode(hashlib.sha1(document, usedforsecurity=False).digest()).decode(),
                    "title": title or (metadata.title if metadata else "") or "Document",
                    "creation": now,
                }
            }
        ],
        "context": {"period": {"start": now}},
    }
    if category:
        described["category"] = [{"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.1", "code": category}]}]
    submitted = {
        "resourceType": "List",
        "contained": [author],
        "identifier": [{"use": "official", "system": "urn:ietf:rfc:3986", "value": f"urn:uuid:{uuid.uuid4()}"}],
        "status": "current",
        "mode": "working",
        "code": {"coding": [{"system": _LIST_TYPE, "code": "submissionset"}]},
        "subject": {"reference": patient},
        "date": now,
        "source": {"reference": "#auteur"},
        "entry": [{"item": {"reference": reference}}],
    }
    entries = [
        (lot, "List", submitted),
        (reference, "DocumentReference", described),
        (
            binary,
            "Binary",
            {"resourceType": "Binary", "contentType": mime, "data": base64.b64encode(document).decode()},
        ),
    ]
    bundle = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"fullUrl": url, "resource": resource, "request": {"method": "POST", "url": kind}}
            for url, kind, resource in entries
        ],
    }
    return bundle, unique
