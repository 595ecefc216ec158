"""The FHIR R4 engine, free of any web framework: a request value in, an answer value out.

Doors: `SHARED`, `FhirService`, `Operation`, `FhirRequest`, `FhirResponse`, `register_egress`,
`register_ingress`, `Store`, `Version`, `space`; and the modules `json`, `outcome`, `router`, `definitions`, `fhirpath`, `validation`, `xml`. Names are fetched on first use: reading
one definition must not load the store, nor the other way round.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.core.fhir.request import FhirRequest, FhirResponse
    from virage.core.fhir.service import SHARED, FhirService, Operation, register_egress, register_ingress
    from virage.core.fhir.store import Store, Version, patient_key
    from virage.core.fhir.store.space import space

_HOMES = {
    "SHARED": "service",
    "FhirRequest": "request",
    "FhirResponse": "request",
    "FhirService": "service",
    "Operation": "service",
    "register_egress": "service",
    "register_ingress": "service",
    "Store": "store",
    "Version": "store",
    "patient_key": "store",
    "space": "store",
}

__all__ = [
    "SHARED",
    "FhirRequest",
    "FhirResponse",
    "FhirService",
    "Operation",
    "Store",
    "Version",
    "patient_key",
    "register_egress",
    "register_ingress",
    "space",
]


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
