"""Writing the files of an export, a slice of time after the other.

After each page the place reached and the sizes of the files are saved; bytes past the saved size are never served, so a runner
that died between a page and its save leaves nothing wrong, and the next one writes files of its own.
"""

import os
import re
import time
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from virage.core import audit, db
from virage.core.errors import VirageError
from virage.core.fhir import json, representation
from virage.core.fhir.bulk import jobs
from virage.core.fhir.bulk.jobs import Job
from virage.core.fhir.bulk.selection import Selection, selections
from virage.core.fhir.prefer import WHOLE, View
from virage.core.fhir.request import FhirRequest
from virage.core.fhir.service import SERVICES, FhirService
from virage.core.fhir.store.reading import version_of

PAGE = 4000
MOST_LINES = 500_000
SLICE = 20.0
_FIRST = [-(1 << 63), -(1 << 63)]
_ID = re.compile(rb'\{"resourceType":"[A-Za-z]+","id":"([^"]+)"')
_PHASES = ("now", "then", "deleted")


def run(id: str, seconds: float = SLICE) -> bool:
    """Go on with an export for a while; True when there is more to do. Raises what goes wrong, to be tried again."""
    job = jobs.claim(id)
    if job is None:
        return False
    try:
        return _Export(job, SERVICES[job.space]).go(time.monotonic() + seconds)
    except VirageError as error:
        job.problem = error.text
        jobs.save(job, "failed")
        return False
    except Exception:
        note_failure(job)
        raise


def note_failure(job: Job) -> None:
    """Let go of a job that failed, for another try; after five it is failed for good."""
    job.progress["failures"] = job.progress.get("failures", 0) + 1
    if job.progress["failures"] >= 5:
        job.problem = "Le travail a échoué plusieurs fois : relancez-le, et prévenez l'exploitant s'il échoue encore."
        jobs.save(job, "failed")
    else:
        jobs.save(job, release=True)


