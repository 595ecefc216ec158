"""What the journey's software sends to the shared record: IHE MHD ITI-65, profile PDSm."""

import base64
import uuid
from datetime import UTC, datetime
from typing import Any

from virage.trust import interop

_LIST_TYPE = "http://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes"
_IDNAT = "urn:oid:1.2.250.1.71.4.2.1"


def _author(rpps: str, family: str, given: str) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": "auteur",
        "identifier": [{"system": _IDNAT, "value": f"8{rpps}"}],
        "name": [{"family": family, "given": [given]}],
    }


def submission(
    document: bytes, mime: str, *, ins: str, oid: str, rpps: str, family: str, given: str
) -> tuple[dict[str, Any], str]:
    """A transaction bundle that publishes one document, and the document's unique identifier in it.

    `ins` and `oid` name the patient by a conditional reference, as a software does that does not know our ids.
    """
    patient = f"Patient?identifier=urn:oid:{oid}|{ins}"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    author = _author(rpps, family, given)
    binary, reference, lot = (f"urn:uuid:{uuid.uuid4()}" for _ in range(3))
    described = interop.document_reference(interop.check(document).metadata, document, mime=mime, url=binary)
    unique = described["masterIdentifier"]["value"]
    described |= {
        "identifier": [described["masterIdentifier"]],
        "subject": {"reference": patient},
        "date": now,
        # Who publishes comes first; the authors that the document names follow.
        "contained": [author, *described.get("contained", [])],
        "author": [{"reference": "#auteur"}, *described.get("author", [])],
    }
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
