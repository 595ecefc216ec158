"""The functions of the language, by family. Importing the families fills the table."""

from virage.core.fhir.fhirpath.functions import (
    boundaries,
    collections,
    conversions,
    existence,
    fhir,
    filtering,
    navigation,
    numbers,
    strings,
    types,
)
from virage.core.fhir.fhirpath.functions.registry import FUNCTIONS

__all__ = [
    "FUNCTIONS",
    "boundaries",
    "collections",
    "conversions",
    "existence",
    "fhir",
    "filtering",
    "navigation",
    "numbers",
    "strings",
    "types",
]
