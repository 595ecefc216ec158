"""transaction (R4 http.html, « batch/transaction »).

A transaction runs in the order DELETE, POST, PUT and PATCH, GET, all or nothing, again after a deadlock; its entries are
answered in the order they came in. Identities are settled after the deletions and before any other write, so that every
pointer between entries can be written with its final address. Plain creates and updates wait for each other and are written
together; what must look at the store or goes its own way has them written first.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import psycopg

from virage.core import db
from virage.core.errors import Conflict, Issue, Malformed, VirageError
from virage.core.fhir import conditional
from virage.core.fhir.bundle import Entry, answer, described, inner_request, led, wrong
from virage.core.fhir.conditional import PreconditionFailed
from virage.core.fhir.interactions import rights, writes
from virage.core.fhir.interactions.writes import Planned
from virage.core.fhir.references import CONDITIONAL, local, rewrite
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Version


def transaction(request: FhirRequest, service: FhirService, entries: list[Entry]) -> FhirResponse:
    """All entries or none. Raises the refusal of the entry that failed, its paths led by `Bundle.entry[n]`."""
    _one_name_each(entries)
    check(entries, service)
    try:
        return db.retrying(lambda: answer("transaction-response", Transaction(request, service, entries).run()))
    except psycopg.errors.SerializationFailure:
        raise Conflict(
            "D'autres modifient ces ressources sans relâche : réessayez dans un instant.",
            code="FHIR.BUSY",
            issue="lock-error",
        ) from None


def check(entries: list[Entry], service: FhirService) -> None:
    """Refuse the whole when a resource to write is unsound, with the issues of all of them."""
    issues: list[Issue] = []
    for entry in entries:
        if entry.resource is None or not (entry.creates or entry.method == "PUT"):
            continue
        try:
            if entry.resource.get("resourceType") != entry.type:
                raise wrong("« resourceType » et l'adresse ne disent pas le même type.", "resourceType")
            writes.check(entry.resource, service)
        except VirageError as error:
            issues += led(error, entry.where + ".resource")[:200]
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Malformed(issues[0].text, code="FHIR.INVALID", status=422, issues=issues[:1000])


class Transaction:
    """One run of a transaction, inside the database's: identities, then writes in order, then reads."""

    def __init__(self, request: FhirRequest, service: FhirService, entries: list[Entry]) -> None:
        self.request = request
        self.service = service
        self.entries = entries
        self.answers: list[dict[str, Any]] = [{} for _ in entries]
        self.identities: dict[int, tuple[str, str]] = {}
        """(type, id) of each entry that writes, by index."""
        self.present: set[int] = set()
        """Conditional creates whose resource was there already."""
        self.known: dict[str, str] = {}
        """fullUrl → Type/id."""
        self.found: dict[str, str] = {}
        """Conditional reference → Type/id."""
        self.settled: dict[int, dict[str, Any]] = {}
        """Resources to create, with their final addresses, by index."""
        self.waiting: list[tuple[Entry, FhirRequest, Planned]] = []
        """What is to be written together."""

    def run(self) -> list[dict[str, Any]]:
        """Do everything; gives the answers in the order of the entries."""
        self._lock()
        self._each(("DELETE",))
        self._settle()
        self._each(("POST",))
        self._each(("PUT", "PATCH"))
        self._each(("GET", "HEAD"))
        return self.answers

    def _lock(self) -> None:
        """Wait in one order for other conditional writes of the same criteria, so that two transactions cannot cross."""
        keys = set()
        for entry in self.entries:
            text = self._criteria(entry)
            if text:
                params = self._at(entry, partial(conditional.criteria, text, entry.type))
                keys.add(conditional.lock_key(self.service, entry.type, params))
        for key in sorted(keys):
            db.lock(key)

    def _criteria(self, entry: Entry) -> str:
        if entry.creates:
            return entry.headers.get("if-none-exist", "")
        return entry.query if entry.updates_where else ""

    def _settle(self) -> None:
        """Give every written resource its identity, those that others are filed under (patients) first."""
        waiting: list[Entry] = []
        for entry in self.entries:
            if entry.creates or entry.updates_where:
                present = self._match(entry)
                if present:
                    self._is(entry, entry.type, present)
                    if entry.creates:
                        self.present.add(entry.index)
                elif entry.updates_where and isinstance((entry.resource or {}).get("id"), str):
                    self._is(entry, entry.type, entry.resource["id"])  # type: ignore[index]
                else:
                    waiting.append(entry)
            elif entry.method == "PUT" and entry.path.count("/") == 1:
                self._is(entry, entry.type, entry.path.partition("/")[2])
        for entry in sorted(waiting, key=lambda entry: entry.type != "Patient"):
            self._is(entry, entry.type, self.service.store.new_id(entry.type, self._patients(entry)))
        for entry in self.entries:
            if entry.creates and entry.index not in self.present:
                self.settled[entry.index] = self._at(entry, partial(self.resolved, entry))
        self._refuse_overlap()

    def _patients(self, entry: Entry) -> list[str]:
        """The logical ids of the patients that a resource concerns, as far as its references can be followed."""
        assert entry.resource is not None
        follow = self._resolver(entry, strict=False)
        found = (self._at(entry, partial(follow, text)) for text in self.service.store.filed(entry.resource))
        return [text.partition("/")[2] for text in found if text.startswith("Patient/")]

    def _match(self, entry: Entry) -> str:
        text = self._criteria(entry)
        if not text:
            return ""
        probe = inner_request(self.request, entry, None, True)
        probe.type = entry.type

        def look() -> str:
            seen = rights.rule(probe, self.service, "search-type")
            params = conditional.criteria(text, entry.type)
            version = conditional.only_match(self.service, entry.type, params, seen)
            return version.id if version else ""

        return self._at(entry, look)

    def _is(self, entry: Entry, type: str, id: str) -> None:
        self.identities[entry.index] = (type, id)
        if entry.full_url:
            self.known[entry.full_url] = f"{type}/{id}"

    def _refuse_overlap(self) -> None:
        written: dict[tuple[str, str], int] = {}
        for entry in self.entries:
            identity = self.identities.get(entry.index)
            if entry.index in self.present:
                continue
            if identity is None and entry.method in ("DELETE", "PATCH") and entry.path.count("/") == 1:
                identity = (entry.type, entry.path.partition("/")[2])
            if identity is None:
                continue
            if identity in written:
                raise wrong(
                    "Deux entrées d'une transaction écrivent la même ressource.",
                    f"{entry.where}.request.url",
                    "duplicate",
                )
            written[identity] = entry.index

    def _each(self, methods: tuple[str, ...]) -> None:
        for entry in self.entries:
            if entry.method in methods:
                self._at(entry, partial(self._do, entry))
        self._write()

    def _do(self, entry: Entry) -> None:
        """Plan the entry's write, or do all that was planned and then the entry."""
        from virage.core.fhir import router

        if entry.index in self.present:
            self.answers[entry.index] = self._already(entry)
            return
        inner = self._inner(entry)
        handler = router.answering(self.service, inner)
        if handler in (writes.create, writes.update) and (planned := writes.plan(inner, self.service)) is not None:
            self.waiting.append((entry, inner, planned))
            return
        self._write()
        self.answers[entry.index] = described(self.request, inner, handler(inner, self.service))

    def _inner(self, entry: Entry) -> FhirRequest:
        """The request that the entry stands for, its resource with final addresses, its identity settled."""
        resource = self.settled.get(entry.index)
        if resource is None and entry.resource is not None:
            resource = self.resolved(entry)
        inner = inner_request(self.request, entry, resource, True)
        identity = self.identities.get(entry.index)
        if identity is not None and resource is not None:
            if entry.creates:
                inner.assigned_id = identity[1]
                inner.headers = {key: value for key, value in inner.headers.items() if key != "if-none-exist"}
            elif entry.updates_where:
                # Its criteria were answered when identities were settled.
                inner.path, inner.query = f"{identity[0]}/{identity[1]}", ""
                inner.parsed = {**resource, "id": identity[1]}
        return inner

    def _write(self) -> None:
        """Write what waits."""
        from virage.core.fhir.store import Duplicate, StaleAmong

        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        try:
            written = self.service.store.write([planned.write for _, _, planned in waiting], by=self.request.caller)
        except (StaleAmong, Duplicate) as error:
            refused = error  # the name of an except clause does not outlive it
            self._at(waiting[error.place][0], partial(_refuse, refused))
            raise
        for (entry, inner, planned), version in zip(waiting, written, strict=True):
            self.answers[entry.index] = self._at(entry, partial(self._told, inner, planned, version))

    def _told(self, inner: FhirRequest, planned: Planned, version: "Version") -> dict[str, Any]:
        rights.admit(planned.rule, self.service, version)
        return described(self.request, inner, writes.told(inner, self.service, version))

    def _already(self, entry: Entry) -> dict[str, Any]:
        type, id = self.identities[entry.index]
        version = self.service.store.read(type, id)
        assert version is not None
        inner = inner_request(self.request, entry, None, True)
        return described(self.request, inner, writes.told(inner, self.service, version, 200))

    def resolved(self, entry: Entry) -> dict[str, Any]:
        """The entry's resource with final addresses."""
        assert entry.resource is not None
        return rewrite(entry.resource, self._resolver(entry, strict=True), self.known)

    def _resolver(self, entry: Entry, strict: bool) -> Callable[[str], str]:
        """How a reference of an entry is followed; not `strict`, what cannot be resolved yet stays."""
        home = entry.full_url.rsplit("/", 2)[0] if entry.full_url.startswith(("http://", "https://")) else ""
        known = self.known

        def resolve(text: str) -> str:
            found = known.get(text) or (known.get(f"{home}/{text}") if home else None)
            if found:
                return found
            if "?" in text and CONDITIONAL.match(text):
                return self._only(entry, text)
            if strict and text.startswith("urn:uuid:"):
                raise VirageError(
                    "Une référence « urn:uuid: » ne désigne aucune entrée de la transaction.",
                    code="FHIR.REFERENCE",
                    status=422,
                    issue="not-found",
                    path=f"{entry.where}.resource",
                )
            return local(text, self.request.base)

        return resolve

    def _only(self, entry: Entry, text: str) -> str:
        """The one resource that a conditional reference designates."""
        if text in self.found:
            return self.found[text]
        self._write()
        match = CONDITIONAL.match(text)
        assert match is not None
        type = match[1]
        probe = inner_request(self.request, entry, None, True)
        if type not in self.service.served:
            raise wrong(f"Le type « {type} » n'est pas servi ici.", f"{entry.where}.resource", "not-supported")
        seen = rights.rule(probe, self.service, "search-type", type)
        version = conditional.only_match(self.service, type, conditional.criteria(text, type), seen)
        if version is None:
            raise PreconditionFailed(
                f"Une référence conditionnelle vers {type} ne désigne aucune ressource.",
                issue="not-found",
                path=f"{entry.where}.resource",
            )
        self.found[text] = f"{type}/{version.id}"
        return self.found[text]

    def _at(self, entry: Entry, action: Callable[[], Any]) -> Any:
        """Run something for an entry; a refusal says which entry."""
        try:
            return action()
        except VirageError as error:
            issues = led(error, entry.where)
            raise VirageError(
                error.text, code=error.code, status=error.status, issue=error.issue, path=issues[0].path, issues=issues
            ) from error


def _one_name_each(entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.full_url and entry.method in ("POST", "PUT"):
            if entry.full_url in seen:
                raise wrong("Deux entrées ont le même « fullUrl ».", f"{entry.where}.fullUrl", "duplicate")
            seen.add(entry.full_url)


def _refuse(error: VirageError) -> None:
    raise error
