"""The three patches of R4: JSON Patch (RFC 6902), FHIRPath Patch, XML Patch (RFC 5261).

`parse` reads the request's body into a function from the old resource to the new one. The function never changes its input.
"""

import base64
import binascii
from collections.abc import Callable
from typing import Any

from virage.core.errors import Invalid, Malformed
from virage.core.fhir import json
from virage.core.fhir.request import JSON, FhirRequest, UnsupportedMedia, media

Change = Callable[[dict[str, Any]], dict[str, Any]]

MOST_OPERATIONS = 2000


class MalformedPatch(Malformed):
    """The patch itself makes no sense."""

    code = "FHIR.PATCH"


class PatchFailed(Invalid):
    """The patch makes sense, but not on this resource: a place that is not there, a test that fails."""

    code = "FHIR.PATCH_FAILED"
    issue = "processing"


def parse(request: FhirRequest) -> Change:
    """The change that a request asks for, by its Content-Type. Raises MalformedPatch (400), UnsupportedMedia (415)."""
    if request.parsed is not None:
        return _entry(request.parsed)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in ("application/json-patch+json", "application/xml-patch+xml"):
        return _raw(kind, request.body)
    if media(kind) == JSON and request.body.lstrip()[:1] == b"[":
        return _raw("application/json-patch+json", request.body)
    if media(kind) is None:
        raise UnsupportedMedia(
            "Un patch est en « application/json-patch+json », en « application/fhir+json » (Parameters) "
            "ou en « application/xml-patch+xml »."
        )
    return _parameters(request.resource)


def _entry(resource: dict[str, Any]) -> Change:
    """A patch inside a Bundle: Parameters, or a Binary that holds a patch of another format."""
    if resource.get("resourceType") != "Binary":
        return _parameters(resource)
    try:
        body = base64.b64decode(str(resource.get("data", "")), validate=True)
    except (binascii.Error, ValueError):
        raise MalformedPatch("Le patch que porte le Binary n'est pas en base64.", path="Binary.data") from None
    return _raw(str(resource.get("contentType", "")).partition(";")[0].strip().lower(), body)


def _raw(kind: str, body: bytes) -> Change:
    if kind == "application/json-patch+json":
        from virage.core.fhir.patch import json_patch

        operations = json_patch.parse(json.read(body))
        return lambda resource: json_patch.apply(resource, operations)
    if kind == "application/xml-patch+xml":
        from virage.core.fhir.patch import xml_patch

        tree = xml_patch.parse(body)
        return lambda resource: xml_patch.apply_to_resource(resource, tree)
    raise UnsupportedMedia("Le Binary d'un patch est en JSON Patch ou en XML Patch.")


def _parameters(resource: dict[str, Any]) -> Change:
    from virage.core.fhir.patch import fhirpath_patch

    operations = fhirpath_patch.parse(resource)
    return lambda old: fhirpath_patch.apply(old, operations)
