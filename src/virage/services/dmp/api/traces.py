"""The holder reads who looked: AuditEvents of what was done in the record, each with its reader, mode and reason."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlencode

from virage.core.access import Everything
from virage.core.audit.queries import one
from virage.core.errors import Forbidden, Malformed, Unknown
from virage.core.fhir import FhirRequest, FhirResponse, FhirService
from virage.core.fhir.index.dates import date_range
from virage.core.fhir.interactions import rights
from virage.services.dmp import access, queries
from virage.services.dmp.api import answers, whose

_MOST = 1000
_PAGE = 200


def _owned(request: FhirRequest, service: FhirService) -> None:
    with access.opened(Everything()):
        rights.rule(request, service, request.interaction, "AuditEvent")
    if request.caller.kind not in ("citizen", "system"):
        raise Forbidden(
            "Les traces d'un dossier médical partagé sont réservées à son titulaire.", code="DMP.HOLDER_ONLY"
        )


def read(request: FhirRequest, service: FhirService) -> FhirResponse:
    """One trace of the caller's own record. 200, 403, 404."""
    _owned(request, service)
    event = one(request.id)
    mine = f"Patient/{request.caller.patient}"
    if event is None or _action(event) not in queries.TRACED or mine not in _references(event):
        raise Unknown("Cette trace n'existe pas.", code="DMP.NO_TRACE")
    return FhirResponse.of(event)


def search(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Traces of the caller's own record, newest first; `entity`, `date`, `action`, `subtype`, `agent` narrow. 200, 400, 403."""
    _owned(request, service)
    patient = whose.resolve(request)
    if request.caller.kind == "citizen" and patient != request.caller.patient:
        raise Forbidden("Vous ne lisez que les traces de votre dossier.", code="DMP.HOLDER_ONLY")
    for name, value in request.params:
        if name not in _ALLOWED:
            raise Malformed("Ce paramètre n'existe pas pour les traces.", code="FHIR.PARAM_UNKNOWN", path=name[:40])
        if name == "_sort" and value not in ("-date", "-_lastUpdated"):
            raise Malformed(
                "Les traces se lisent de la plus récente à la plus ancienne : _sort=-date.",
                code="FHIR.SEARCH_SORT",
                path="_sort",
            )
    text = request.param("_count") or "50"
    if not (text.isdecimal() and text.isascii()) or len(text) > 9:
        raise Malformed("« _count » est un nombre entier, positif ou nul.", code="FHIR.PARAM", path="_count")
    count = min(int(text), _MOST)
    wanted = [_criterion(name, value) for name, value in request.params if name in _CRITERIA]
    if request.param("_summary") == "count":
        return answers.counted(request, sum(1 for _ in _matching(patient, wanted)))
    found = list(islice(_matching(patient, wanted, request.param("_cursor") or ""), count + 1))
    links = []
    if len(found) > count > 0:
        params = [(name, value) for name, value in request.params if name != "_cursor"]
        query = urlencode([*params, ("_cursor", found[count - 1]["id"])])
        links = [{"relation": "next", "url": f"{request.base}/AuditEvent?{query}"}]
    total = None
    if request.param("_total") in ("accurate", "estimate"):
        total = sum(1 for _ in _matching(patient, wanted))
    return answers.searchset(request, found[:count], links, total)


def _matching(
    patient: str, wanted: list[Callable[[dict[str, Any]], bool]], after: str = ""
) -> Iterator[dict[str, Any]]:
    """The traces of a record that meet all criteria, newest first, after the one with this id."""
    while True:
        page = queries.traces_for(patient, after=after, count=_PAGE)
        yield from (event for event in page if all(holds(event) for holds in wanted))
        if len(page) < _PAGE:
            return
        after = page[-1]["id"]


def _action(event: dict[str, Any]) -> str:
    return str(event["subtype"][0]["code"])


def _references(event: dict[str, Any]) -> set[str]:
    return {str((entity.get("what") or {}).get("reference", "")) for entity in event.get("entity") or ()}


def _identifiers(event: dict[str, Any]) -> set[str]:
    """How the reader is designated: national identifier and RPPS, with and without their systems."""
    who = event["agent"][0].get("who") or {}
    held = [who.get("identifier") or {}, *(one.get("valueIdentifier") or {} for one in who.get("extension") or ())]
    found = {str(event["agent"][0].get("altId", ""))}
    for identifier in held:
        found |= {str(identifier.get("value", "")), f"{identifier.get('system', '')}|{identifier.get('value', '')}"}
    return found - {"", "|"}


def _codes(event: dict[str, Any], name: str) -> set[str]:
    coding = event["type"] if name == "type" else event["subtype"][0]
    return {coding["code"], f"{coding['system']}|{coding['code']}"}


_CRITERIA: dict[str, Callable[[dict[str, Any]], set[str]]] = {
    "_id": lambda event: {event["id"]},
    "_tag": lambda event: set(),
    "entity": lambda event: _references(event),
    "action": lambda event: {event["action"], f"{_ACTIONS}|{event['action']}"},
    "outcome": lambda event: {event["outcome"], f"{_OUTCOMES}|{event['outcome']}"},
    "subtype": lambda event: _codes(event, "subtype"),
    "type": lambda event: _codes(event, "type"),
    "altid": _identifiers,
    "agent.identifier": _identifiers,
    "agent:identifier": _identifiers,
    "agent": lambda event: set(),
    "agent-name": lambda event: set(),
    "date": lambda event: set(),
    "_lastUpdated": lambda event: set(),
}
_ACTIONS = "http://hl7.org/fhir/audit-event-action"
_OUTCOMES = "http://hl7.org/fhir/audit-event-outcome"
_ALLOWED = frozenset([*_CRITERIA, "patient", "_count", "_cursor", "_sort", "_total", "_summary", "_format", "_pretty"])


def _criterion(name: str, value: str) -> Callable[[dict[str, Any]], bool]:
    """One parameter as a question to a trace. Raises `Malformed` for a date that is none."""
    wanted = value.split(",")
    if name in ("date", "_lastUpdated"):
        asked = [_dated(name, one) for one in wanted]
        return lambda event: any(holds(*date_range(event["recorded"])) for holds in asked)
    if name in ("agent", "agent-name"):
        words = [one.rpartition("|")[2].casefold() for one in wanted]
        return lambda event: any(word in str(event["agent"][0]).casefold() for word in words)
    told = _CRITERIA[name]
    return lambda event: not told(event).isdisjoint(wanted)


def _dated(name: str, asked: str) -> Callable[[int, int], bool]:
    prefix, text = (asked[:2], asked[2:]) if asked[:2].isalpha() else ("eq", asked)
    try:
        low, high = date_range(text.replace(" ", "+"))
        return {
            "eq": lambda start, end: low <= start and end <= high,
            "ne": lambda start, end: not (low <= start and end <= high),
            "gt": lambda start, end: end > high,
            "ge": lambda start, end: start >= low,
            "lt": lambda start, end: start < low,
            "le": lambda start, end: end <= high,
            "sa": lambda start, end: start >= high,
            "eb": lambda start, end: end <= low,
        }[prefix]
    except (KeyError, ValueError):
        raise Malformed(
            "Une date s'écrit AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss+01:00, précédée ou non de eq, ne, ge, gt, le, lt, sa, eb.",
            code="FHIR.PARAM",
            path=name,
        ) from None
