"""$import: NDJSON, from the body or from addresses; checked line by line, loaded in batches, rejects told by line.

Each batch and the place reached are one transaction: whoever goes on after a crash neither loses nor doubles a line.
"""

import http.client
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from virage.core import access, audit, db, settings
from virage.core.access import Everything, Filter, Nothing
from virage.core.errors import Issue, Malformed, VirageError
from virage.core.fhir import json, outcome, outside, validation
from virage.core.fhir.bulk import exporting, jobs, kickoff
from virage.core.fhir.bulk.jobs import Job
from virage.core.fhir.index.dates import moment
from virage.core.fhir.interactions.operations import inputs, text_of
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import SERVICES, FhirService, ingress
from virage.core.fhir.store import places

BATCH = 10_000
_LOAD = 2500
_MOST_INPUTS = 100
_MOST_ISSUES = 20
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


class _Import:
    """One slice of an import. `progress` of the job holds: input, offset, line, written, present, rejected, rejects."""

    def __init__(self, job: Job, service: FhirService) -> None:
        self.job, self.service = job, service
        self.state = job.progress
        for name in ("input", "offset", "line", "written", "present", "rejected"):
            self.state.setdefault(name, 0)
        self.state.setdefault("rejects", [])
        self.rules: dict[str, Filter | str] = {}
        self.longest = settings.number("VIRAGE_MAX_BODY", 1024)
        self.rejects: tuple[BinaryIO, dict[str, Any]] | None = None

    def go(self, until: float) -> bool:
        try:
            while self.state["input"] < len(self.job.asked["inputs"]):
                if not self._batch():
                    return False
                if time.monotonic() > until:
                    return jobs.save(self.job, release=True)
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

    def _batch(self) -> bool:
        """Take some lines in; False when the job is no longer ours."""
        number = self.state["input"]
        path = self.job.folder / f"input-{number}.ndjson"
        if not path.exists():
            _fetch(self.job.asked["inputs"][number], path)
        with path.open("rb") as file, db.transaction():
            file.seek(self.state["offset"])
            loaded = self.service.store.load(self._sound(file), by=self.job.caller, batch=_LOAD)
            self.state["written"] += loaded.written
            self.state["present"] += loaded.present
            if self.state["offset"] >= path.stat().st_size:
                self.state.update(input=number + 1, offset=0, line=0)
            if self.rejects is not None:
                self.rejects[0].flush()
                os.fdatasync(self.rejects[0].fileno())
            return jobs.save(self.job)

    def _sound(self, file: BinaryIO) -> Iterator[dict[str, Any]]:
        for _ in range(BATCH):
            line = file.readline(self.longest + 1)
            if not line:
                break
            self.state["line"] += 1
            whole = len(line) <= self.longest
            rest = line
            while not whole and rest and not rest.endswith(b"\n"):
                rest = file.readline(1 << 20)
            self.state["offset"] = file.tell()
            if not line.strip():
                continue
            try:
                if not whole:
                    raise Malformed("La ligne est trop longue.", code="FHIR.TOO_LARGE", issue="too-long")
                yield self._checked(line)
            except VirageError as error:
                self._reject(error)

    def _checked(self, line: bytes) -> dict[str, Any]:
        resource = json.loads(line)
        issues = [each for each in validation.check(resource) if each.severity in ("error", "fatal")]
        if issues:
            raise VirageError(issues[0].text, code="FHIR.INVALID", issues=issues[:_MOST_ISSUES])
        type = resource["resourceType"]
        if "id" in resource:
            places.check_id(resource["id"])
        rule = self.rules.get(type)
        if rule is None:
            rule = self.rules[type] = self._rule(type)
        if isinstance(rule, str):
            raise VirageError(rule, code="FHIR.IMPORT_TYPE", issue="forbidden")
        if not isinstance(rule, Everything):
            decision = rule.admits(self.service.store.facts(resource))
            if not decision.allowed:
                raise VirageError(decision.reason, code="VIRAGE.FORBIDDEN", issue="forbidden")
        found: list[Issue] = [
            each for guard in ingress(type) for each in guard(resource, self.job.caller, self.job.space)
        ]
        if found:
            raise VirageError(found[0].text, code="FHIR.RULE", issues=found[:_MOST_ISSUES])
        return resource

    def _rule(self, type: str) -> Filter | str:
        """The rule for new resources of a type, or why there can be none."""
        overrides = self.service.overrides
        if "create" not in self.service.served.get(type, ()) or any(
            (verb, each) in overrides for verb in ("create", "update") for each in (type, "*")
        ):
            return f"Le type « {type} » ne s'importe pas en masse sur cette base : passez par ses propres opérations."
        rule = access.filter_for(self.job.space, self.job.caller, "create", type)
        return rule.reason if isinstance(rule, Nothing) else rule

    def _reject(self, error: VirageError) -> None:
        if self.rejects is None:
            name = f"rejects-{len(self.state['rejects'])}-{self.job.runner}.ndjson"
            entry: dict[str, Any] = {"type": "OperationOutcome", "name": name, "size": 0, "count": 0}
            self.state["rejects"].append(entry)
            self.rejects = ((self.job.folder / name).open("wb"), entry)
        told = outcome.of_error(error)
        told = {
            "resourceType": told.pop("resourceType"),
            "id": f"input-{self.state['input']}-line-{self.state['line']}",
            **told,
        }
        data = json.dumps(told) + b"\n"
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
    if request.method == "DELETE":
        jobs.cancel(job)
        audit.trace(by=request.caller, action="fhir.import.cancel", detail={"job": job.id})
        return FhirResponse(202, native=True)
    if job.state == "failed":
        raise VirageError(job.problem, code="FHIR.JOB_FAILED", status=500, issue="exception")
    if job.state != "done":
        return kickoff.waiting(f"{job.progress.get('written', 0)} ressources lues")
    told = {
        "transactionTime": moment(job.moment).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "request": job.request,
        "requiresAccessToken": True,
        "output": [],
        "error": [kickoff.listed(job, number, file) for number, file in enumerate(job.progress["rejects"])],
        "extension": {name: job.progress[name] for name in ("written", "present", "rejected")},
    }
    return kickoff.manifest(job, told)


def download(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The rejects of a finished import, one OperationOutcome a line."""
    return kickoff.sent(request, jobs.of_caller(request, service, "import"), "rejects")
