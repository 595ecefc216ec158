"""What a trace says, in the words of FHIR R4 AuditEvent."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson

from virage.core.callers import Caller

# Which register a caller's subject comes from (PGSSI-S, identity-and-directories 2.1); software and agents are ours.
AGENT_SYSTEMS: Mapping[str, str] = {
    "professional": "urn:oid:1.2.250.1.71.4.2.1",
    "citizen": "urn:virage:patient",
    "agent": "urn:virage:agent",
    "software": "urn:virage:client",
    "system": "urn:virage:system",
}
# TRE_R248-ModeAcces
PURPOSE_SYSTEM = "urn:oid:1.2.250.1.213.1.1.4.248"
_RPPS_SYSTEM = "https://rpps.esante.gouv.fr"
_REST = {
    "system": "http://terminology.hl7.org/CodeSystem/audit-event-type",
    "code": "rest",
    "display": "RESTful Operation",
}

# The last word of an action tells what it does to data: FHIR audit-event-action.
_VERBS: Mapping[str, str] = {
    **dict.fromkeys(("create", "publish", "notify", "import", "load", "issue", "replace", "open"), "C"),
    **dict.fromkeys(("read", "vread", "search", "history", "retrieve", "consult", "recherche", "verification"), "R"),
    **dict.fromkeys(("update", "patch", "mask", "unmask", "archive", "unarchive", "close", "reopen", "block"), "U"),
    **dict.fromkeys(("delete", "withdraw", "expunge", "revoke"), "D"),
}


def action_code(action: str) -> str:
    """The FHIR action letter (C, R, U, D, E) for a dotted action such as `dmp.publish`."""
    return _VERBS.get(action.rpartition(".")[2], "E")


def agent(by: Caller) -> dict[str, Any]:
    """The agent that asked: its register identifier, its name as shown to patients, its profession and structure."""
    identifier: dict[str, Any] = {"system": AGENT_SYSTEMS[by.kind], "value": by.subject}
    found: dict[str, Any] = {
        "who": {"identifier": identifier, "display": by.name or by.subject},
        "requestor": True,
    }
    if by.name:
        found["name"] = by.name
    if by.rpps:
        found["altId"] = by.rpps
        found["who"]["extension"] = [
            {"url": "urn:virage:rpps", "valueIdentifier": {"system": _RPPS_SYSTEM, "value": by.rpps}}
        ]
    if by.profession or by.role:
        found["role"] = [{"text": by.role or by.profession}]
    if by.client_id:
        found["policy"] = [f"urn:virage:client:{by.client_id}"]
    if by.structure:
        found["location"] = {"display": by.structure}
    return found


def build(
    by: Caller,
    action: str,
    outcome: str,
    entities: Sequence[str],
    title: str,
    detail: Mapping[str, str] | None,
    description: str,
    patient: str,
) -> dict[str, Any]:
    """An AuditEvent without `id` and `recorded`, which the database gives."""
    purpose: dict[str, Any] = {"coding": [{"system": PURPOSE_SYSTEM, "code": by.purpose}]}
    if by.reason:
        purpose["text"] = by.reason
    event: dict[str, Any] = {
        "resourceType": "AuditEvent",
        "type": _REST,
        "subtype": [{"system": "urn:virage:action", "code": action}],
        "action": action_code(action),
        "outcome": outcome,
        "purposeOfEvent": [purpose],
        "agent": [agent(by)],
        "source": {"observer": {"display": "virage"}},
    }
    if description:
        event["outcomeDesc"] = description
    found = named(entities, patient)
    if found:
        if title:
            found[0]["name"] = title
        if detail:
            found[0]["detail"] = [{"type": key, "valueString": value} for key, value in detail.items()]
        event["entity"] = found
    elif title or detail:
        entity: dict[str, Any] = {"name": title} if title else {}
        if detail:
            entity["detail"] = [{"type": key, "valueString": value} for key, value in detail.items()]
        event["entity"] = [entity]
    return event


def named(entities: Sequence[str], patient: str) -> list[dict[str, Any]]:
    """What a trace says of the resources it is about."""
    found: list[dict[str, Any]] = [{"what": {"reference": reference}} for reference in entities]
    if patient:
        # The holder comes as an entity of her own, so that AuditEvent?patient= finds what touched her record.
        found.append({"what": {"reference": f"Patient/{patient}"}, "role": {"code": "1"}})
    return found


def of_reads(by: Caller, action: str, outcome: str) -> Callable[[Sequence[str], str], str]:
    """The JSON of the traces of one caller's reads, from what they name and the patient: what they have in common is made once."""
    common = orjson.dumps(build(by, action, outcome, (), "", None, "", ""))[:-1].decode()

    def content(entities: Sequence[str], patient: str) -> str:
        found = named(entities, patient)
        return f'{common},"entity":{orjson.dumps(found).decode()}}}' if found else common + "}"

    return content
