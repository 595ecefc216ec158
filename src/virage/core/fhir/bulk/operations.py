"""The bulk operations, as every base offers them."""

from virage.core.fhir.bulk import importing, kickoff
from virage.core.fhir.bulk.erasing import expunge
from virage.core.fhir.bulk.latest import lastn
from virage.core.fhir.service import Operation

_DEFINITION = "http://hl7.org/fhir/OperationDefinition/"

_BULK_DATA = "http://hl7.org/fhir/uv/bulkdata/OperationDefinition/"

BULK = (
    Operation("export", kickoff.export, "", "system", False, _BULK_DATA + "export"),
    Operation("export", kickoff.export, "Patient", "type", False, _BULK_DATA + "patient-export"),
    Operation("export", kickoff.export, "Group", "instance", False, _BULK_DATA + "group-export"),
    Operation(
        "export-status",
        kickoff.status,
        "",
        "system",
        False,
        "urn:virage:OperationDefinition:export-status",
        removes=True,
    ),
    Operation("export-file", kickoff.download, "", "system", False, "urn:virage:OperationDefinition:export-file"),
    Operation("import", importing.order, "", "system", True, "urn:virage:OperationDefinition:import"),
    Operation(
        "import-status",
        importing.status,
        "",
        "system",
        False,
        "urn:virage:OperationDefinition:import-status",
        removes=True,
    ),
    Operation("import-file", importing.download, "", "system", False, "urn:virage:OperationDefinition:import-file"),
    Operation("lastn", lastn, "Observation", "type", False, _DEFINITION + "Observation-lastn"),
    Operation("expunge", expunge, "Patient", "instance", True, "urn:virage:OperationDefinition:expunge"),
)
