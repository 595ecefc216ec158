"""Breaking the glass: traced and told."""

from datetime import UTC, datetime, timedelta

from virage.core import audit, db, events
from virage.core.callers import Caller

_GLASS_LASTS = timedelta(hours=1)


def break_glass(*, by: Caller, patient: str) -> None:
    """Traces and tells an emergency access, once an hour for the same person and record."""
    since = datetime.now(UTC) - _GLASS_LASTS
    with db.transaction():
        db.lock(f"dmp.glass:{patient}:{by.subject}")
        for past in audit.for_patient(patient, actions=("dmp.break_glass",), count=20):
            same = past["agent"][0]["who"]["identifier"]["value"] == by.subject
            if same and datetime.fromisoformat(past["recorded"]) > since:
                return
        with db.cursor() as cursor:
            cursor.execute("SELECT treating_doctor FROM dmp_record WHERE patient = %s", (patient,))
            row = cursor.fetchone()
        audit.trace(by=by, action="dmp.break_glass", patient=patient)
        events.emit(
            "dmp.glass_broken",
            {"patient": patient, "professional": by.subject, "treating_doctor": row[0] if row else ""},
            key=patient,
        )
