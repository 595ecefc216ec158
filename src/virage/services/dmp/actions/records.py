"""The life of a record: notice, opposition, opening, closing, reopening, destruction."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

from virage.core import audit, db, events, settings
from virage.core.access import Everything
from virage.core.callers import Caller
from virage.core.errors import Forbidden
from virage.services.dmp import queries, rules
from virage.services.dmp.models import Authorisation, Content, Record
from virage.services.dmp.rules import State

_BATCH = 1000


def _entitled(by: Caller, patient: str) -> None:
    """The holder decides; the manager of the service (an agent, the house itself) acts on their request."""
    if not ((by.kind == "citizen" and by.patient == patient) or by.kind in ("agent", "system")):
        raise Forbidden("Seul le titulaire d'un dossier médical partagé en décide.", code="DMP.HOLDER_ONLY")


def _moved(by: Caller, patient: str, verb: str, event: str, **changes: Any) -> Record:
    """Takes the record through a verb of its life cycle, inside one transaction. Raises `Conflict` (`DMP.STATE`)."""
    with db.transaction():
        db.lock(f"dmp.record:{patient}")
        record = Record.objects.select_for_update().filter(pk=patient).first() or Record(
            patient=patient, state=State.NON_CREE
        )
        record.state = rules.move(State(record.state), verb)
        for name, value in changes.items():
            setattr(record, name, value)
        record.save()
        audit.trace(by=by, action=f"dmp.{verb}", patient=patient)
        events.emit(event, {"patient": patient}, key=patient)
    return record


def notify(*, by: Caller, patient: str, on: date | None = None) -> Record:
    """The holder-to-be is told of the coming record and of the right to oppose. Raises Conflict when a record is there."""
    if by.kind not in ("agent", "system"):
        raise Forbidden("La notification revient au gestionnaire du service.", code="DMP.MANAGER_ONLY")
    return _moved(by, patient, "notify", "dmp.notified", notified_on=on or datetime.now(UTC).date())


def oppose(*, by: Caller, patient: str) -> Record:
    """The person opposes within the delay. Raises Forbidden, Conflict."""
    _entitled(by, patient)
    return _moved(by, patient, "oppose", "dmp.opposed")


def open_record(*, by: Caller, patient: str) -> Record:
    """The record opens, by the holder's wish or at the end of the delay. Raises Forbidden, Conflict."""
    _entitled(by, patient)
    return _moved(by, patient, "open", "dmp.opened", opened_at=datetime.now(UTC))


def close(*, by: Caller, patient: str, reason: str = "") -> Record:
    """The record is closed and kept ten years. Raises Forbidden, Conflict."""
    _entitled(by, patient)
    return _moved(by, patient, "close", "dmp.closed", closed_at=datetime.now(UTC), closing_reason=reason[:200])


def reopen(*, by: Caller, patient: str) -> Record:
    """A closed record opens again with what it held. Raises Forbidden, Conflict."""
    _entitled(by, patient)
    return _moved(by, patient, "reopen", "dmp.reopened", closed_at=None, closing_reason="")


def open_due(*, by: Caller, today: date | None = None) -> int:
    """Opens the records whose notice is past its delay and that nobody opposed; gives how many. Run each day."""
    last = (today or datetime.now(UTC).date()) - timedelta(days=settings.number("VIRAGE_DMP_NOTICE_DAYS", 1))
    due = Record.objects.filter(state=State.NOTIFIE, notified_on__lte=last).values_list("patient", flat=True)[:_BATCH]
    for patient in due:
        open_record(by=by, patient=patient)
    return len(due)


def destroy_due(*, by: Caller, today: date | None = None) -> int:
    """Destroys the records closed for ten years: documents are erased from the space, the state says so; gives how many."""
    now = today or datetime.now(UTC).date()
    done = 0
    for record in Record.objects.filter(state=State.FERME, closed_at__isnull=False).order_by("closed_at")[:_BATCH]:
        if record.closed_at is None or rules.destruction_date(record.closed_at.date()) > now:
            break
        with db.transaction():
            _forget(by, record.patient)
            _moved(by, record.patient, "destroy", "dmp.destroyed")
        done += 1
    return done


def _forget(by: Caller, patient: str) -> None:
    """Erases the documents, lots and permissions of a record; its traces stay. Blobs that nothing mentions are harmless."""
    engine = queries.store()
    for kind in ("DocumentReference", "List"):
        while True:
            page = engine.search(kind, [("patient", f"Patient/{patient}")], access=Everything(), count=200)
            if not page.matches:
                break
            for version in page.matches:
                engine.delete(kind, version.id, by=by)
    Content.objects.filter(patient=patient).delete()
    Authorisation.objects.filter(patient=patient).delete()
