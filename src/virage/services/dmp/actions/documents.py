"""Documents: published, replaced, masked, hidden, archived, withdrawn."""

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from virage.core import audit, blobs, db, events
from virage.core.callers import Caller
from virage.core.errors import Conflict, Forbidden, Invalid, Issue, VirageError
from virage.core.fhir import FhirRequest, Version
from virage.core.fhir import patch as patching
from virage.core.fhir.store import StaleVersion
from virage.services.dmp import access, codes, identities, queries, registration, rules
from virage.services.dmp.models import Content
from virage.services.dmp.rules import metadata
from virage.services.dmp.submission import Deposit, Submission, identifiers_of, idnat, is_lot, subject_pointers

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Deposited:
    """What a publication made: versions of the lots and documents in the order sent, and remarks on the documents."""

    patient: str
    lots: tuple[Version, ...] = ()
    documents: tuple[Version, ...] = ()
    patched: tuple[Version, ...] = ()
    remarks: tuple[Issue, ...] = ()


@dataclass(slots=True)
class _Ready:
    """A document judged and its bytes kept, before anything is written to the registry."""

    deposit: Deposit
    resource: dict[str, Any]
    blob: blobs.Blob
    replaced: list[str] = field(default_factory=list)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _whose(submission: Submission) -> str:
    """The one patient of a lot, qualified. Raises `Invalid`, `Forbidden`."""
    owners: dict[str, Any] = {}
    for resource, path in [
        *((deposit.resource, f"{deposit.path}.subject") for deposit in submission.deposits),
        *((lot, "List.subject") for lot in submission.lots if "subject" in lot),
    ]:
        reference, found = subject_pointers(resource, submission.people)
        identity = identities.qualified(reference, found, path)
        owners[identity.patient] = identity
    if not owners and submission.patches:
        document = queries.document(submission.patches[0].document)
        if document is not None:
            return queries.patient_of(document.resource)
    if len(owners) != 1:
        raise Invalid("Un lot concerne un seul patient.", code="DMP.SEVERAL_PATIENTS", path="List.subject")
    return next(iter(owners))


def publish(*, by: Caller, submission: Submission) -> Deposited:
    """Registers a lot: all its documents or none. Raises `Invalid` / `Malformed` (what was sent), `Forbidden` (who), `Conflict`.

    Order of the questions: whose record, may this caller feed it, is each document sound and about that person, is the
    caller its author, what does it replace. A refusal of right is traced.
    """
    patient = _whose(submission)
    decision = rules.may_feed(by, access.rights(by, patient))
    if not decision.allowed:
        raise access.refuse(by, patient, "dmp.publish", decision)
    from virage.trust import ins

    identity = ins.of_patient(patient)
    if identity is None:
        raise Invalid("Le patient désigné n'est pas connu du référentiel d'identités.", code="INS.UNKNOWN")
    traits = identities.header_traits(identity)
    subject = {"reference": f"Patient/{patient}", "type": "Patient"}
    now = _now()
    ready: list[_Ready] = []
    remarks: list[Issue] = []
    for deposit in submission.deposits:
        try:
            report = registration.judge(deposit, traits)
        except VirageError as refusal:
            # A lot may hold fifty documents: which of them is it.
            raise refusal.located(deposit.path) from None
        remarks += registration.warnings(report)
        try:
            resource = registration.registered(
                deposit, by=by, patient=patient, subject=subject, report=report, people=submission.people, now=now
            )
        except Forbidden as refusal:
            audit.trace(by=by, action="dmp.publish", outcome="4", patient=patient, description=refusal.text)
            raise
        ready.append(_Ready(deposit, resource, blobs.put(deposit.content)))
    return db.retrying(lambda: _register(by, patient, submission, ready, tuple(remarks)))


