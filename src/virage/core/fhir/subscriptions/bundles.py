"""What a subscriber of a topic receives and asks for, in R4. Source: Subscriptions R5 Backport IG 1.1.0, R4 profiles."""

from collections.abc import Sequence
from typing import Any

from virage.core.fhir import json, representation
from virage.core.fhir.request import FhirRequest
from virage.core.fhir.service import FhirService
from virage.core.fhir.store import Version
from virage.core.fhir.subscriptions.table import Notice, Subscribed

_STATUS = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-subscription-status-r4"


def status(one: Subscribed, base: str, kind: str, notices: Sequence[Notice] = ()) -> dict[str, Any]:
    """The Parameters that tell the state of a subscription; `kind` is handshake, event-notification, query-status or query-event."""
    focused = one.declared.content != "empty"
    told: list[dict[str, Any]] = [
        {"name": "subscription", "valueReference": {"reference": f"{base}/Subscription/{one.id}"}},
        {"name": "status", "valueCode": one.state},
        {"name": "type", "valueCode": kind},
        {"name": "eventsSinceSubscriptionStart", "valueString": str(one.events)},
    ]
    if one.declared.topic:
        told.insert(1, {"name": "topic", "valueCanonical": one.declared.topic})
    for each in notices:
        parts: list[dict[str, Any]] = [
            {"name": "eventNumber", "valueString": str(each.number)},
            {"name": "timestamp", "valueInstant": each.at.isoformat(timespec="milliseconds")},
        ]
        if focused:
            parts.append({"name": "focus", "valueReference": {"reference": f"{base}/{each.focus}"}})
        told.append({"name": "notificationEvent", "part": parts})
    if one.problem:
        told.append({"name": "error", "valueCodeableConcept": {"text": one.problem}})
    return {"resourceType": "Parameters", "id": f"{one.id}-status", "meta": {"profile": [_STATUS]}, "parameter": told}


def history(one: Subscribed, base: str, parameters: dict[str, Any], resources: Sequence[bytes | str]) -> bytes:
    """The Bundle of a notification: the status, then each resource (its bytes, or a reference when it is not sent)."""
    entries: list[dict[str, Any]] = [
        {
            "fullUrl": f"{base}/Subscription/{one.id}/$status",
            "resource": parameters,
            "request": {"method": "GET", "url": f"Subscription/{one.id}/$status"},
            "response": {"status": "200"},
        }
    ]
    for each in resources:
        if isinstance(each, str):
            entries.append(_entry(base, each))
        else:
            found = json.loads(each)
            reference = f"{found['resourceType']}/{found['id']}"
            entries.append({**_entry(base, reference), "resource": json.fragment(each)})
    return json.dumps({"resourceType": "Bundle", "type": "history", "entry": entries})


def _entry(base: str, reference: str) -> dict[str, Any]:
    return {
        "fullUrl": f"{base}/{reference}",
        "request": {"method": "PUT", "url": reference},
        "response": {"status": "200"},
    }


def visible(one: Subscribed, service: FhirService, version: Version, base: str) -> bytes:
    """A resource as the subscriber may see it: the guards of what leaves run."""
    request = FhirRequest("GET", "", caller=one.owner, base=base)
    return representation.outgoing(request, service, version.type, version.body)
