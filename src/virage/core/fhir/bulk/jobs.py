"""The state of a job, in one row. Whoever runs it holds it by a word of its own, and saves only while it does."""

import dataclasses
import secrets
import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from virage.core import db, settings
from virage.core.callers import Caller
from virage.core.errors import Unknown, VirageError
from virage.core.fhir.request import FhirRequest
from virage.core.fhir.service import FhirService

MOST_AT_ONCE = 5
_LEASE = "60 seconds"
"""A job whose runner has not saved for this long may be taken over by another."""
_COLUMNS = (
    "id, kind, space, base, request, caller::text, asked::text, moment, state, runner, expires, progress::text, problem"
)


class TooMany(VirageError):
    """The caller has enough jobs under way."""

    code = "FHIR.JOBS"
    status = 429
    issue = "throttled"


@dataclass
class Job:
    """One export or import. `moment` is in µs since 1970; `state` waiting, running, done, failed or cancelled."""

    id: str
    kind: str
    space: str
    base: str
    request: str
    caller: Caller
    asked: dict[str, Any]
    moment: int
    state: str
    runner: str
    expires: datetime
    progress: dict[str, Any]
    problem: str

    @property
    def folder(self) -> Path:
        """Where its files are, created if missing."""
        return settings.folder("jobs", self.id)


def _job(row: Any) -> Job:
    caller = orjson.loads(row[5])
    caller["scopes"] = frozenset(caller["scopes"])
    id, kind, space, base, request = row[:5]
    moment, state, runner, expires = row[7:11]
    asked, progress = orjson.loads(row[6]), orjson.loads(row[11])
    return Job(
        id, kind, space, base, request, Caller(**caller), asked, moment, state, runner, expires, progress, row[12]
    )


def text_of(caller: Caller) -> str:
    """A caller as JSON."""
    return orjson.dumps({**dataclasses.asdict(caller), "scopes": sorted(caller.scopes)}).decode()


def begin(
    kind: str, request: FhirRequest, service: FhirService, asked: dict[str, Any], moment: int, id: str = ""
) -> str:
    """Write a new job, and give its id. Raises TooMany (429)."""
    id = id or new_id()
    with db.transaction(), db.cursor() as cursor:
        db.lock(f"fhir/jobs/{request.caller.subject}")
        row = cursor.execute(
            "SELECT count(*) FROM fhir_job WHERE state IN ('waiting', 'running') AND caller->>'subject' = %s",
            [request.caller.subject],
        ).fetchone()
        assert row is not None
        if row[0] >= MOST_AT_ONCE:
            raise TooMany(f"{MOST_AT_ONCE} travaux sont déjà en cours pour vous : attendez leur fin, ou annulez-en un.")
        cursor.execute(
            "INSERT INTO fhir_job (id, kind, space, base, request, caller, asked, moment, expires)"
            " VALUES (%s, %s, %s, %s, %s, %s::json, %s::json, %s, clock_timestamp() + make_interval(hours => %s))",
            [
                id,
                kind,
                service.space,
                request.base,
                f"{request.base}/{request.path}" + (f"?{request.query}" if request.query else ""),
                text_of(request.caller),
                orjson.dumps(asked).decode(),
                moment,
                settings.number("VIRAGE_EXPORT_HOURS", 1, 8760),
            ],
        )
    return id


def new_id() -> str:
    """An id that cannot be guessed."""
    return secrets.token_hex(16)


def of_caller(request: FhirRequest, service: FhirService, kind: str) -> Job:
    """The job that the query names, of this base and this caller. Raises Unknown (404) for any other."""
    with db.cursor() as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM fhir_job WHERE id = %s AND kind = %s AND space = %s AND expires > clock_timestamp()",
            [request.param("job") or "", kind, service.space],
        ).fetchone()
    found = _job(row) if row is not None else None
    caller = request.caller
    if (
        found is None
        or found.state == "cancelled"
        or (found.caller.subject, found.caller.client_id)
        != (
            caller.subject,
            caller.client_id,
        )
    ):
        raise Unknown("Ce travail n'existe pas, ou n'est plus gardé : relancez-le.", code="FHIR.JOB", path="job")
    return found


def claim(id: str) -> Job | None:
    """Take a job in hand; None when it is finished, or in the hands of a runner that lives."""
    with db.cursor() as cursor:
        row = cursor.execute(
            "UPDATE fhir_job SET runner = %s, beat = clock_timestamp(), state = 'running' WHERE id = %s"
            f" AND state IN ('waiting', 'running') AND (runner = '' OR beat < clock_timestamp() - interval '{_LEASE}')"
            f" RETURNING {_COLUMNS}",
            [secrets.token_hex(4), id],
        ).fetchone()
    return None if row is None else _job(row)


def held(job: Job) -> Job | None:
    """The job as it was last saved, if this runner still holds it."""
    with db.cursor() as cursor:
        row = cursor.execute(
            f"SELECT {_COLUMNS} FROM fhir_job WHERE id = %s AND runner = %s", [job.id, job.runner]
        ).fetchone()
    return None if row is None else _job(row)


def save(job: Job, state: str = "running", *, release: bool = False) -> bool:
    """Write what was done; False when the job was cancelled or taken over meanwhile: stop then."""
    with db.cursor() as cursor:
        cursor.execute(
            "UPDATE fhir_job SET progress = %s::json, state = %s, problem = %s, beat = clock_timestamp(), runner = %s"
            " WHERE id = %s AND runner = %s AND state = 'running'",
            [
                orjson.dumps(job.progress).decode(),
                state,
                job.problem,
                "" if release or state != "running" else job.runner,
                job.id,
                job.runner,
            ],
        )
        return cursor.rowcount == 1


def cancel(job: Job) -> None:
    """No more of it: whoever runs it stops at its next save, and its files go."""
    with db.cursor() as cursor:
        cursor.execute("UPDATE fhir_job SET state = 'cancelled', runner = '' WHERE id = %s", [job.id])
    shutil.rmtree(job.folder, ignore_errors=True)


def purge() -> int:
    """Remove the jobs that are past their time with their files, and files that no job knows; gives how many jobs."""
    with db.cursor() as cursor:
        gone = [
            row[0]
            for row in cursor.execute("DELETE FROM fhir_job WHERE expires <= clock_timestamp() RETURNING id").fetchall()
        ]
        cancelled = cursor.execute("SELECT id FROM fhir_job WHERE state = 'cancelled'").fetchall()
    for id in [*gone, *(row[0] for row in cancelled)]:
        shutil.rmtree(settings.folder("jobs") / id, ignore_errors=True)
    return len(gone)
