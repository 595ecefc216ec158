"""Reads of the shared record, for this room and through its public face."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db.models import Q

from virage.core import audit, blobs
from virage.core.access import InPatient
from virage.core.callers import Caller
from virage.core.errors import Unknown
from virage.core.fhir import Store, Version, patient_key
from virage.core.fhir.store import places
from virage.services.dmp import access
from virage.services.dmp.models import Authorisation, Content, Record
from virage.services.dmp.parameters import SPACE
from virage.services.dmp.rules import State

TRACED = [
    "dmp.publish",
    "dmp.replace",
    "dmp.submit",
    "dmp.search",
    "dmp.consult",
    "dmp.retrieve",
    "dmp.mask",
    "dmp.unmask",
    "dmp.hide",
    "dmp.release",
    "dmp.hide_from_guardians",
    "dmp.show_to_guardians",
    "dmp.relabel",
    "dmp.archive",
    "dmp.unarchive",
    "dmp.withdraw",
    "dmp.supersede",
    "dmp.break_glass",
    "dmp.authorise",
    "dmp.block",
    "dmp.unblock",
    "dmp.declare_treating_doctor",
    "dmp.refuse_emergency",
    "dmp.accept_emergency",
    "dmp.notify",
    "dmp.oppose",
    "dmp.open",
    "dmp.close",
    "dmp.reopen",
    "dmp.destroy",
    "dmp.status",
    "dmp.traces",
    "dmp.load",
]
"""The actions whose traces a holder reads."""


def store() -> Store:
    """The store of this room's space."""
    return Store(SPACE)


def new_id(patient: str) -> str:
    """A new logical id in the compartment of a patient."""
    return places.encode(patient_key(patient))


def document(ident: str) -> Version | None:
    """The current version of a DocumentReference, whoever asks; None when absent or deleted."""
    version = store().read("DocumentReference", ident) if ident else None
    return None if version is None or version.deleted else version


def require(ident: str) -> Version:
    """The same. Raises `Unknown` (`DMP.NO_DOCUMENT`)."""
    version = document(ident)
    if version is None:
        raise Unknown("Ce document n'existe pas.", code="DMP.NO_DOCUMENT")
    return version


def patient_of(resource: dict[str, Any]) -> str:
    """The logical id of the patient of a registered resource."""
    return str((resource.get("subject") or {}).get("reference", "")).removeprefix("Patient/")


def by_identifier(patient: str, system: str, value: str) -> list[Version]:
    """Documents of a record by unique identifier, newest first."""
    token = f"{system}|{value}" if system else value
    page = store().search(
        "DocumentReference",
        [("patient", f"Patient/{patient}"), ("identifier", token)],
        access=InPatient(patient),
        count=20,
    )
    return page.matches


def content(ident: str) -> tuple[bytes, str]:
    """The bytes of a document and its media type. Raises `Unknown`."""
    found = Content.objects.filter(pk=ident).first()
    if found is None:
        raise Unknown("Le contenu de ce document n'est pas ici.", code="DMP.NO_CONTENT")
    return blobs.read(found.digest), found.mime


def record_state(patient: str) -> Record:
    """The record of a person; one of state NON_CREE, not saved, for a person without any."""
    return Record.objects.filter(pk=patient).first() or Record(patient=patient, state=State.NON_CREE)


def permissions(patient: str) -> list[Authorisation]:
    """Professionals authorised and blocked, by name."""
    return list(Authorisation.objects.filter(patient=patient).order_by("name", "professional"))


def records_open_to(by: Caller, count: int = 100) -> list[str]:
    """Patients whose record a professional may consult (TD0.5), the latest authorised first."""
    running = Q(until=None) | Q(until__gte=datetime.now(UTC))
    rows = Authorisation.objects.filter(running, professional=by.subject, permission="allowed").order_by("-since")
    return list(rows.values_list("patient", flat=True)[:count])


class Documents(NamedTuple):
    """A page of documents, the cursor of the next one, and how many there are in all where that was asked."""

    found: list[dict[str, Any]]
    next: str | None
    total: int | None


def documents_for(
    by: Caller,
    patient: str,
    params: Sequence[tuple[str, str]] = (),
    *,
    count: int = 50,
    cursor: str | None = None,
    archived: bool = False,
    total: bool = False,
) -> Documents:
    """DocumentReferences that a caller sees in a record, the latest act first. Traced.

    `params` are FHIR search parameters of DocumentReference; archived documents are left out unless asked for. Raises
    `Forbidden` (`DMP.…`) with the reason.
    """
    allowed = access.enter(by, patient, "dmp.search")
    given = list(params)
    names = {name.partition(":")[0] for name, _ in given}
    if "status" not in names:
        given.append(("status", "current"))
    if not archived and "isArchived" not in names:
        given.append(("isArchived:not", "true"))
    if "_sort" not in names:
        given.append(("_sort", "-period-start,-date"))
    page = store().search(
        "DocumentReference",
        [("patient", f"Patient/{patient}"), *given],
        access=allowed,
        count=count,
        cursor=cursor,
        total=total,
    )
    audit.trace(by=by, action="dmp.search", patient=patient)
    return Documents([version.resource for version in page.matches], page.next, page.total)


def visible(by: Caller, ident: str, action: str) -> tuple[Version, str]:
    """A document that the caller may see, and its patient; `action` is what is traced, refusals too.

    Raises `Unknown` when there is no such document, `Forbidden` with the reason.
    """
    version = require(ident)
    resource = version.resource
    patient = patient_of(resource)
    entities = (version.reference,)
    title = str(resource["content"][0]["attachment"].get("title", ""))
    decision = access.enter(by, patient, action, entities).admits(store().facts(resource))
    if not decision.allowed:
        raise access.refuse(by, patient, action, decision, entities)
    audit.trace(by=by, action=action, patient=patient, entities=entities, title=title)
    return version, patient


def retrieve(by: Caller, ident: str) -> tuple[bytes, str]:
    """ITI-68: the very bytes of a document and its media type. Traced. Raises `Unknown`, `Forbidden`."""
    visible(by, ident, "dmp.retrieve")
    return content(ident)


def traces_for(
    patient: str, *, after: str = "", document: str = "", others: bool = False, count: int = 100
) -> list[dict[str, Any]]:
    """AuditEvents of what was done in a record, or to one document of it, newest first; `after` is the id of the last one of the
    page before, `others` leaves out what the holder did.
    """
    about = f"DocumentReference/{document}" if document else ""
    return audit.for_patient(
        patient, after=after, actions=tuple(TRACED), about=about, but=patient if others else "", count=count
    )
