"""A Bundle sent to the base: its entries read, each one's request, each one's answer; and the batch (R4 http.html)."""

from dataclasses import dataclass, field
from typing import Any

from virage.core.errors import Issue, Malformed, VirageError
from virage.core.fhir import json, outcome, prefer
from virage.core.fhir.representation import instant
from virage.core.fhir.request import REASONS, FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

_METHODS = ("DELETE", "POST", "PUT", "PATCH", "GET", "HEAD")
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
        raise wrong("« entry » est un tableau.", "Bundle.entry")
    return [_entry(index, item, request) for index, item in enumerate(raw)]


def _entry(index: int, item: Any, request: FhirRequest) -> Entry:
    where = f"Bundle.entry[{index}]"
    asked = item.get("request") if isinstance(item, dict) else None
    if not isinstance(asked, dict):
        raise wrong("Chaque entrée a besoin de « request ».", f"{where}.request", "required")
    method, url = asked.get("method"), asked.get("url")
    if method not in _METHODS:
        raise wrong("« method » vaut GET, HEAD, POST, PUT, PATCH ou DELETE.", f"{where}.request.method")
    if not isinstance(url, str):
        raise wrong("« url » est l'adresse relative de l'interaction.", f"{where}.request.url", "required")
    resource = item.get("resource")
    if resource is not None and not isinstance(resource, dict):
        raise wrong("« resource » est une ressource.", f"{where}.resource")
    if method in ("PUT", "PATCH") and resource is None:
        raise wrong(f"Une entrée {method} porte une ressource.", f"{where}.resource", "required")
    full_url = item.get("fullUrl", "")
    if not isinstance(full_url, str):
        raise wrong("« fullUrl » est un texte.", f"{where}.fullUrl")
    url = url.removeprefix(request.base + "/") if request.base else url
    path, _, query = url.partition("?")
    headers = {
        header: value for name, header in _CONDITIONS.items() if isinstance((value := asked.get(name)), str) and value
    }
    if "prefer" in request.headers:
        headers["prefer"] = request.headers["prefer"]
    entry = Entry(index, method, path.strip("/"), query, full_url, resource, headers)
    if entry.method == "POST" and resource is None and not ("$" in path or "_search" in path):
        raise wrong("Une entrée POST porte une ressource.", f"{where}.resource", "required")
    return entry


def batch(request: FhirRequest, service: FhirService, entries: list[Entry]) -> FhirResponse:
    """Each entry by itself: the failure of one says nothing of the others."""
    answers = [_alone(request, service, entry) for entry in entries]
    return answer("batch-response", answers)


def _alone(request: FhirRequest, service: FhirService, entry: Entry) -> dict[str, Any]:
    from virage.core.fhir import router

    inner = inner_request(request, entry, entry.resource, False)
    try:
        return described(request, inner, router.dispatch(service, inner))
    except VirageError as error:
        return {"response": {"status": REASONS[error.status], "outcome": outcome.of_error(error)}}
    except Exception as error:
        answer = router.accident(inner, error)
        return {"response": {"status": REASONS[answer.status], "outcome": json.loads(answer.body)}}


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
    told: dict[str, Any] = {"status": REASONS[response.status]}
    headers = response.headers
    if "Location" in headers or "Content-Location" in headers:
        told["location"] = headers.get("Location") or headers["Content-Location"]
    if "ETag" in headers:
        told["etag"] = headers["ETag"]
    if response.updated is not None:
        told["lastModified"] = instant(response.updated)
    made: dict[str, Any] = {"response": told}
    if response.body and not response.native:
        read = inner.method == "GET" or inner.interaction == "operation"
        returns = prefer.prefer(request).returns if "prefer" in request.headers else "minimal"
        if read or returns == "representation":
            made = {"resource": json.fragment(response.body), **made}
        elif returns == "OperationOutcome":
            told["outcome"] = json.fragment(response.body)
    return made


def answer(kind: str, answers: list[dict[str, Any]]) -> FhirResponse:
    """The Bundle that answers, with an entry for each entry."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": kind}
    if answers:
        bundle["entry"] = answers
    return FhirResponse.of(bundle)


def led(error: VirageError, where: str) -> list[Issue]:
    """The issues of an entry's refusal, with paths that start at the Bundle."""
    return [
        issue
        if issue.path.startswith("Bundle.entry[")
        else Issue(issue.code, issue.text, f"{where}.{issue.path}" if issue.path else where, issue.severity)
        for issue in error.issues
    ]


def wrong(text: str, path: str, issue: str = "value") -> Malformed:
    """The refusal of a Bundle that makes no sense."""
    return Malformed(text, code="FHIR.BUNDLE", issue=issue, path=path)
