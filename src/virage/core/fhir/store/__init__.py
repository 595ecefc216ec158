"""The store of FHIR resources: `Store(space("dmp"))`. How: docs/understand/store.md."""

from virage.core.fhir.store.places import patient_key
from virage.core.fhir.store.space import Space, space
from virage.core.fhir.store.store import Store
from virage.core.fhir.store.together import StaleAmong, Write
from virage.core.fhir.store.uniqueness import Duplicate
from virage.core.fhir.store.version import Entry, HistoryPage, Page, Version
from virage.core.fhir.store.writing import WRITTEN, StaleVersion

__all__ = [
    "WRITTEN",
    "Duplicate",
    "Entry",
    "HistoryPage",
    "Page",
    "Space",
    "StaleAmong",
    "StaleVersion",
    "Store",
    "Version",
    "Write",
    "patient_key",
    "space",
]
