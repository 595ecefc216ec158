"""Reading traces back as AuditEvents."""

from datetime import datetime
from typing import Any

import orjson

from virage.core import db

_SELECT = "SELECT lane, seq, recorded, content::text FROM audit_trace WHERE "


def _event(lane: int, seq: int, recorded: datetime, content: str) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(content)
    return {
        "resourceType": "AuditEvent",
        "id": f"{lane}-{seq}",
        **{k: v for k, v in event.items() if k != "resourceType"},
        "recorded": recorded.astimezone().isoformat(timespec="milliseconds"),
    }


def _page(
    where: str, value: str, before: datetime | None, actions: tuple[str, ...], count: int
) -> list[dict[str, Any]]:
    clauses = [where]
    values: list[Any] = [value]
    if before is not None:
        clauses.append("recorded < %s")
        values.append(before)
    if actions:
        clauses.append("action = ANY(%s)")
        values.append(list(actions))
    with db.cursor() as cursor:
        cursor.execute(
            _SELECT + " AND ".join(clauses) + " ORDER BY recorded DESC, lane, seq DESC LIMIT %s", [*values, count]
        )
        return [_event(*found) for found in cursor.fetchall()]


def for_patient(
    patient: str, *, before: datetime | None = None, actions: tuple[str, ...] = (), count: int = 100
) -> list[dict[str, Any]]:
    """AuditEvents that concern a patient (logical id), newest first; `actions` narrows to some dotted actions."""
    return _page("patient = %s", patient, before, actions, count)


def of_subject(
    subject: str, *, before: datetime | None = None, actions: tuple[str, ...] = (), count: int = 100
) -> list[dict[str, Any]]:
    """AuditEvents of what one caller did, newest first."""
    return _page("subject = %s", subject, before, actions, count)


def one(identifier: str) -> dict[str, Any] | None:
    """The AuditEvent with this id (`lane-seq`), or None."""
    lane, _, seq = identifier.partition("-")
    if not (lane.isdigit() and seq.isdigit() and len(seq) < 19 and len(lane) < 4):
        return None
    with db.cursor() as cursor:
        cursor.execute(_SELECT + "lane = %s AND seq = %s", [int(lane), int(seq)])
        found = cursor.fetchone()
    return _event(*found) if found else None
