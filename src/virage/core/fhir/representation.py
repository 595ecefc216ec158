"""How an answer leaves: guarded, cut to the part asked for, in the format asked for."""

import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from virage.core.errors import Issue, Malformed
from virage.core.fhir import json
from virage.core.fhir.outcome import of_issues
from virage.core.fhir.prefer import WHOLE, View, is_browsing, wanted_format, wants_pretty
from virage.core.fhir.request import CONTENT_TYPES, JSON, FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService, egress, is_guarded

if TYPE_CHECKING:
    from virage.core.fhir.store import Version

SUBSETTED = {"system": "http://terminology.hl7.org/CodeSystem/v3-ObservationValue", "code": "SUBSETTED"}
_ALWAYS = frozenset({"resourceType", "id", "meta"})
_NOT_IN_XML = Issue(
    "informational", "C'est fait, mais XML ne peut pas écrire ce contenu : relisez-le en JSON.", severity="warning"
)


def finish(request: FhirRequest, response: FhirResponse) -> FhirResponse:
    """Put the JSON answer into the wished format. Raises NotAcceptable (406)."""
    if response.native:
        return response
    wanted = wanted_format(request)
    if response.body:
        if wanted != JSON:
            from virage.core.fhir import xml

            try:
                response.body = xml.dumps(json.loads(response.body), pretty=wants_pretty(request))
            except Malformed:
                if request.method in ("GET", "HEAD") or response.status >= 300:
                    raise
                # What was asked for is done: an answer that says the contrary would have it done twice.
                response.body = xml.dumps(of_issues([_NOT_IN_XML]))
        elif (browsing := is_browsing(request)) or wants_pretty(request):
            response.body = json.pretty(json.loads(response.body))
            if browsing:
                # The one name of JSON that browsers show instead of keeping it as a file.
                response.headers["Content-Type"] = "application/json; charset=utf-8"
        response.headers.setdefault("Content-Type", CONTENT_TYPES[wanted])
    return response


def plain(response: FhirResponse) -> FhirResponse:
    """The answer in JSON, whatever the client wished."""
    response.headers["Content-Type"] = CONTENT_TYPES[JSON]
    return response


def outgoing(request: FhirRequest, service: FhirService, type: str, body: bytes, view: View = WHOLE) -> bytes:
    """The stored bytes of one resource as this caller may see them: its type's guards run, then the part asked for.

    The bytes are not read when no guard could change them and the whole is wanted.
    """
    if view.whole and not is_guarded(type, body) and not has_carriers(type):
        return body
    resource = json.loads(body)
    guarded = guard(resource, request, service)
    if view.whole:
        return body if guarded is resource else json.dumps(guarded)
    return json.dumps(part_of(guarded, view))


def contained(request: FhirRequest, service: FhirService, holder: "Version", id: str, view: View = WHOLE) -> bytes:
    """A contained resource as this caller may see it, by the guards of what contains it and by its own; empty when they leave none."""
    whole = guard(holder.resource, request, service)
    for each in whole.get("contained", ()):
        if each.get("id") == id:
            found = guard(each, request, service)
            return json.dumps(found if view.whole else part_of(found, view))
    return b""


def has_carriers(type: str) -> bool:
    """Whether resources of this type can hold whole other ones that have guards of their own."""
    return type == "Bundle"


def guard(resource: dict[str, Any], request: FhirRequest, service: FhirService) -> dict[str, Any]:
    """Run the guards of a resource, and of those that it carries as entries of a Bundle."""
    for check in egress(resource.get("resourceType", "")):
        resource = check(resource, request.caller, service.space)
    carried = resource.get("entry") if resource.get("resourceType") == "Bundle" else None
    if isinstance(carried, list):
        entries = [
            {**entry, "resource": guard(entry["resource"], request, service)}
            if isinstance(entry, dict) and isinstance(entry.get("resource"), dict)
            else entry
            for entry in carried
        ]
        if any(
            new is not old and new["resource"] is not old["resource"] for new, old in zip(entries, carried, strict=True)
        ):
            resource = {**resource, "entry": entries}
    return resource


def part_of(resource: dict[str, Any], view: View) -> dict[str, Any]:
    """The part of a resource that `_summary` or `_elements` names, tagged SUBSETTED as FHIR asks."""
    type = resource["resourceType"]
    keep = set(_ALWAYS)
    if view.summary == "data":
        return _tagged({key: value for key, value in resource.items() if key != "text"})
    if view.summary == "text":
        keep |= {"text"} | _mandatory(type)
    elif view.summary:
        return _tagged(summary_of(resource))
    if view.elements:
        keep |= _named(type, view.elements) | _mandatory(type)
    return _tagged({key: value for key, value in resource.items() if key in keep or key.lstrip("_") in keep})


def summary_of(resource: dict[str, Any]) -> dict[str, Any]:
    """The summary elements of a resource, by the definitions."""
    from virage.core.fhir import definitions

    properties = definitions.element(resource["resourceType"]).properties
    return {
        key: value
        for key, value in resource.items()
        if key in _ALWAYS or ((found := properties.get(key.lstrip("_"))) and found[0].is_summary)
    }


def _named(type: str, elements: tuple[str, ...]) -> set[str]:
    """Top-level names: `name`, `Patient.name`, `value` for valueQuantity, and the head of deeper paths."""
    from virage.core.fhir import definitions

    children = definitions.element(type).children
    names: set[str] = set()
    for element in elements:
        head, _, rest = element.partition(".")
        if head[:1].isupper():
            if head != type:
                continue
            head = rest.partition(".")[0]
        head = head.removesuffix("[x]")
        names |= set(children[head].json) if head in children else {head}
    return names


def _mandatory(type: str) -> set[str]:
    from virage.core.fhir import definitions

    return {name for child in definitions.element(type).children.values() if child.min for name in child.json}


def _tagged(resource: dict[str, Any]) -> dict[str, Any]:
    meta = dict(resource.get("meta") or {})
    tags = meta.get("tag") or []
    meta["tag"] = [*tags, SUBSETTED]
    return {**resource, "meta": meta}


def full_url(request: FhirRequest, type: str, id: str) -> str:
    """The absolute address of a resource on the base that the client used."""
    return f"{request.base}/{type}/{id}"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("", "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(moment: datetime) -> str:
    """A moment as HTTP writes it."""
    return _http_second(int(moment.timestamp()))


@lru_cache(maxsize=4096)
def _http_second(second: int) -> str:
    """A second since 1970 as RFC 9110 writes it (IMF-fixdate). Every read says one, and what was loaded together shares it."""
    year, month, day, hour, minute, at, weekday, _, _ = time.gmtime(second)
    return f"{_DAYS[weekday]}, {day:02d} {_MONTHS[month]} {year:04d} {hour:02d}:{minute:02d}:{at:02d} GMT"


def instant(moment: datetime) -> str:
    """A moment as `meta.lastUpdated` writes it."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def version_headers(version: "Version") -> dict[str, str]:
    """ETag and Last-Modified of a version."""
    tag, date = validators(version.version, version.last_updated)
    return {"ETag": tag, "Last-Modified": date}


def validators(number: int, updated: datetime) -> tuple[str, str]:
    """The values of ETag and Last-Modified of a version of this number and moment."""
    return f'W/"{number}"', http_date(updated)
