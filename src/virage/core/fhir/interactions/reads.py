"""read and vread, conditional or not."""

from typing import TYPE_CHECKING

from virage.core import audit
from virage.core.errors import Unknown
from virage.core.fhir import conditional, prefer, representation
from virage.core.fhir.interactions import native, rights
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Version


def read(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The current version: 200, 304 when the client has it, 403, 404, 410."""
    rule = rights.rule(request, service)
    version = found(service.store.read(request.type, request.id), request)
    rights.admit(rule, service, version)
    return present(request, service, version)


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
        return FhirResponse(304, headers=headers, native=True)
    audit.later(
        by=request.caller,
        action="fhir.read" if request.interaction == "read" else "fhir.vread",
        patient=representation.patient_of(version),
        entities=(f"{version.type}/{version.id}",),
    )
    if version.type == "Binary" and native.wanted(request):
        return native.present(version, headers)
    view = prefer.wanted_view(request)
    return FhirResponse(200, representation.outgoing(request, service, version.type, version.body, view), headers)


def found(version: "Version | None", request: FhirRequest) -> "Version":
    """The version, or the refusal that fits: Unknown (404), Gone (410)."""
    if version is None:
        raise Unknown(f"{request.type}/{request.id} n'existe pas ici.", code="FHIR.UNKNOWN")
    if version.deleted:
        raise rights.Gone(f"{request.type}/{request.id} a été supprimé.")
    return version
