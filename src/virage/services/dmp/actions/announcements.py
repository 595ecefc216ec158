"""Documents kept from their holder until they are announced: after two weeks the holder hears of an update, after a month
the document shows by itself (R. 1111-53).
"""

from datetime import UTC, datetime, timedelta

from virage.core import audit, db, events
from virage.core.access import Everything
from virage.core.callers import Caller
from virage.core.fhir.store import Page
from virage.services.dmp import queries, rules
from virage.services.dmp.actions.documents import release

_BATCH = 500


def _hidden(before: datetime, since: datetime | None = None, cursor: str | None = None) -> Page:
    """A page of the documents hidden from their holder and untouched between two moments, oldest first."""
    params = [
        ("security-label", "INVISIBLE_PATIENT"),
        ("status", "current"),
        ("_lastUpdated", f"lt{before.isoformat(timespec='seconds')}"),
        ("_sort", "_lastUpdated"),
    ]
    if since is not None:
        params.append(("_lastUpdated", f"ge{since.isoformat(timespec='seconds')}"))
    return queries.store().search("DocumentReference", params, access=Everything(), count=_BATCH, cursor=cursor)


def release_due(*, by: Caller, now: datetime | None = None) -> int:
    """Shows their holder the documents hidden for a month; gives how many. Run each day."""
    due = _hidden((now or datetime.now(UTC)) - timedelta(days=rules.HIDDEN_DAYS)).matches
    for version in due:
        release(by=by, document=version.id)
    if due:
        audit.trace(by=by, action="dmp.release_due", detail={"documents": str(len(due))})
    return len(due)


def tell_waiting(*, by: Caller, now: datetime | None = None) -> int:
    """Tells the holders of documents hidden for two weeks, in the day before `now`, that an update waits for them; gives how many."""
    end = (now or datetime.now(UTC)) - timedelta(days=rules.WAITING_DAYS)
    told, cursor = 0, None
    while True:
        page = _hidden(end, end - timedelta(days=1), cursor)
        with db.transaction():
            for version in page.matches:
                patient = queries.patient_of(version.resource)
                audit.trace(by=by, action="dmp.tell_waiting", patient=patient)
                # Not which document: what it is about is for the professional to announce.
                events.emit("dmp.update_waiting", {"patient": patient}, key=patient)
        told, cursor = told + len(page.matches), page.next
        if cursor is None:
            return told
