"""FHIRPath: expressions compiled to closures, typed against the R4 definitions.

Authority: FHIRPath N1 (ANSI/HL7 NMN R1-2020, 2.0.0) and what FHIR R4 adds to it; later functions where the R4 suite tests
them. Left out: the reflection of `elementDefinition()`, `%factory`, `Long` as a type apart from Integer.
"""

from virage.core.fhir.fhirpath.errors import FhirPathError, TooDear
from virage.core.fhir.fhirpath.evaluation import MAX_STEPS, Terminology
from virage.core.fhir.fhirpath.expression import Compiled, compile
from virage.core.fhir.fhirpath.operation import evaluate_operation
from virage.core.fhir.fhirpath.values import Item, Node

__all__ = [
    "MAX_STEPS",
    "Compiled",
    "FhirPathError",
    "Item",
    "Node",
    "Terminology",
    "TooDear",
    "compile",
    "evaluate_operation",
]
