"""Binary in its own format: bytes in, bytes out (R4 Binary, « Serving Binary Resources using the RESTful API »)."""

import base64
import binascii
import re
from typing import TYPE_CHECKING, Any

from virage.core.errors import Malformed
from virage.core.fhir import json
from virage.core.fhir.request import FhirRequest, FhirResponse, media

if TYPE_CHECKING:
    from virage.core.fhir.store import Version

_MEDIA_TYPE = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(\s*;\s*[A-Za-z0-9-]+=(\"[^\"]*\"|[^\s;\"]+))*\Z")
# What a browser must never render from our address.
_INERT = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "sandbox; default-src 'none'"}


def wanted(request: FhirRequest) -> bool:
    """Whether the client asks for the bytes themselves: an Accept that names no FHIR format, and no `_format`."""
    if request.param("_format") is not None:
        return False
    accept = request.headers.get("accept", "")
    names = [part.partition(";")[0].strip().lower() for part in accept.split(",") if part.strip()]
    return bool(names) and "*/*" not in names and not any(media(name) for name in names)


def present(version: "Version", headers: dict[str, str]) -> FhirResponse:
    """The bytes, under their own type; the security context travels in its header."""
    resource = json.loads(version.body)
    kind = resource.get("contentType", "application/octet-stream")
    try:
        body = base64.b64decode(resource.get("data", ""))
    except binascii.Error:
        body = b""
    headers = {**headers, **_INERT, "Content-Type": kind if _MEDIA_TYPE.match(kind) else "application/octet-stream"}
    context = resource.get("securityContext", {}).get("reference")
    if isinstance(context, str) and context.isprintable() and context.isascii():
        headers["X-Security-Context"] = context
    return FhirResponse(200, body, headers, native=True)


def is_native(request: FhirRequest) -> bool:
    """Whether the body of a write on Binary is the content itself rather than a Binary resource."""
    given = request.headers.get("content-type", "")
    return request.type == "Binary" and bool(given) and request.parsed is None and media(given) is None


def resource(request: FhirRequest) -> dict[str, Any]:
    """The Binary that raw bytes make. Raises Malformed for a Content-Type that is not one."""
    kind = request.headers.get("content-type", "").strip()
    if not _MEDIA_TYPE.match(kind):
        raise Malformed("Le Content-Type du contenu est mal formé.", code="FHIR.CONTENT_TYPE", path="Content-Type")
    made: dict[str, Any] = {"resourceType": "Binary", "contentType": kind}
    if request.id:
        made["id"] = request.id
    context = request.headers.get("x-security-context")
    if context:
        made["securityContext"] = {"reference": context}
    if request.body:
        made["data"] = base64.b64encode(request.body).decode()
    return made