def _register(
    by: Caller, patient: str, submission: Submission, ready: Sequence[_Ready], remarks: tuple[Issue, ...]
) -> Deposited:
    db.lock(f"dmp.record:{patient}")
    decision = rules.may_feed(by, access.rights(by, patient))
    if not decision.allowed:
        raise Conflict(decision.reason, code="DMP.STATE")
    known: dict[str, str] = {}
    for one in ready:
        one.resource["id"] = queries.new_id(patient)
        if one.deposit.full_url:
            known[one.deposit.full_url] = f"DocumentReference/{one.resource['id']}"
    written: list[Version] = []
    replaced: set[str] = set()
    for one in ready:
        resource = copy.deepcopy(one.resource)
        _unique(resource, patient, by)
        replaced |= _replaces(by, resource, patient, known, one.deposit.path)
        resource["content"][0]["attachment"]["url"] = f"Binary/{resource['id']}"
        written.append(_write(by, patient, resource, one))
    for target in replaced:
        _supersede(by, target, patient)
    patched = tuple(_patched(by, patch.document, patch.resource, patient) for patch in submission.patches)
    lots = tuple(_write_lot(by, patient, lot, submission, known) for lot in submission.lots)
    return Deposited(patient, lots, tuple(written), patched, remarks)


def _write(by: Caller, patient: str, resource: dict[str, Any], one: _Ready) -> Version:
    title = str(resource["content"][0]["attachment"].get("title", ""))
    version = queries.store().create(resource, by=by, id=resource["id"], patient=patient, trace=False)
    Content.objects.create(
        document=version.id, patient=patient, digest=one.blob.digest, mime=one.deposit.mime, size=one.blob.size
    )
    replaces = any(link.get("code") == "replaces" for link in resource.get("relatesTo") or ())
    action, event = ("dmp.replace", "dmp.replaced") if replaces else ("dmp.publish", "dmp.published")
    audit.trace(by=by, action=action, patient=patient, entities=(version.reference,), title=title)
    events.emit(event, {"patient": patient, "document": version.id, "by": by.subject}, key=patient)
    return version


def _unique(resource: Mapping[str, Any], patient: str, by: Caller) -> None:
    """A document's unique identifier belongs to its author: nobody else publishes another document under it."""
    master = resource.get("masterIdentifier") or {}
    if not master.get("value"):
        return
    for version in queries.by_identifier(patient, str(master.get("system", "")), str(master["value"])):
        other = version.resource
        same = other["content"][0]["attachment"].get("hash") == resource["content"][0]["attachment"]["hash"]
        if not same and by.kind == "professional" and not access.is_author(by, other):
            raise Conflict(
                "Un autre document de ce dossier porte déjà cet identifiant unique.",
                code="DMP.DUPLICATE_ID",
                issue="duplicate",
                path="DocumentReference.masterIdentifier",
            )


def _replaces(by: Caller, resource: dict[str, Any], patient: str, known: Mapping[str, str], path: str) -> set[str]:
    """Resolves `relatesTo`; gives the ids of the documents replaced. Raises `Invalid`, `Forbidden`, `Conflict`."""
    found = set()
    for index, link in enumerate(resource.get("relatesTo") or ()):
        where = f"{path}.relatesTo[{index}].target"
        target = link.get("target") or {}
        reference = known.get(str(target.get("reference", "")), str(target.get("reference", "")))
        old = queries.document(reference.rpartition("/")[2]) if "DocumentReference/" in reference else None
        if old is None and isinstance(target.get("identifier"), dict):
            named = target["identifier"]
            old = next(
                iter(queries.by_identifier(patient, str(named.get("system", "")), str(named.get("value", "")))), None
            )
        if reference in known.values():
            link["target"] = {"reference": reference}
            continue
        if old is None or queries.patient_of(old.resource) != patient:
            raise Invalid(
                "Le document lié n'est pas dans ce dossier.", code="DMP.NO_TARGET", path=where, issue="not-found"
            )
        link["target"] = {"reference": old.reference}
        if link.get("code") != "replaces":
            continue
        if by.kind == "professional" and not access.is_author(by, old.resource):
            raise Forbidden("Seul l'auteur d'un document peut le remplacer.", code="DMP.AUTHOR_ONLY", path=where)
        if old.resource.get("status") != "current":
            raise Conflict("Le document à remplacer n'est plus en vigueur.", code="DMP.NOT_CURRENT", path=where)
        found.add(old.id)
    return found


