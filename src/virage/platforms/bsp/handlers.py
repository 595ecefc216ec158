"""What the desk hears of the shared record."""

from virage.core.callers import system
from virage.core.events import Event
from virage.platforms.bsp import actions


def on_glass_broken(event: Event) -> None:
    """The treating doctor is told, unless there is none or it was they who broke the glass."""
    doctor, broken_by = str(event.payload.get("treating_doctor") or ""), str(event.payload["professional"])
    if doctor and doctor != broken_by:
        actions.alert(
            by=system("bsp"),
            professional=doctor,
            patient=str(event.payload["patient"]),
            broken_by=broken_by,
            event=event.id,
        )
