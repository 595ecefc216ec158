"""Every change of the desk's own state."""

from datetime import UTC, datetime
from uuid import UUID

from virage.core import audit, db
from virage.core.callers import Caller
from virage.platforms.bsp.models import Alert


def alert(*, by: Caller, professional: str, patient: str, broken_by: str, event: UUID) -> bool:
    """Tell a treating doctor that the glass was broken; an event heard twice gives one alert. Tells whether it is new."""
    with db.transaction():
        _, is_new = Alert.objects.get_or_create(
            event=event,
            defaults={
                "professional": professional,
                "patient": patient,
                "by": broken_by,
                "created_at": datetime.now(UTC),
            },
        )
        if is_new:
            audit.trace(by=by, action="bsp.notify", patient=patient, detail={"professionnel": professional})
    return is_new


def mark_read(*, by: Caller, alert: int) -> None:
    """The professional has read an alert of theirs; another's, or one that is not there, changes nothing."""
    with db.transaction():
        found = Alert.objects.filter(pk=alert, professional=by.subject, read_at=None)
        patient = found.values_list("patient", flat=True).first()
        if patient is not None:
            Alert.objects.filter(pk=alert).update(read_at=datetime.now(UTC))
            audit.trace(by=by, action="bsp.acknowledge", patient=patient)
