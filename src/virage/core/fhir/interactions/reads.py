"""read and vread, conditional or not."""

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from virage.core import access, audit
from virage.core.callers import Caller
from virage.core.errors import Unknown
from virage.core.fhir import conditional, prefer, representation
from virage.core.fhir.interactions import native, rights
from virage.core.fhir.request import CONTENT_TYPES, JSON, FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService, is_guarded

if TYPE_CHECKING:
    from virage.core.fhir.store import Version


def read(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The current version: 200, 304 when the client has it, 403, 404, 410."""
    rule = rights.rule(request, service)
    version = found(service.store.read(request.type, request.id), request)
    rights.admit(rule, service, version)
    return present(request, service, version)


_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}\Z")
_LONG = 130  # no type and id of FHIR are longer together: what is remembered of paths stays small


@lru_cache(maxsize=8192)
def _place(path: str) -> tuple[str, str] | None:
    """`Type/id`, taken apart; None for any other path."""
    type, _, id = path.partition("/")
    return (type, id) if type and _ID.match(id) else None


def _plainly(path: str, accept: str, by: Caller, service: FhirService) -> tuple[str, str] | None:
    place = _place(path) if len(path) < _LONG else None
    if (
        place is None
        or place[0] not in service.plain
        or accept not in prefer.PLAIN_JSON
        or not isinstance(access.filter_for(service.space, by, "read", place[0]), access.Everything)
    ):
        return None
    return place


def known(path: str, accept: str, by: Caller, service: FhirService) -> "Version | None":
    """What a plain read of this path gives, when it is at hand; traced. None: it must be asked for as any other.

    It may be shared: for its bytes and dates.
    """
    place = _plainly(path, accept, by, service)
    version = service.store.known(*place) if place is not None else None
    if version is None or is_guarded(version.type, version.body):
        return None
    audit.read_later(by, "fhir.read", version.patient, path)
    return version


def plain(request: FhirRequest, service: FhirService) -> FhirResponse | None:
    """The read that most reads are, in few steps; None when it is not so plain, and the router has to find its way.

    Plain is the current version of a type that nothing overrides, whole, in JSON, without condition, for a caller whom no
    rule limits. 200, 404, 410.
    """
    header = request.headers.get
    place = _plainly(request.path, header("accept", ""), request.caller, service)
    if place is None or header("if-none-match") or header("if-modified-since"):
        return None
    request.interaction, request.type, request.id = "read", *place
    version = found(service.store.current(*place), request)
    if is_guarded(request.type, version.body):
        return representation.finish(request, present(request, service, version))
    audit.later(by=request.caller, action="fhir.read", patient=version.patient, entities=(request.path,))
    headers = representation.version_headers(version)
    headers["Content-Type"] = CONTENT_TYPES[JSON]
    return FhirResponse(200, version.body, headers, native=True)


def vread(request: FhirRequest, service: FhirService) -> FhirResponse:
    """One version: 200, 403, 404, 410 when that version is the deletion."""
    rule = rights.rule(request, service)
    number = int(request.version_id) if request.version_id.isdecimal() and len(request.version_id) < 10 else 0
    version = found(service.store.vread(request.type, request.id, number) if number else None, request)
    rights.admit(rule, service, version)
    return present(request, service, version)


def present(request: FhirRequest, service: FhirService, version: "Version") -> FhirResponse:
    """Answer with a version that the caller may see, and trace that it was read."""
    headers = representation.version_headers(version)
    if conditional.unchanged(request, version):
        return FhirResponse(304, headers=headers, native=True, updated=version.last_updated)
    audit.later(
        by=request.caller,
        action="fhir.read" if request.interaction == "read" else "fhir.vread",
        patient=version.patient,
        entities=(f"{version.type}/{version.id}",),
    )
    if version.type == "Binary" and native.wanted(request):
        return native.present(version, headers)
    view = prefer.wanted_view(request)
    body = representation.outgoing(request, service, version.type, version.body, view)
    return FhirResponse(200, body, headers, updated=version.last_updated)


def found(version: "Version | None", request: FhirRequest) -> "Version":
    """The version, or the refusal that fits: Unknown (404), Gone (410)."""
    if version is None:
        raise Unknown(f"{request.type}/{request.id} n'existe pas ici.", code="FHIR.UNKNOWN")
    if version.deleted:
        raise rights.Gone(f"{request.type}/{request.id} a été supprimé.")
    return version
