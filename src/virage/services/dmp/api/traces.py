"""The holder reads who looked: AuditEvents of what was done in the record, each with its reader, mode and reason."""

from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from virage.core.access import Everything
from virage.core.audit.queries import one
from virage.core.errors import Forbidden, Malformed, Unknown
from virage.core.fhir import FhirRequest, FhirResponse, FhirService
from virage.core.fhir.interactions import rights
from virage.services.dmp import access, queries
from virage.services.dmp.api import answers, whose

_ALLOWED = frozenset(
    [
        "patient",
        "entity",
        "date",
        "_lastUpdated",
        "action",
        "subtype",
        "outcome",
        "agent",
        "agent-name",
        "_count",
        "_cursor",
        "_sort",
        "_total",
        "_format",
        "_pretty",
    ]
)
_MOST = 1000
_PAGES = 20


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
    for name, _ in request.params:
        if name not in _ALLOWED:
            raise Malformed("Ce paramètre n'existe pas pour les traces.", code="FHIR.PARAM_UNKNOWN", path=name[:40])
    text = request.param("_count") or "50"
    if not (text.isdecimal() and text.isascii()) or len(text) > 9:
        raise Malformed("« _count » est un nombre entier, positif ou nul.", code="FHIR.PARAM", path="_count")
    count = min(int(text), _MOST)
    before = _moment(request.param("_cursor"))
    found: list[dict[str, Any]] = []
    more = False
    for _ in range(_PAGES):
        page = queries.traces_for(patient, before=before, count=max(count, 50))
        kept = [event for event in page if _asked(event, request)]
        found += kept
        more = len(page) == max(count, 50)
        if len(found) > count or not more:
            break
        before = datetime.fromisoformat(page[-1]["recorded"])
    links = []
    if len(found) > count or more:
        found = found[:count]
        if found:
            params = [(name, value) for name, value in request.params if name != "_cursor"]
            query = urlencode([*params, ("_cursor", found[-1]["recorded"])])
            links = [{"relation": "next", "url": f"{request.base}/AuditEvent?{query}"}]
    return answers.searchset(request, found, links)


def _moment(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        moment = datetime.fromisoformat(text.replace(" ", "+"))
    except ValueError:
        raise Malformed(
            "Le repère de page est illisible : reprenez la recherche.", code="FHIR.CURSOR", path="_cursor"
        ) from None
    return moment.astimezone()


def _action(event: dict[str, Any]) -> str:
    return str(event["subtype"][0]["code"])


def _references(event: dict[str, Any]) -> set[str]:
    return {str((entity.get("what") or {}).get("reference", "")) for entity in event.get("entity") or ()}


def _asked(event: dict[str, Any], request: FhirRequest) -> bool:
    return all(_holds(event, name, value) for name, value in request.params)


def _holds(event: dict[str, Any], name: str, value: str) -> bool:
    wanted = value.split(",")
    if name == "entity":
        return bool(_references(event) & set(wanted))
    if name == "action":
        return any(one.rpartition("|")[2] == event["action"] for one in wanted)
    if name == "subtype":
        return any(one.rpartition("|")[2] == _action(event) for one in wanted)
    if name == "outcome":
        return any(one.rpartition("|")[2] == event["outcome"] for one in wanted)
    if name in ("agent", "agent-name"):
        return any(one.rpartition("|")[2].casefold() in str(event["agent"][0]).casefold() for one in wanted)
    if name in ("date", "_lastUpdated"):
        return _dated(event["recorded"], value)
    return True


def _dated(recorded: str, asked: str) -> bool:
    prefix, bare = (asked[:2], asked[2:]) if asked[:2].isalpha() else ("eq", asked)
    day = recorded[: len(bare)]
    comparison = {
        "eq": day == bare,
        "ge": day >= bare,
        "gt": day > bare,
        "le": day <= bare,
        "lt": day < bare,
        "ne": day != bare,
    }
    if prefix not in comparison:
        raise Malformed("Ce préfixe de date n'existe pas : eq, ne, ge, gt, le, lt.", code="FHIR.PARAM", path="date")
    return comparison[prefix]