def _supersede(by: Caller, target: str, patient: str) -> Version:
    version = queries.document(target)
    assert version is not None
    after = {**version.resource, "status": "superseded"}
    return queries.store().update(after, by=by, if_match=version.version, patient=patient, trace=False)


def _patched(by: Caller, target: str, patch: dict[str, Any], patient: str) -> Version:
    """A patch inside a lot: MHD marks the replaced document superseded by hand; where we already did, nothing remains."""
    before = queries.document(target)
    if before is None or queries.patient_of(before.resource) != patient:
        raise Invalid("Le document à modifier n'est pas dans ce dossier.", code="DMP.NO_TARGET", issue="not-found")
    change = patching.parse(FhirRequest("PATCH", before.reference, parsed=patch))
    return update_metadata(by=by, document=target, after=change(before.resource))


def _write_lot(
    by: Caller, patient: str, lot: Mapping[str, Any], submission: Submission, known: Mapping[str, str]
) -> Version:
    resource = {key: value for key, value in copy.deepcopy(dict(lot)).items() if key not in ("id", "text")}
    resource["subject"] = {"reference": f"Patient/{patient}", "type": "Patient"}
    for entry in resource.get("entry") or ():
        item = entry.get("item") or {}
        reference = str(item.get("reference", ""))
        if reference in known:
            item["reference"] = known[reference]
        elif reference.startswith("urn:"):
            raise Invalid(
                "Une entrée du lot ne désigne aucun document envoyé.", code="DMP.SUBMISSION", path="List.entry"
            )
    source = resource.get("source")
    if isinstance(source, dict):
        person = idnat(identifiers_of(lot, source, submission.people))
        if person:
            source["identifier"] = {"system": codes.IDNAT_PS, "value": person}
        if str(source.get("reference", "")) in submission.people:
            source.pop("reference")
    resource.setdefault("status", "current")
    resource.setdefault("mode", "working")
    resource.setdefault("date", _now())
    version = queries.store().create(resource, by=by, patient=patient, trace=False)
    if is_lot(resource):
        audit.trace(by=by, action="dmp.submit", patient=patient, entities=(version.reference,))
    return version


_EVENTS = (
    ("MASQUE_PS", "dmp.mask", "dmp.masked", "dmp.unmask", "dmp.unmasked"),
    ("INVISIBLE_PATIENT", "dmp.hide", "dmp.hidden", "dmp.release", "dmp.released"),
    (
        "INVISIBLE_REPRESENTANTS_LEGAUX",
        "dmp.hide_from_guardians",
        "dmp.hidden",
        "dmp.show_to_guardians",
        "dmp.released",
    ),
)


def _named(change: metadata.Change) -> list[tuple[str, str]]:
    """(action, event) of each thing that a change does."""
    found: list[tuple[str, str]] = []
    for code, put, was_put, taken, was_taken in _EVENTS:
        if code in change.added:
            found.append((put, was_put))
        if code in change.removed:
            found.append((taken, was_taken))
    if (change.added | change.removed) & codes.CONFIDENTIALITY_CODES:
        found.append(("dmp.relabel", "dmp.relabelled"))
    if change.archived is not None:
        found.append(("dmp.archive", "dmp.archived") if change.archived else ("dmp.unarchive", "dmp.unarchived"))
    if change.status:
        found.append(
            ("dmp.withdraw", "dmp.withdrawn")
            if change.status[1] == "entered-in-error"
            else ("dmp.supersede", "dmp.superseded")
        )
    return found


