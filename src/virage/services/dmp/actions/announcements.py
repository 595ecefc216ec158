"""Documents kept from their holder until they are announced: after two weeks the holder hears of an update, after a month
the document shows by itself (R. 1111-53).
"""

from datetime import UTC, datetime, timedelta

from virage.core import audit, db, events
from virage.core.access import Everything
from virage.core.callers import Caller
from virage.core.fhir import Version
from virage.services.dmp import queries, rules
from virage.services.dmp.actions.documents import release

_BATCH = 500


def _hidden(before: datetime, since: datetime | None = None) -> list[Version]:
    """Documents hidden from their holder and untouched between two moments, oldest first."""
    params = [
        ("security-label", "INVISIBLE_PATIENT"),
        ("status", "current"),
        ("_lastUpdated", f"lt{before.isoformat(timespec='seconds')}"),
        ("_sort", "_lastUpdated"),
    ]
    if since is not None:
        params.append(("_lastUpdated", f"ge{since.isoformat(timespec='seconds')}"))
    return queries.store().search("DocumentReference", params, access=Everything(), count=_BATCH).matches


def release_due(*, by: Caller, now: datetime | None = None) -> int:
    """Shows their holder the documents hidden for a month; gives how many. Run each day."""
    due = _hidden((now or datetime.now(UTC)) - timedelta(days=rules.HIDDEN_DAYS))
    for version in due:
        release(by=by, document=version.id)
    if due:
        audit.trace(by=by, action="dmp.release_due", detail={"documents": str(len(due))})
    return len(due)


def tell_waiting(*, by: Caller, now: datetime | None = None) -> int:
    """Tells the holders of documents hidden for two weeks, on that day, that an update waits for them; gives how many."""
    end = (now or datetime.now(UTC)) - timedelta(days=rules.WAITING_DAYS)
    found = _hidden(end, end - timedelta(days=1))
    with db.transaction():
        for version in found:
            patient = queries.patient_of(version.resource)
            audit.trace(by=by, action="dmp.tell_waiting", patient=patient)
            # Not which document: what it is about is for the professional to announce.
            events.emit("dmp.update_waiting", {"patient": patient}, key=patient)
    return len(found)
