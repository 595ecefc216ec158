"""history of a resource, of a type, of the whole base."""

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from virage.core import audit
from virage.core.access import Filter
from virage.core.errors import Malformed, Unknown
from virage.core.fhir import json, prefer, representation
from virage.core.fhir.interactions import rights
from virage.core.fhir.interactions.searches import count_of
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Version

_PARAMETERS = frozenset({"_count", "_since", "_at", "_cursor"}) | prefer.RESULT_PARAMETERS
_AS_IT_IS = ("_sort", "-_lastUpdated")


def history(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Versions, newest first, as a Bundle of type history. 200, 403, 404."""
    rule = rights.rule(request, service)
    _refuse_unknown(request)
    count = count_of(request)
    page = service.store.history(
        request.type or None,
        request.id or None,
        since=_instant(request, "_since"),
        at=_period(request),
        count=count,
        cursor=request.param("_cursor") or None,
        access=rule,
        total=bool(request.id),
    )
    if request.id and not page.versions:
        _one_that_exists(request, service, rule)
    audit.later(
        by=request.caller, action="fhir.history", entities=((f"{request.type}/{request.id}",) if request.id else ())
    )
    links = [{"relation": "self", "url": _link(request, request.param("_cursor"))}]
    if page.next:
        links.append({"relation": "next", "url": _link(request, page.next)})
    view = prefer.wanted_view(request)
    bundle: dict[str, Any] = {
        "resourceType": "Bundle",
        "type": "history",
        "total": page.total,
        "link": links,
        "entry": [entry(request, service, version, view) for version in page.versions],
    }
    if page.total is None:
        del bundle["total"]
    return FhirResponse.of({key: value for key, value in bundle.items() if value != []})


def entry(request: FhirRequest, service: FhirService, version: "Version", view: prefer.View) -> dict[str, Any]:
    """One version in a history Bundle: what was asked then, and what was answered."""
    method = "DELETE" if version.deleted else "POST" if version.version == 1 else "PUT"
    status = {"DELETE": "204 No Content", "POST": "201 Created", "PUT": "200 OK"}[method]
    url = version.type if method == "POST" else f"{version.type}/{version.id}"
    made: dict[str, Any] = {"fullUrl": representation.full_url(request, version.type, version.id)}
    if not version.deleted:
        made["resource"] = json.fragment(representation.outgoing(request, service, version.type, version.body, view))
    made["request"] = {"method": method, "url": url}
    made["response"] = {
        "status": status,
        "etag": f'W/"{version.version}"',
        "lastModified": representation.instant(version.last_updated),
    }
    return made


def _one_that_exists(request: FhirRequest, service: FhirService, rule: Filter) -> None:
    """An empty history is told apart: never there (404), not for this caller (403), or nothing in the period asked for."""
    current = service.store.read(request.type, request.id)
    if current is None:
        raise Unknown(f"{request.type}/{request.id} n'existe pas ici.", code="FHIR.UNKNOWN")
    if not current.deleted:
        rights.admit(rule, service, current)


def _instant(request: FhirRequest, name: str) -> datetime | None:
    text = request.param(name)
    if not text:
        return None
    try:
        # An unencoded plus sign of a time zone arrives as a space.
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Malformed(
            f"« {name} » est un instant, comme 2026-01-31T10:00:00Z.", code="FHIR.PARAM_VALUE", issue="value", path=name
        ) from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _period(request: FhirRequest) -> tuple[datetime, datetime] | None:
    """What `_at` covers: an instant, or the whole day, month or year that it names."""
    text = request.param("_at")
    if not text:
        return None
    if len(text) > 10:
        moment = _instant(request, "_at")
        assert moment is not None
        return moment, moment + timedelta(milliseconds=1)
    try:
        parts = [int(part) for part in text.split("-")]
        month, day = [*parts[1:], 1, 1][:2]
        start = datetime(parts[0], month, day, tzinfo=UTC)
    except (ValueError, TypeError):
        raise Malformed("« _at » est une date.", code="FHIR.PARAM_VALUE", issue="value", path="_at") from None
    if len(parts) == 3:
        return start, start + timedelta(days=1)
    # The first of the month that follows, or of the year that follows.
    later = start + timedelta(days=32 if len(parts) == 2 else 366)
    return start, later.replace(day=1) if len(parts) == 2 else later.replace(month=1, day=1)


def _refuse_unknown(request: FhirRequest) -> None:
    if prefer.prefer(request).lenient:
        return
    for name, value in request.params:
        if name not in _PARAMETERS and (name, value) != _AS_IT_IS:
            raise Malformed(
                "Un historique prend _count, _since, _at ; un autre paramètre est donné.",
                code="FHIR.PARAM_UNKNOWN",
                issue="not-supported",
                path=prefer.as_path(name),
            )


def _link(request: FhirRequest, cursor: str | None) -> str:
    params = [(name, value) for name, value in request.params if name != "_cursor"]
    if cursor:
        params.append(("_cursor", cursor))
    query = urlencode(params)
    return f"{request.base}/{request.path}" + (f"?{query}" if query else "")
