"""batch and transaction (R4 http.html, « batch/transaction »).

A transaction runs in the order DELETE, POST, PUT and PATCH, GET, all or nothing, again after a deadlock; its entries are
answered in the order they came in. Identities are settled after the deletions and before any other write, so that every
pointer between entries can be written with its final address.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from virage.core import db
from virage.core.errors import Issue, Malformed, VirageError
from virage.core.fhir import conditional, json, outcome, prefer
from virage.core.fhir.conditional import PreconditionFailed
from virage.core.fhir.interactions import rights, writes
from virage.core.fhir.references import CONDITIONAL, rewrite
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

_METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
_REASONS = {
    200: "200 OK",
    201: "201 Created",
    204: "204 No Content",
    304: "304 Not Modified",
    400: "400 Bad Request",
    403: "403 Forbidden",
    404: "404 Not Found",
    405: "405 Method Not Allowed",
    406: "406 Not Acceptable",
    409: "409 Conflict",
    410: "410 Gone",
    412: "412 Precondition Failed",
    415: "415 Unsupported Media Type",
    422: "422 Unprocessable Entity",
    500: "500 Internal Server Error",
}
_CONDITIONS = {
    "ifMatch": "if-match",
    "ifNoneExist": "if-none-exist",
    "ifNoneMatch": "if-none-match",
    "ifModifiedSince": "if-modified-since",
}


@dataclass(slots=True)
class Entry:
    """One entry, read: its method, its address split in path and query, what it carries."""

    index: int
    method: str
    path: str
    query: str
    full_url: str = ""
    resource: dict[str, Any] | None = None
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def where(self) -> str:
        """The path of the entry in the Bundle, for issues."""
        return f"Bundle.entry[{self.index}]"

    @property
    def type(self) -> str:
        """The resource type its address begins with."""
        return self.path.partition("/")[0]

    @property
    def creates(self) -> bool:
        """Whether it is a plain or conditional create."""
        return (
            self.method == "POST" and self.resource is not None and "/" not in self.path and self.path[:1] not in "$_"
        )

    @property
    def updates_where(self) -> bool:
        """Whether it is a conditional update."""
        return self.method == "PUT" and bool(self.query) and "/" not in self.path


def parse(request: FhirRequest, service: FhirService) -> list[Entry]:
    """Read the Bundle and tell its kind into `request.interaction`. Raises Malformed with the entry's path."""
    bundle = request.resource
    if bundle.get("resourceType") != "Bundle":
        raise Malformed(
            "Cette adresse reçoit un Bundle ; pour créer une ressource, adressez-la à [base]/Type.",
            code="FHIR.BUNDLE",
            issue="value",
            path="resourceType",
        )
    kind = bundle.get("type")
    if kind not in ("batch", "transaction") or kind not in service.system:
        raise Malformed(
            "Un Bundle envoyé ici est de type « batch » ou « transaction », selon ce que la base offre.",
            code="FHIR.BUNDLE",
            issue="value",
            path="Bundle.type",
        )
    request.interaction = str(kind)
    raw = bundle.get("entry", [])
    if not isinstance(raw, list):
        raise _wrong("« entry » est un tableau.", "Bundle.entry")
    return [_entry(index, item, request) for index, item in enumerate(raw)]


def _entry(index: int, item: Any, request: FhirRequest) -> Entry:
    where = f"Bundle.entry[{index}]"
    asked = item.get("request") if isinstance(item, dict) else None
    if not isinstance(asked, dict):
        raise _wrong("Chaque entrée a besoin de « request ».", f"{where}.request", "required")
    method, url = asked.get("method"), asked.get("url")
    if method not in _METHODS:
        raise _wrong("« method » vaut GET, HEAD, POST, PUT, PATCH ou DELETE.", f"{where}.request.method")
    if not isinstance(url, str):
        raise _wrong("« url » est l'adresse relative de l'interaction.", f"{where}.request.url", "required")
    resource = item.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise _wrong("« resource » est une ressource.", f"{where}.resource")
    if method in ("PUT", "PATCH") and resource is None:
        raise _wrong(f"Une entrée {method} porte une ressource.", f"{where}.resource", "required")
    full_url = item.get("fullUrl", "")
    if not isinstance(full_url, str):
        raise _wrong("« fullUrl » est un texte.", f"{where}.fullUrl")
    url = url.removeprefix(request.base + "/") if request.base else url
    path, _, query = url.partition("?")
    headers = {
        header: value for name, header in _CONDITIONS.items() if isinstance((value := asked.get(name)), str) and value
    }
    if "prefer" in request.headers:
        headers["prefer"] = request.headers["prefer"]
    entry = Entry(index, method, path.strip("/"), query, full_url, resource, headers)
    if entry.method == "POST" and resource is None and not ("$" in path or "_search" in path):
        raise _wrong("Une entrée POST porte une ressource.", f"{where}.resource", "required")
    return entry


def batch(request: FhirRequest, service: FhirService, entries: list[Entry]) -> FhirResponse:
    """Each entry by itself: the failure of one says nothing of the others."""
    answers = [_alone(request, service, entry) for entry in entries]
    return _answer("batch-response", answers)


def _alone(request: FhirRequest, service: FhirService, entry: Entry) -> dict[str, Any]:
    from virage.core.fhir import router

    inner = inner_request(request, entry, entry.resource, False)
    try:
        return described(request, inner, router.dispatch(service, inner))
    except VirageError as error:
        return {"response": {"status": reason(error.status), "outcome": outcome.of_error(error)}}
    except Exception as error:
        answer = router.accident(inner, error)
        return {"response": {"status": reason(answer.status), "outcome": json.loads(answer.body)}}


