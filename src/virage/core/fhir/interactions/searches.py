"""search on a type, in a compartment, on the whole base; by GET and by POST `_search`."""

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from virage.core import audit
from virage.core.access import AllOf, AnyOf, Everything, Filter, Has, InPatient, OfType
from virage.core.errors import Issue, Malformed
from virage.core.fhir import definitions, json, outcome, prefer, representation
from virage.core.fhir.interactions import everywhere, rights
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.search.context import at_base
from virage.core.fhir.search.limits import limited
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Page

DEFAULT_COUNT = 50
MOST = 1000
# How R4's compartment definitions name the resource that a compartment is of.
_ITSELF = "{def}"
_TOTALS = ("none", "estimate", "accurate")
# `_totalMethod` is the word of a widely used client (fhirpy) for `_total`; it always comes with `_count=0`.
_OURS = frozenset({"_count", "_total", "_totalMethod", "_cursor", "_type"}) | prefer.RESULT_PARAMETERS


def search(request: FhirRequest, service: FhirService) -> FhirResponse:
    """One page of what the caller may see, as a Bundle of type searchset. 200, 400, 403."""
    access = rights.rule(request, service)
    within = compartment_filter(request) if request.compartment is not None else None
    view = prefer.wanted_view(request)
    count = count_of(request)
    only_count = view.summary == "count" or count == 0
    total = request.param("_total") or ("accurate" if only_count else "none")
    if total not in _TOTALS:
        raise _wrong("_total", "« _total » vaut none, estimate ou accurate.")
    params = [(name, value) for name, value in request.params if name not in _OURS]
    asked: dict[str, Any] = {
        "access": access,
        "within": within,
        "count": 0 if only_count else count,
        "cursor": request.param("_cursor") or None,
        "total": only_count or total != "none",
    }
    with limited(), at_base(request.base):
        if request.type:
            page = service.store.search(request.type, params, **asked)
        else:
            page = everywhere.search(service, types_of(request, service), params, **asked)
    warnings = unknown_parameters(request, page.unknown)
    audit.later(by=request.caller, action="fhir.search", entities=())
    return FhirResponse(200, searchset(request, service, page, view, warnings, only_count))


def types_of(request: FhirRequest, service: FhirService) -> list[str]:
    """The types that a search without a type goes through: those of `_type`, else all that the base lets search."""
    served = [name for name in sorted(service.served) if "search-type" in service.served[name]]
    if request.compartment is not None:
        members = definitions.compartments()[request.compartment[0]]
        served = [name for name in served if members.get(name) or name == request.compartment[0]]
    wished = request.param("_type")
    if not wished:
        return served
    names = [name.strip() for name in wished.split(",") if name.strip()]
    if any(name not in service.served for name in names):
        raise _wrong("_type", "« _type » nomme des types servis ici, séparés par des virgules.")
    return [name for name in served if name in names]


def searchset(
    request: FhirRequest,
    service: FhirService,
    page: "Page",
    view: prefer.View,
    warnings: list[Issue],
    only_count: bool,
) -> bytes:
    """The Bundle's bytes: stored resources are placed in it as they are, unless a guard or a view touches them."""
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset"}
    if page.total is not None:
        bundle["total"] = page.total
    bundle["link"] = links(request, page)
    entries: list[Any] = []
    if not only_count:
        for found in page.entries:
            version = found.version
            if found.holder is None:
                url = representation.full_url(request, version.type, version.id)
                body = representation.outgoing(request, service, version.type, version.body, view)
            else:
                url = representation.full_url(request, found.holder.type, found.holder.id) + "#" + version.id
                body = representation.contained(request, service, found.holder, version.id, view)
                if not body:
                    continue
            entries.append(
                {
                    "fullUrl": url,
                    "resource": json.fragment(body),
                    "search": {"mode": found.mode},
                }
            )
    if warnings:
        entries.append({"resource": outcome.of_issues(warnings), "search": {"mode": "outcome"}})
    if entries:
        bundle["entry"] = entries
    if view.summary == "count" or not view.whole:
        bundle["meta"] = {"tag": [representation.SUBSETTED]}
    return json.dumps(bundle)


def links(request: FhirRequest, page: "Page") -> list[dict[str, str]]:
    """self says what was really searched by; next (and previous, first when they are true) keep every parameter."""
    ignored = set(page.unknown)
    params = [(name, value) for name, value in request.params if name not in ignored and name != "_cursor"]
    here = request.param("_cursor")
    made = [{"relation": "self", "url": _link(request, params, here)}]
    if here:
        made.append({"relation": "first", "url": _link(request, params, None)})
    if page.next:
        made.append({"relation": "next", "url": _link(request, params, page.next)})
    return made


def _link(request: FhirRequest, params: list[tuple[str, str]], cursor: str | None) -> str:
    path = request.path.removesuffix("/_search").removesuffix("_search")
    query = urlencode([*params, ("_cursor", cursor)] if cursor else params, safe="|,:/$*")
    return f"{request.base}/{path}".rstrip("/") + (f"?{query}" if query else "")


def count_of(request: FhirRequest) -> int:
    """The page size asked for, MOST at most. Raises Malformed when it is not a number."""
    text = request.param("_count")
    if text is None:
        return DEFAULT_COUNT
    if not (text.isdecimal() and text.isascii()) or len(text) > 9:
        raise _wrong("_count", "« _count » est un nombre entier, positif ou nul.")
    return min(int(text), MOST)


def unknown_parameters(request: FhirRequest, unknown: Any) -> list[Issue]:
    """Refuse parameters that nobody knows; with `Prefer: handling=lenient`, leave them out and say so."""
    issues = [
        Issue(
            "not-supported",
            f"Le paramètre de recherche « {name[:64]} » n'existe pas pour {request.type or 'cette base'}.",
            prefer.as_path(name),
            "warning" if prefer.prefer(request).lenient else "error",
        )
        for name in unknown
    ]
    if issues and not prefer.prefer(request).lenient:
        raise Malformed(issues[0].text, code="FHIR.PARAM_UNKNOWN", issues=issues)
    return issues


def compartment_filter(request: FhirRequest) -> Filter:
    """What `Patient/12/Observation` adds to the caller's rule. Raises Malformed for what is not a compartment."""
    assert request.compartment is not None
    name, id = request.compartment
    members = definitions.compartments().get(name)
    if members is None:
        raise Malformed(
            f"« {name} » n'est pas un compartiment : Patient, Encounter, Practitioner, RelatedPerson ou Device.",
            code="FHIR.COMPARTMENT",
            issue="not-supported",
        )
    if request.type and not members.get(request.type):
        raise Malformed(
            f"Le compartiment {name} ne contient pas de {request.type}.", code="FHIR.COMPARTMENT", issue="not-supported"
        )
    if name == "Patient":
        return InPatient(id)
    types = [request.type] if request.type else [type for type, codes in members.items() if codes]
    return AnyOf(
        tuple(
            AllOf(
                (
                    OfType(frozenset({type})),
                    Has("_id" if code == _ITSELF else code, id if code == _ITSELF else f"{name}/{id}"),
                )
            )
            for type in types
            for code in members[type]
        )
    )


def both(one: Filter, other: Filter) -> Filter:
    """Both rules at once."""
    return one if isinstance(other, Everything) else AllOf((one, other))


def _wrong(name: str, text: str) -> Malformed:
    return Malformed(text, code="FHIR.PARAM_VALUE", issue="value", path=name)