class _Export:
    """One slice of an export. `progress` of the job holds: unit, phase, cursor, files, done (resources so far)."""

    def __init__(self, job: Job, service: FhirService) -> None:
        self.job, self.service = job, service
        self.units = selections(job, service.store.space)
        self.state = job.progress
        for name, value in (("unit", 0), ("phase", 0), ("cursor", None), ("files", []), ("done", 0)):
            self.state.setdefault(name, value)
        self.view = View("", tuple(job.asked["elements"])) if job.asked["elements"] else WHOLE
        self.request = FhirRequest("GET", "", caller=job.caller, base=job.base)
        self.open: tuple[str, BinaryIO, dict[str, Any]] | None = None

    def go(self, until: float) -> bool:
        if not self.state["done"] and not self.state["unit"]:
            _wait_for_writers(self.job.moment)
        try:
            while self.state["unit"] < len(self.units):
                self._page(self.units[self.state["unit"]])
                self._flush()
                more = self.state["unit"] < len(self.units)
                if more and time.monotonic() > until:
                    return jobs.save(self.job, release=True)
                if more and not jobs.save(self.job):
                    return False
        finally:
            self._close()
        with db.transaction():
            if jobs.save(self.job, "done"):
                audit.trace(
                    by=self.job.caller,
                    action="fhir.export",
                    detail={"job": self.job.id, "count": str(self.state["done"])},
                )
        return False

    def _page(self, unit: Selection) -> None:
        phase = _PHASES[self.state["phase"]]
        rows, following = self._current(unit) if phase == "now" else self._past(unit, phase == "deleted")
        if rows:
            self._write("Bundle" if phase == "deleted" else unit.type, rows)
        self.state["cursor"] = following
        if following is None:
            last = 2 if unit.since else 1
            self.state["phase"] = (self.state["phase"] + 1) % (last + 1)
            self.state["unit"] += self.state["phase"] == 0
            if self.state["phase"] == 0:
                self._close()

    def _current(self, unit: Selection) -> tuple[list[bytes], list[Any] | None]:
        query = unit.query()
        if query is None:
            return [], None
        statement = query.page(PAGE, self.state["cursor"])
        with db.cursor() as cursor:
            cursor.execute(statement.text, statement.values, binary=True)
            rows = cursor.fetchall()
        lines = [representation.outgoing(self.request, self.service, unit.type, row[4], self.view) for row in rows]
        return lines, query.cursor_values(rows[-1]) if len(rows) == PAGE else None

    def _past(self, unit: Selection, deleted: bool) -> tuple[list[bytes], list[Any] | None]:
        text, values = unit.changed_since(deleted)
        with db.cursor() as cursor:
            cursor.execute(text, [*values, *(self.state["cursor"] or _FIRST), PAGE], binary=True)
            rows = cursor.fetchall()
        versions = [version for version in (version_of(row[:6]) for row in rows) if unit.admits(version)]
        if deleted:
            lines = [_deletion(version.reference) for version in versions]
        else:
            # What was read before it changed is in a file already.
            written = self._among(unit.type, {version.id for version in versions}) if versions else set()
            lines = [
                representation.outgoing(self.request, self.service, unit.type, version.body, self.view)
                for version in versions
                if version.id not in written
            ]
        return lines, [rows[-1][5], rows[-1][6]] if len(rows) == PAGE else None

    def _among(self, type: str, ids: set[str]) -> set[str]:
        """Those of these ids that the files of a type hold."""
        sought = {id.encode() for id in ids}
        found: set[str] = set()
        for file in self.state["files"]:
            if file["type"] == type:
                for chunk in lines_of(self.job, file):
                    match = _ID.match(chunk)
                    if match and match[1] in sought:
                        found.add(match[1].decode())
        return found

    def _write(self, type: str, lines: list[bytes]) -> None:
        if self.open is None or self.open[0] != type or self.open[2]["count"] >= MOST_LINES:
            self._close()
            name = f"{type}-{len(self.state['files'])}-{self.job.runner}.ndjson"
            entry: dict[str, Any] = {"type": type, "name": name, "size": 0, "count": 0}
            self.state["files"].append(entry)
            self.open = (type, (self.job.folder / name).open("wb"), entry)
        file, held = self.open[1:]
        data = b"\n".join(lines) + b"\n"
        file.write(data)
        held["size"] += len(data)
        held["count"] += len(lines)
        self.state["done"] += len(lines)

    def _flush(self) -> None:
        if self.open is not None:
            self.open[1].flush()
            os.fdatasync(self.open[1].fileno())

    def _close(self) -> None:
        if self.open is not None:
            self._flush()
            self.open[1].close()
            self.open = None


def _deletion(reference: str) -> bytes:
    entry = {"request": {"method": "DELETE", "url": reference}}
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": [entry]})


def lines_of(job: Job, file: dict[str, Any]) -> Iterator[bytes]:
    """The lines of a file of a job, up to the size that was saved."""
    left = file["size"]
    with (job.folder / file["name"]).open("rb") as stream:
        while left > 0:
            line = stream.readline(left)
            if not line:
                return
            left -= len(line)
            yield line


def chunks_of(job: Job, file: dict[str, Any]) -> Iterator[bytes]:
    """The bytes of a file of a job, up to the size that was saved."""
    left = file["size"]
    with (job.folder / file["name"]).open("rb") as stream:
        while left > 0 and (chunk := stream.read(min(left, 1 << 18))):
            left -= len(chunk)
            yield chunk


def _wait_for_writers(moment: int, clock: Callable[[], float] = time.monotonic) -> None:
    """Let transactions that began before the moment end: what they wrote belongs to it. Ten seconds at most."""
    until = clock() + 10
    while clock() < until:
        with db.cursor() as cursor:
            row = cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
                " AND backend_xid IS NOT NULL AND xact_start < to_timestamp(%s::float8)",
                [moment / 1e6],
            ).fetchone()
        if row is None or not row[0]:
            return
        time.sleep(0.1)
