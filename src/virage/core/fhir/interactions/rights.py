"""Asking `core.access`, once for each interaction."""

from typing import TYPE_CHECKING

from virage.core import access
from virage.core.access import Everything, Filter, Nothing
from virage.core.errors import Forbidden, VirageError
from virage.core.fhir.request import FhirRequest
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Version


class Gone(VirageError):
    """The resource was deleted."""

    code = "FHIR.GONE"
    status = 410
    issue = "deleted"


def rule(request: FhirRequest, service: FhirService, interaction: str = "", type: str = "") -> Filter:
    """The filter for this interaction on this type. Raises Forbidden with the reason when nothing could pass."""
    asked = interaction or request.interaction
    filter_ = access.across if asked == "search-type" else access.filter_for
    found = filter_(service.space, request.caller, asked, type or request.type or "*")
    if isinstance(found, Nothing):
        raise Forbidden(found.reason)
    return found


def admit(found: Filter, service: FhirService, version: "Version") -> None:
    """Let one resource pass, or raise Forbidden with the rule's reason. Free when the filter is `Everything`."""
    if isinstance(found, Everything):
        return
    decision = found.admits(service.store.facts(version.resource))
    if not decision.allowed:
        raise Forbidden(decision.reason)
