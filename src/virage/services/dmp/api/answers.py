"""How a registered resource leaves this base: its bytes' address made absolute, as the client knows the base."""

import re
from typing import Any

from virage.core.fhir import FhirRequest, FhirResponse, FhirService, Version, json, prefer, representation

# The registry keeps `Binary/<id>`; a key can only be written like this in JSON, since texts have their quotes escaped.
_ADDRESS = re.compile(rb'"url":\s?"Binary/')


def absolute(request: FhirRequest, body: bytes) -> bytes:
    """The same JSON with the addresses of documents as absolute URLs."""
    return _ADDRESS.sub(b'"url":"' + request.base.encode() + b"/Binary/", body) if request.base else body


def present(
    request: FhirRequest, service: FhirService, version: Version, status: int = 200, **headers: str
) -> FhirResponse:
    """A version as the answer to a read or a write; `Prefer: return=minimal` leaves a write without body."""
    found = {**representation.version_headers(version), **headers}
    if status != 200 or request.method == "PATCH":
        wish = prefer.prefer(request).returns
        if wish == "minimal":
            return FhirResponse(status, b"", found)
    body = representation.outgoing(request, service, version.type, version.body, prefer.wanted_view(request))
    return FhirResponse(status, absolute(request, body), found)


def location(request: FhirRequest, version: Version) -> str:
    """The absolute address of a version."""
    return f"{request.base}/{version.reference}/_history/{version.version}"


def counted(request: FhirRequest, total: int) -> FhirResponse:
    """A Bundle that tells a number only (`_summary=count`)."""
    link = {"relation": "self", "url": f"{request.base}/{request.path}?{request.query}"}
    return FhirResponse(
        200, json.dumps({"resourceType": "Bundle", "type": "searchset", "total": total, "link": [link]})
    )


def searchset(
    request: FhirRequest,
    resources: list[dict[str, Any]],
    links: list[dict[str, str]] | None = None,
    total: int | None = None,
) -> FhirResponse:
    """A Bundle of resources that are not in this base's store; without `links` what is there is all there is."""
    entries = [
        {
            "fullUrl": representation.full_url(request, str(one["resourceType"]), str(one["id"])),
            "resource": one,
            "search": {"mode": "match"},
        }
        for one in resources
    ]
    bundle: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(entries)}
    bundle["link"] = [
        {"relation": "self", "url": f"{request.base}/{request.path}?{request.query}".rstrip("?")},
        *(links or []),
    ]
    if total is not None:
        bundle["total"] = total
    elif links:
        del bundle["total"]
    if entries:
        bundle["entry"] = entries
    return FhirResponse(200, json.dumps(bundle))
