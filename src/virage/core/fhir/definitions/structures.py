"""The StructureDefinitions of R4 as facts: what profile validation starts from."""

import functools
from collections.abc import Mapping
from typing import Any

from virage.core.fhir.definitions import facts

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"


@functools.lru_cache(256)
def structure(url: str) -> Mapping[str, Any] | None:
    """The StructureDefinition (snapshot, without prose) of a type, a profile or an extension of R4, or None.

    Its invariants are those it declares: those of the types it uses are written with these types.
    """
    name = url.partition("|")[0]
    short = name.removeprefix(_STRUCTURE)
    if short in facts.kinds() and name != short:
        return facts.chunk("type/" + short)
    if facts.has("profile/" + name):
        return facts.chunk("profile/" + name)
    return None
