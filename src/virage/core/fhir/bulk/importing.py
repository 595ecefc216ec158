"""$import: NDJSON, from the body or from addresses; checked line by line, loaded in batches, rejects told by line.

Each batch and the place reached are one transaction: whoever goes on after a crash neither loses nor doubles a line. Lines are
made ready elsewhere (`preparing`) while the server takes the batch before them in.
"""

import http.client
import os
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any, BinaryIO

from virage.core import audit, db, outside, settings
from virage.core.errors import Malformed, VirageError
from virage.core.fhir.bulk import exporting, jobs, kickoff, preparing
from virage.core.fhir.bulk.jobs import Job
from virage.core.fhir.bulk.preparing import Order, Piece, Ready
from virage.core.fhir.index import registry
from virage.core.fhir.interactions.operations import inputs, text_of
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import SERVICES, FhirService
from virage.core.fhir.store import loading

BATCH = 10_000
_PIECE = 500
_PIECE_BYTES = 2 << 20
_BATCH_BYTES = 32 << 20
_MOST_INPUTS = 100
_FORMATS = frozenset({"application/fhir+ndjson", "application/ndjson", "application/x-ndjson"})


def order(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$import: 202 with the address where its state is told. The body is NDJSON, or Parameters with `input` addresses.

    Raises Malformed (400), AddressRefused (422), UnsupportedMedia (415), TooMany (429).
    """
    from virage.core.fhir.bulk.tasks import import_ as task
    from virage.core.fhir.store.writing import now

    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    id = jobs.new_id()
    if kind in _FORMATS:
        _keep(settings.folder("jobs", id) / "input-0.ndjson", request.stream or [request.body])
        asked: dict[str, Any] = {"inputs": [""]}
    else:
        asked = {"inputs": _addresses(inputs(request))}
    with db.transaction():
        jobs.begin("import", request, service, asked, now(), id)
        audit.trace(by=request.caller, action="fhir.import.order", detail={"job": id})
        task.defer(job=id)
    return kickoff.accepted(request, "import", id)


def _keep(path: Path, chunks: Iterable[bytes]) -> None:
    left = settings.number("VIRAGE_IMPORT_BYTES", 1, 1 << 60)
    try:
        with path.open("wb") as file:
            for chunk in chunks:
                left -= len(chunk)
                if left < 0:
                    raise Malformed(
                        "Le fichier dépasse la taille admise : découpez-le.",
                        code="FHIR.TOO_LARGE",
                        status=413,
                        issue="too-long",
                    )
                file.write(chunk)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _addresses(given: list[dict[str, Any]]) -> list[str]:
    wanted = text_of(given, "inputFormat")
    if wanted and wanted not in _FORMATS:
        raise Malformed(
            "« inputFormat » : « application/fhir+ndjson » est lu.", code="FHIR.PARAM_VALUE", path="inputFormat"
        )
    found = []
    for part in given:
        if part["name"] == "input":
            parts = part.get("part")
            named = [each for each in parts if isinstance(each, dict)] if isinstance(parts, list) else []
            found.append(text_of([each for each in named if isinstance(each.get("name"), str)], "url"))
    if not found or not all(found) or len(found) > _MOST_INPUTS:
        raise Malformed(
            "Envoyez un corps « application/fhir+ndjson », ou des Parameters dont chaque « input » a une partie « url »"
            f" ({_MOST_INPUTS} au plus).",
            code="FHIR.PARAMETERS",
            issue="required",
            path="Parameters.parameter",
        )
    for url in found:
        outside.target(url)
    return found


def run(id: str, seconds: float = exporting.SLICE) -> bool:
    """Go on with an import for a while; True when there is more to do. Raises what goes wrong, to be tried again."""
    job = jobs.claim(id)
    if job is None:
        return False
    try:
        return _Import(job, SERVICES[job.space]).go(time.monotonic() + seconds)
    except VirageError as error:
        job.problem = error.text
        jobs.save(job, "failed")
        return False
    except Exception:
        fresh = jobs.held(job)
        if fresh is not None:
            exporting.note_failure(fresh)
        raise


class _Lost(Exception):
    """The job was cancelled or taken over: what was written with it must not stay."""


class _Import:
    """One slice of an import. `progress` of the job holds: input, offset, line, written, present, rejected, rejects."""

    def __init__(self, job: Job, service: FhirService) -> None:
        self.job, self.service = job, service
        self.order = Order(job.space, job.caller, f"{job.id}/{job.runner}")
        self.state = job.progress
        for name in ("input", "offset", "line", "written", "present", "rejected"):
            self.state.setdefault(name, 0)
        self.state.setdefault("rejects", [])
        self.longest = settings.number("VIRAGE_MAX_BODY", 1024)
        self.rejects: tuple[BinaryIO, dict[str, Any]] | None = None

    def go(self, until: float) -> bool:
        try:
            while self.state["input"] < len(self.job.asked["inputs"]):
                if not self._read(until):
                    return jobs.save(self.job, release=True)
        except _Lost:
            return False
        finally:
            if self.rejects is not None:
                self.rejects[0].close()
        with db.transaction():
            if jobs.save(self.job, "done"):
                detail = {name: str(self.state[name]) for name in ("written", "present", "rejected")}
                audit.trace(by=self.job.caller, action="fhir.import", detail={"job": self.job.id, **detail})
        for file in self.job.folder.glob("input-*.ndjson"):
            file.unlink(missing_ok=True)
        return False

    def _read(self, until: float) -> bool:
        """Take an input in, batch by batch, while the next pieces are made ready; False when the time is over before its end."""
        number = self.state["input"]
        path = self.job.folder / f"input-{number}.ndjson"
        if not path.exists():
            _fetch(self.job.asked["inputs"][number], path)
        size = path.stat().st_size
        coming: deque[tuple[Piece, int, Future[Ready]]] = deque()
        with path.open("rb") as file, preparing.preparers(size) as preparers:
            file.seek(self.state["offset"])
            pieces = self._pieces(file)
            took = 0.0
            while self.state["input"] == number:
                began = time.monotonic()
                # While a batch is written, a whole one is made ready; not the last of a slice, whose work would be lost.
                most = BATCH // _PIECE + 1 if began + 2 * took < until else 0
                taken: list[tuple[Piece, Ready]] = []
                lines, offset = 0, self.state["offset"]
                while lines < BATCH and offset - self.state["offset"] < _BATCH_BYTES:
                    while preparers.room(len(coming), most, file.tell() - offset):
                        piece = next(pieces, None)
                        if piece is None:
                            break
                        coming.append((piece, file.tell(), preparers.submit(self.order, piece)))
                    if not coming:
                        break
                    piece, offset, ready = coming.popleft()
                    taken.append((piece, ready.result()))
                    lines += len(piece.lines)
                self._take(taken, lines, offset, offset >= size)
                took = time.monotonic() - began
                if time.monotonic() > until:
                    return False
        return True

    def _pieces(self, file: BinaryIO) -> Iterator[Piece]:
        """The lines from where the file stands on."""
        number = self.state["input"]
        first = self.state["line"] + 1
        while True:
            lines: list[bytes | None] = []
            size = 0
            while len(lines) < min(_PIECE, BATCH) and size < _PIECE_BYTES:
                line = file.readline(self.longest + 1)
                if not line:
                    break
                whole = len(line) <= self.longest
                rest = line
                while not whole and rest and not rest.endswith(b"\n"):
                    rest = file.readline(1 << 20)
                lines.append(line if whole else None)
                size += len(line)
            if not lines:
                return
            yield Piece(number, first, lines)
            first += len(lines)

    def _take(self, taken: list[tuple[Piece, Ready]], lines: int, offset: int, ended: bool) -> None:
        """Write a batch and the place reached, all or nothing. Raises _Lost when the job is no longer ours."""
        with db.transaction():
            epoch = registry.agree()
            while any(line.epoch != epoch for _, ready in taken for line in ready.packed):
                taken = [(piece, preparing.prepare(self.order, piece)) for piece, _ in taken]
                epoch = registry.agree()
            packed = [line for _, ready in taken for line in ready.packed]
            loaded = loading.take(self.service.store.space, packed, by=self.job.caller)
            self.state["written"] += loaded.written
            self.state["present"] += loaded.present
            self.state["line"] += lines
            self.state["offset"] = offset
            if ended:
                self.state.update(input=self.state["input"] + 1, offset=0, line=0)
            for _, ready in taken:
                for data in ready.refused:
                    self._reject(data)
            lines_of = [(piece.input, number) for piece, ready in taken for number in ready.numbers]
            for place, error in loaded.refused.items():
                self._reject(preparing.refusal(*lines_of[place], error))
            if self.rejects is not None:
                self.rejects[0].flush()
                os.fdatasync(self.rejects[0].fileno())
            if not jobs.save(self.job):
                raise _Lost

    def _reject(self, data: bytes) -> None:
        if self.rejects is None:
            name = f"rejects-{len(self.state['rejects'])}-{self.job.runner}.ndjson"
            entry: dict[str, Any] = {"type": "OperationOutcome", "name": name, "size": 0, "count": 0}
            self.state["rejects"].append(entry)
            self.rejects = ((self.job.folder / name).open("wb"), entry)
        file, held = self.rejects
        file.write(data)
        held["size"] += len(data)
        held["count"] += 1
        self.state["rejected"] += 1


def _fetch(url: str, path: Path) -> None:
    """Bring an input here, whole before it has its name."""

    def take(response: http.client.HTTPResponse) -> None:
        if response.status != 200:
            raise outside.Unreachable(f"L'adresse d'une entrée répond {response.status} au lieu de 200.")
        _keep(draft, iter(lambda: response.read(1 << 18), b""))

    draft = path.with_suffix(".part")
    outside.call("GET", url, {"Accept": "application/fhir+ndjson"}, b"", take, seconds=3600)
    draft.rename(path)


def status(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The state of an import: 202 under way, 200 with the counts and the files of rejects, 500 when it failed."""
    job = jobs.of_caller(request, service, "import")
    early = kickoff.unfinished(request, job, f"{job.progress.get('written', 0)} ressources lues")
    if early is not None:
        return early
    told = {
        "output": [],
        "error": [kickoff.listed(job, number, file) for number, file in enumerate(job.progress["rejects"])],
        "extension": {name: job.progress[name] for name in ("written", "present", "rejected")},
    }
    return kickoff.manifest(job, told)


def download(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The rejects of a finished import, one OperationOutcome a line."""
    return kickoff.sent(request, jobs.of_caller(request, service, "import"), "rejects")
