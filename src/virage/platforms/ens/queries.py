"""What the pages show."""

from collections.abc import Iterable
from typing import Any

from django.db.models import Case, When

from virage.core.callers import Caller
from virage.platforms.ens.models import Notice
from virage.platforms.ens.rules import SENTENCES, URGENT, Access, access_of
from virage.services import dmp
from virage.trust import annuaire


def notices(patient: str, *, unread: bool = False, start: int = 0, count: int = 50) -> list[dict[str, Any]]:
    """Notices of a holder: sentence, date, whether urgent, who it was, what it is about and where to read it.

    Newest first; the unread ones with the urgent before the others.
    """
    rows = Notice.objects.filter(patient=patient).order_by("-created_at", "-id")
    if unread:
        urgent = Case(When(kind__in=URGENT, then=0), default=1)
        rows = rows.filter(read_at=None).order_by(urgent, "-created_at", "-id")
    found = list(rows[start : start + count])
    names = professional_names(row.professional for row in found if row.professional)
    return [
        {
            "id": row.pk,
            "text": SENTENCES.get(row.kind, row.kind),
            "at": row.created_at,
            "urgent": row.kind in URGENT,
            "read": row.read_at is not None,
            "who": names.get(row.professional, ""),
            # What was withdrawn is not to be read any more.
            "document": "" if row.kind == "dmp.withdrawn" else row.about.removeprefix("DocumentReference/"),
        }
        for row in found
    ]


def unread_count(patient: str) -> int:
    """How many notices the holder has not read."""
    return Notice.objects.filter(patient=patient, read_at=None).count()


def professional_names(identifiers: Iterable[str]) -> dict[str, str]:
    """The name in the directory of each idNat_PS (`8` + RPPS), or the number itself where the directory has none."""
    asked = set(identifiers)
    known = annuaire.names(one[1:] for one in asked if one[:1] == "8" and len(one) == 12)
    return {one: known.get(one[1:], one) for one in asked}


def professional_name(identifier: str) -> str:
    """The same for one of them."""
    return professional_names([identifier])[identifier]


def accesses(by: Caller, *, after: str = "", document: str = "", others: bool = False, count: int = 50) -> list[Access]:
    """Who did what in the holder's record, or with one document, newest first; `after` is the last line of the page before,
    `others` leaves out the holder.
    """
    found = dmp.traces_for(by.patient, after=after, document=document, others=others, count=count)
    return [access_of(event, by.patient) for event in found]
