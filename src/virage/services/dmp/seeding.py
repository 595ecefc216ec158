"""Many records at once, by COPY: for the sandbox. What it writes is what the actions would have written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import Any

from virage.core import audit, blobs, db
from virage.core.callers import Caller
from virage.services.dmp import codes, queries, registration
from virage.services.dmp.rules import State, metadata
from virage.services.dmp.submission import Deposit, attachment_of, identifiers_of, idnat
from virage.trust import interop

_RECORD = (
    "patient",
    "state",
    "notified_on",
    "opened_at",
    "closed_at",
    "closing_reason",
    "emergency_refused",
    "attached_to_space",
    "treating_doctor",
)
_RECORD_TYPES = ("varchar", "varchar", "date", "timestamptz", "timestamptz", "varchar", "bool", "bool", "varchar")
_PERMISSION = ("patient", "professional", "name", "permission", "ground", "since", "until")
_PERMISSION_TYPES = ("varchar", "varchar", "varchar", "varchar", "varchar", "timestamptz", "timestamptz")
_CONTENT = ("document", "patient", "digest", "mime", "size")
_CONTENT_TYPES = ("varchar", "varchar", "varchar", "varchar", "int8")


@dataclass(frozen=True, slots=True)
class SeedDocument:
    """A document as ITI-105 would bring it: DocumentReference with `author` and `content`, its bytes and media type."""

    resource: dict[str, Any]
    content: bytes
    mime: str = "text/xml"


@dataclass(frozen=True, slots=True)
class Seed:
    """A record to write: its patient's logical id, care team as (idNat, name), treating doctor (idNat), documents."""

    patient: str
    state: State = State.ACTIF
    care_team: Sequence[tuple[str, str]] = ()
    treating_doctor: str = ""
    documents: Sequence[SeedDocument] = field(default=())


def bulk_seed(*, by: Caller, seeds: Iterable[Seed], batch: int = 5000) -> int:
    """Writes records that are not there yet, `batch` in a transaction; gives how many. Run again, it goes on.

    Documents are trusted to be sound and about their patient (the sandbox wrote them): they are described, not judged.
    """
    written = 0
    given = iter(seeds)
    while chunk := list(islice(given, batch)):
        with db.transaction():
            written += _write(by, chunk)
    return written


def _write(by: Caller, chunk: Sequence[Seed]) -> int:
    with db.cursor() as cursor:
        cursor.execute("SELECT patient FROM dmp_record WHERE patient = ANY(%s)", ([seed.patient for seed in chunk],))
        present = {row[0] for row in cursor.fetchall()}
    fresh = [seed for seed in chunk if seed.patient not in present]
    if not fresh:
        return 0
    now = datetime.now(UTC)
    opened = {State.ACTIF, State.FERME}
    db.copy_rows(
        "dmp_record",
        _RECORD,
        (
            (
                seed.patient,
                str(seed.state),
                now.date(),
                now if seed.state in opened else None,
                now if seed.state is State.FERME else None,
                "",
                False,
                True,
                seed.treating_doctor,
            )
            for seed in fresh
        ),
        types=_RECORD_TYPES,
    )
    db.copy_rows("dmp_authorisation", _PERMISSION, _permissions(fresh, now), types=_PERMISSION_TYPES)
    documents: list[dict[str, Any]] = []
    contents: list[tuple[str, str, str, str, int]] = []
    for seed in fresh:
        for document in seed.documents:
            resource = _registered(by, seed.patient, document, now)
            blob = blobs.put(document.content)
            documents.append(resource)
            contents.append((resource["id"], seed.patient, blob.digest, document.mime, blob.size))
    if documents:
        queries.store().load(documents, by=by)
        db.copy_rows("dmp_content", _CONTENT, contents, types=_CONTENT_TYPES)
    audit.trace(by=by, action="dmp.seed", title=f"{len(fresh)} dossiers, {len(documents)} documents")
    return len(fresh)


def _permissions(fresh: Sequence[Seed], now: datetime) -> Iterable[tuple[Any, ...]]:
    for seed in fresh:
        for professional, name in dict(seed.care_team).items():
            ground = "medecin_traitant" if professional == seed.treating_doctor else "equipe_de_soins"
            yield (seed.patient, professional, name, "allowed", ground, now, None)


def _registered(by: Caller, patient: str, document: SeedDocument, now: datetime) -> dict[str, Any]:
    resource = dict(document.resource)
    deposit = Deposit(resource, document.content, document.mime, "DocumentReference")
    attachment_of(resource, deposit.path)
    resource["content"] = [{**resource["content"][0], "attachment": dict(resource["content"][0]["attachment"])}]
    facts = interop.check(document.content) if interop.is_cda_type(document.mime) else None
    authors = []
    for author in resource.get("author") or ():
        person = idnat(identifiers_of(resource, author, {}))
        authors.append({**author, "identifier": {"system": codes.IDNAT_PS, "value": person}} if person else author)
    if authors:
        resource["author"] = authors
    registration.completed(resource, deposit, facts, now.isoformat(timespec="seconds"))
    resource.setdefault("status", "current")
    resource["securityLabel"] = metadata.canonical(metadata.labels(resource) or {"N"})
    resource["subject"] = {"reference": f"Patient/{patient}", "type": "Patient"}
    resource["id"] = queries.new_id(patient)
    resource["content"][0]["attachment"]["url"] = f"Binary/{resource['id']}"
    return resource