def transaction(request: FhirRequest, service: FhirService, entries: list[Entry]) -> FhirResponse:
    """All entries or none. Raises the refusal of the entry that failed, its paths led by `Bundle.entry[n]`."""
    _one_name_each(entries)
    check(entries, service)
    return db.retrying(lambda: _answer("transaction-response", Transaction(request, service, entries).run()))


def check(entries: list[Entry], service: FhirService) -> None:
    """Refuse the whole when a resource to write is unsound, with the issues of all of them."""
    issues: list[Issue] = []
    for entry in entries:
        if entry.resource is None or not (entry.creates or entry.method == "PUT"):
            continue
        try:
            if entry.resource.get("resourceType") != entry.type:
                raise _wrong("« resourceType » et l'adresse ne disent pas le même type.", "resourceType")
            writes.check(entry.resource, service)
        except VirageError as error:
            issues += _led(error, entry.where + ".resource")[:200]
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
            resource = self.resolved(entry, strict=False)
            self._is(entry, entry.type, self.service.store.new_id(resource))
        self._refuse_overlap()

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
                raise _wrong(
                    "Deux entrées d'une transaction écrivent la même ressource.",
                    f"{entry.where}.request.url",
                    "duplicate",
                )
            written[identity] = entry.index

    def _each(self, methods: tuple[str, ...]) -> None:
        for entry in self.entries:
            if entry.method in methods:
                self.answers[entry.index] = self._at(entry, partial(self._do, entry))

    def _do(self, entry: Entry) -> dict[str, Any]:
        from virage.core.fhir import router

        if entry.index in self.present:
            return self._already(entry)
        resource = self.resolved(entry) if entry.resource is not None else None
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
        response = router.dispatch(self.service, inner)
        return described(self.request, inner, response)

    def _already(self, entry: Entry) -> dict[str, Any]:
        type, id = self.identities[entry.index]
        version = self.service.store.read(type, id)
        assert version is not None
        inner = inner_request(self.request, entry, None, True)
        return described(self.request, inner, writes.told(inner, self.service, version, 200))

    def resolved(self, entry: Entry, strict: bool = True) -> dict[str, Any]:
        """The entry's resource with final addresses; not `strict`, what cannot be resolved yet stays."""
        assert entry.resource is not None
        home = entry.full_url.rsplit("/", 2)[0] if entry.full_url.startswith(("http://", "https://")) else ""

        def resolve(text: str) -> str:
            known = self.known.get(text) or (self.known.get(f"{home}/{text}") if home else None)
            if known:
                return known
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
            return text

        return rewrite(entry.resource, resolve, self.known)

    def _only(self, entry: Entry, text: str) -> str:
        """The one resource that a conditional reference designates."""
        if text in self.found:
            return self.found[text]
        match = CONDITIONAL.match(text)
        assert match is not None
        type = match[1]
        probe = inner_request(self.request, entry, None, True)
        if type not in self.service.served:
            raise _wrong(f"Le type « {type} » n'est pas servi ici.", f"{entry.where}.resource", "not-supported")
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
            issues = _led(error, entry.where)
            raise VirageError(
                error.text, code=error.code, status=error.status, issue=error.issue, path=issues[0].path, issues=issues
            ) from error


def inner_request(
    request: FhirRequest, entry: Entry, resource: dict[str, Any] | None, inside_transaction: bool
) -> FhirRequest:
    """The request that an entry stands for."""
    return FhirRequest(
        method=entry.method,
        path=entry.path,
        query=entry.query,
        headers={**entry.headers, "content-type": "application/fhir+json"},
        caller=request.caller,
        base=request.base,
        inside_transaction=inside_transaction,
        checked=inside_transaction,
        parsed=resource,
    )


def described(request: FhirRequest, inner: FhirRequest, response: FhirResponse) -> dict[str, Any]:
    """The entry that answers an entry."""
    told: dict[str, Any] = {"status": reason(response.status)}
    headers = response.headers
    if "Location" in headers or "Content-Location" in headers:
        told["location"] = headers.get("Location") or headers["Content-Location"]
    if "ETag" in headers:
        told["etag"] = headers["ETag"]
    made: dict[str, Any] = {"response": told}
    if response.body and not response.native:
        read = inner.method == "GET" or inner.interaction == "operation"
        returns = prefer.prefer(request).returns if "prefer" in request.headers else "minimal"
        if read or returns == "representation":
            made = {"resource": json.fragment(response.body), **made}
        elif returns == "OperationOutcome":
            told["outcome"] = json.fragment(response.body)
    return made


def reason(status: int) -> str:
    """A status as Bundle.entry.response.status writes it."""
    return _REASONS.get(status, str(status))


def _answer(kind: str, answers: list[dict[str, Any]]) -> FhirResponse:
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if answers:
        bundle["entry"] = answers
    return FhirResponse.of(bundle)


def _one_name_each(entries: list[Entry]) -> None:
    seen: set[str] = set()
    for entry in entries:
        if entry.full_url and entry.method in ("POST", "PUT"):
            if entry.full_url in seen:
                raise _wrong("Deux entrées ont le même « fullUrl ».", f"{entry.where}.fullUrl", "duplicate")
            seen.add(entry.full_url)


def _led(error: VirageError, where: str) -> list[Issue]:
    """The issues of an entry's refusal, with paths that start at the Bundle."""
    return [
        issue
        if issue.path.startswith("Bundle.entry[")
        else Issue(issue.code, issue.text, f"{where}.{issue.path}" if issue.path else where, issue.severity)
        for issue in error.issues
    ]


def _wrong(text: str, path: str, issue: str = "value") -> Malformed:
    return Malformed(text, code="FHIR.BUNDLE", issue=issue, path=path)