def update_metadata(*, by: Caller, document: str, after: Mapping[str, Any], if_match: int | None = None) -> Version:
    """Changes status, labels or archiving of a document to what `after` says.

    `if_match` is the version that `after` was made from. Raises `Unknown`, `NotChangeable` (405) when anything else differs,
    `Forbidden` when this person may not (traced), `Invalid`, `StaleVersion` (412). A change of nothing writes nothing.
    """
    version = queries.require(document)
    if if_match is not None and version.version != if_match:
        raise StaleVersion(
            "Ce document a changé depuis que vous l'avez lu : relisez-le, puis refaites votre modification."
        )
    before = version.resource
    patient = queries.patient_of(before)
    change = metadata.change(before, after)
    if not change:
        return version
    names = _named(change)
    _require_entry(by, version, names[0][0])
    try:
        metadata.require_right(
            change,
            author=by.kind == "system" or access.is_author(by, before),
            holder=by.kind == "citizen" and by.patient == patient,
        )
    except Forbidden as refusal:
        if not db.in_transaction():
            audit.trace(
                by=by,
                action=names[0][0],
                outcome="4",
                patient=patient,
                entities=(version.reference,),
                description=refusal.text,
            )
        raise
    resource = {**after, "securityLabel": metadata.canonical(metadata.kept_level(before, after)), "id": version.id}
    title = str(before["content"][0]["attachment"].get("title", ""))
    with db.transaction():
        written = queries.store().update(resource, by=by, if_match=version.version, patient=patient, trace=False)
        for action, event in names:
            audit.trace(by=by, action=action, patient=patient, entities=(version.reference,), title=title)
            events.emit(event, {"patient": patient, "document": version.id, "by": by.subject}, key=patient)
    return written


def _require_entry(by: Caller, version: Version, action: str) -> None:
    """The record must be open to the caller and the document visible to them, before they change anything; authors always may."""
    patient = queries.patient_of(version.resource)
    if by.kind == "system" or access.is_author(by, version.resource):
        return
    if by.kind == "citizen" and by.patient != patient:
        raise Forbidden("Ce document n'est pas dans votre dossier.", code="DMP.HOLDER_ONLY")
    seen = access.enter(by, patient, action, (version.reference,)).admits(queries.store().facts(version.resource))
    if not seen.allowed:
        raise access.refuse(by, patient, action, seen, (version.reference,))


def _retried(by: Caller, document: str, change: Callable[[dict[str, Any]], dict[str, Any]]) -> Version:
    """Changes what is there now, again when somebody else wrote in between."""
    for _ in range(_TRIES):
        version = queries.require(document)
        try:
            return update_metadata(by=by, document=document, after=change(version.resource), if_match=version.version)
        except StaleVersion:
            continue
    raise Conflict("Ce document change trop vite en ce moment : recommencez.", code="DMP.BUSY", issue="lock-error")


def _relabel(by: Caller, document: str, add: Sequence[str], remove: Sequence[str]) -> Version:
    return _retried(by, document, lambda old: {**old, "securityLabel": metadata.relabelled(old, add, remove)})


def mask(*, by: Caller, document: str) -> Version:
    """Hides a document from every professional but its author. By the holder or the author."""
    return _relabel(by, document, ["MASQUE_PS"], [])


def unmask(*, by: Caller, document: str) -> Version:
    """Shows a masked document again. By the holder or the author."""
    return _relabel(by, document, [], ["MASQUE_PS"])


def hide_from_patient(*, by: Caller, document: str) -> Version:
    """Keeps a document from its holder until it is announced (R. 1111-53). By the author."""
    return _relabel(by, document, ["INVISIBLE_PATIENT"], [])


def release(*, by: Caller, document: str) -> Version:
    """The announcement was made: the holder sees the document. By the author."""
    return _relabel(by, document, [], ["INVISIBLE_PATIENT"])


def _archived(by: Caller, document: str, value: bool) -> Version:
    def change(old: dict[str, Any]) -> dict[str, Any]:
        others = [one for one in old.get("extension") or () if one.get("url") != codes.IS_ARCHIVED]
        return {**old, "extension": [*others, {"url": codes.IS_ARCHIVED, "valueBoolean": value}]}

    return _retried(by, document, change)


def archive(*, by: Caller, document: str) -> Version:
    """Puts a document away; it is shown on request only. By the author or the holder."""
    return _archived(by, document, True)


def unarchive(*, by: Caller, document: str) -> Version:
    """Takes a document out of the archive. By the author or the holder."""
    return _archived(by, document, False)


def withdraw(*, by: Caller, document: str) -> Version:
    """Withdraws a document published in error: nobody reads it any more, its bytes stay for the law. By the author alone."""
    return _retried(by, document, lambda old: {**old, "status": "entered-in-error"})
