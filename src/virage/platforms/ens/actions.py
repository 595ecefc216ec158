"""Every change of a citizen's space that is not the record's own."""

from datetime import UTC, datetime
from uuid import UUID

from virage.core import audit, db
from virage.core.callers import Caller
from virage.platforms.ens.models import Notice
from virage.platforms.ens.rules import URGENT


def tell(*, by: Caller, patient: str, kind: str, event: UUID, about: str = "", professional: str = "") -> bool:
    """Put a notice in the holder's space; an event heard twice gives one notice. Tells whether it is new."""
    with db.transaction():
        _, is_new = Notice.objects.get_or_create(
            event=event,
            defaults={
                "patient": patient,
                "kind": kind,
                "about": about,
                "professional": professional,
                "created_at": datetime.now(UTC),
            },
        )
        if is_new:
            audit.trace(by=by, action="ens.notify", patient=patient, entities=[about] if about else [])
    return is_new


def mark_read(*, by: Caller, notice: int) -> None:
    """The holder has read a notice of hers; another's, or one that is not there, changes nothing."""
    with db.transaction():
        changed = Notice.objects.filter(pk=notice, patient=by.patient, read_at=None).update(read_at=datetime.now(UTC))
        if changed:
            audit.trace(by=by, action="ens.acknowledge", patient=by.patient)


def mark_all_read(*, by: Caller) -> int:
    """The holder has read all her notices but the urgent ones, which ask for a look of their own. Answers how many."""
    with db.transaction():
        unread = Notice.objects.filter(patient=by.patient, read_at=None).exclude(kind__in=URGENT)
        changed = unread.update(read_at=datetime.now(UTC))
        if changed:
            audit.trace(by=by, action="ens.acknowledge", patient=by.patient, detail={"avis": str(changed)})
    return changed
