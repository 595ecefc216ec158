"""What the space hears of the shared record."""

from virage.core.callers import system
from virage.core.events import Event
from virage.platforms.ens import actions


def on_record_event(event: Event) -> None:
    """Turn an event of the record into a notice for its holder, unless she did it herself."""
    payload = event.payload
    patient = str(payload["patient"])
    if payload.get("by") == patient:
        return
    document = str(payload.get("document", ""))
    actions.tell(
        by=system("ens"),
        patient=patient,
        kind=event.name,
        event=event.id,
        about=f"DocumentReference/{document}" if document else "",
        professional=str(payload.get("professional") or payload.get("by") or ""),
    )
