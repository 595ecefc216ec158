"""`AuditEvent/$verify` on the shared base: does the chain of traces still hold."""

from typing import Any

from virage.core import access, audit
from virage.core.errors import Forbidden
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService


def verify_chain(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Parameters out: `result` (boolean), `traces` and `lanes` (integer), and `broken` (parts `lane`, `seq`, `what`) if it is.

    For programs and agents whose scopes read AuditEvent as a whole, not for one patient's.
    """
    rule = access.filter_for(service.space, request.caller, "read", "AuditEvent")
    if not isinstance(rule, access.Everything):
        decision = rule.admits(access.Facts("AuditEvent"))
        raise Forbidden(decision.reason or "Cette vérification porte sur toutes les traces.", code="FHIR.FORBIDDEN")
    verdict = audit.verify()
    parts: list[dict[str, Any]] = [
        {"name": "result", "valueBoolean": verdict.broken is None},
        {"name": "traces", "valueInteger": verdict.traces},
        {"name": "lanes", "valueInteger": verdict.lanes},
    ]
    if verdict.broken is not None:
        link = verdict.broken
        parts.append(
            {
                "name": "broken",
                "part": [
                    {"name": "lane", "valueInteger": link.lane},
                    {"name": "seq", "valueInteger": link.seq},
                    {"name": "what", "valueCode": link.what},
                ],
            }
        )
    return FhirResponse.of({"resourceType": "Parameters", "parameter": parts})
