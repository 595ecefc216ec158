"""The search index: what is kept of each resource so that it is found.

One hashed 64-bit key per value (parameter, value, bucket of the patient compartment): tokens in an array of the resource row
under GIN, dates, strings and numbers in narrow tables. Why: docs/decisions/0010-search-index.md.
"""

from virage.core.fhir.index.entries import Entries
from virage.core.fhir.index.plan import Indexer, patient_params
from virage.core.fhir.index.registry import aliases_of, declare, indexer, param_of, params_of, remembered, revised

__all__ = [
    "Entries",
    "Indexer",
    "aliases_of",
    "declare",
    "indexer",
    "param_of",
    "params_of",
    "patient_params",
    "remembered",
    "revised",
]
