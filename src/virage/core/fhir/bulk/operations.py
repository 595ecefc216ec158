"""The bulk operations, as every base offers them."""

from virage.core.fhir.bulk.erasing import expunge
from virage.core.fhir.bulk.latest import lastn
from virage.core.fhir.service import Operation

_DEFINITION = "http://hl7.org/fhir/OperationDefinition/"

BULK = (
    Operation("lastn", lastn, "Observation", "type", False, _DEFINITION + "Observation-lastn"),
    Operation("expunge", expunge, "Patient", "instance", True, "urn:virage:OperationDefinition:expunge"),
)
