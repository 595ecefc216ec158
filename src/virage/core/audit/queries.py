"""Reading traces back as AuditEvents."""

from datetime import datetime
from typing import Any

import orjson

from virage.core import db
from virage.core.errors import Malformed

_SELECT = "SELECT lane, seq, recorded, content::text FROM audit_trace WHERE "


def _event(lane: int, seq: int, recorded: datetime, content: str) -> dict[str, Any]:
    event: dict[str, Any] = orjson.loads(content)
    return {
        "resourceType": "AuditEvent",
        "id": f"{lane}-{seq}",
        **{k: v for k, v in event.items() if k != "resourceType"},
        "recorded": recorded.astimezone().isoformat(timespec="milliseconds"),
    }


def _place(identifier: str) -> tuple[int, int] | None:
    """Lane and rank of an event's id, None when it is not one."""
    lane, _, seq = identifier.partition("-")
    if not (identifier.isascii() and lane.isdigit() and seq.isdigit() and len(seq) < 19 and len(lane) < 4):
        return None
    return int(lane), int(seq)


def _page(
    where: str, value: str, after: str, actions: tuple[str, ...], count: int, about: str = "", but: str = ""
) -> list[dict[str, Any]]:
    clauses = [where]
    values: list[Any] = [value]
    if after:
        # The moment alone would lose what was traced in the same instant as the last line of the page.
        place = _place(after)
        if place is None:
            # An empty page would say that nobody looked.
            raise Malformed("Cette suite de la liste n’existe pas : reprenez la liste au début.", code="AUDIT.AFTER")
        moment = "(SELECT recorded FROM audit_trace WHERE lane = %s AND seq = %s)"
        clauses.append(f"recorded <= {moment}")
        clauses.append(f"(recorded < {moment} OR lane > %s OR (lane = %s AND seq < %s))")
        values += [*place, *place, place[0], *place]
    if actions:
        clauses.append("action = ANY(%s)")
        values.append(list(actions))
    if about:
        clauses.append(
            "content::jsonb -> 'entity' @> jsonb_build_array(jsonb_build_object('what', jsonb_build_object('reference', %s::text)))"
        )
        values.append(about)
    if but:
        clauses.append("subject <> %s")
        values.append(but)
    with db.cursor() as cursor:
        cursor.execute(
            _SELECT + " AND ".join(clauses) + " ORDER BY recorded DESC, lane, seq DESC LIMIT %s", [*values, count]
        )
        return [_event(*found) for found in cursor.fetchall()]


def for_patient(
    patient: str,
    *,
    after: str = "",
    actions: tuple[str, ...] = (),
    about: str = "",
    but: str = "",
    count: int = 100,
) -> list[dict[str, Any]]:
    """AuditEvents that concern a patient (logical id), newest first; `actions` narrows to some dotted actions, `about` to those
    that name a resource (`Type/id`), `but` leaves out what one subject did.

    `after` is the id of the last event of the page before: none is lost or told twice. Raises Malformed when it is no id.
    """
    return _page("patient = %s", patient, after, actions, count, about, but)


def of_subject(subject: str, *, actions: tuple[str, ...] = (), count: int = 100) -> list[dict[str, Any]]:
    """AuditEvents of what one caller did, newest first."""
    return _page("subject = %s", subject, "", actions, count)


def one(identifier: str) -> dict[str, Any] | None:
    """The AuditEvent with this id (`lane-seq`), or None."""
    place = _place(identifier)
    if place is None:
        return None
    with db.cursor() as cursor:
        cursor.execute(_SELECT + "lane = %s AND seq = %s", list(place))
        found = cursor.fetchone()
    return _event(*found) if found else None
