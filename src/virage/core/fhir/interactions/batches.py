"""batch and transaction: the door of `core.fhir.bundle` and `core.fhir.transaction`."""

from virage.core.fhir import bundle as bundles
from virage.core.fhir import transaction
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService


def bundle(request: FhirRequest, service: FhirService) -> FhirResponse:
    """POST [base]: a Bundle whose type says whether its entries stand together (transaction) or alone (batch)."""
    entries = bundles.parse(request, service)
    if request.interaction == "transaction":
        return transaction.transaction(request, service, entries)
    return bundles.batch(request, service, entries)
