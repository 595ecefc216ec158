"""The profiles and value sets that `$validate` knows: those of R4, and those held by the stores at this very moment."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from virage.core.errors import VirageError
from virage.core.fhir import definitions, json
from virage.core.fhir.interactions import rights
from virage.core.fhir.request import FhirRequest
from virage.core.fhir.service import FhirService
from virage.core.fhir.store import Store
from virage.core.fhir.validation import KEPT, Registry
from virage.core.fhir.validation.registry import Resource, split
from virage.core.fhir.validation.session import REFERENCE

_SEPARATORS = re.compile(r"[\\,$|]")
MAX_READS = 200


class Held(Registry):
    """A registry for one request: what R4 does not define is looked up by `url` in the stores, once.

    Nothing is kept from one request to the next, so that a profile posted, changed or deleted counts at once.
    """

    def __init__(self, *stores: Store) -> None:
        super().__init__()
        self._stores = stores
        self._asked: set[tuple[str, str]] = set()

    def find(self, kind: str, canonical: str) -> Resource | None:
        """See Registry."""
        url, _ = split(canonical)
        if kind in KEPT and (kind, url) not in self._asked and not _of_r4(kind, url):
            self._asked.add((kind, url))
            for store in self._stores if url else ():
                # In a search, these characters would separate values instead of being part of one.
                value = _SEPARATORS.sub(r"\\\g<0>", url)
                for version in store.search(kind, [("url", value)], count=100).matches:
                    self.add(json.loads(version.body))
        return super().find(kind, canonical)


def reader(request: FhirRequest, service: FhirService) -> Callable[[str], Mapping[str, Any] | None]:
    """A function that finds what a reference means in the store, when the caller may read it; None otherwise.

    It reads at most MAX_READS resources: whoever validates more references than that has them checked by form alone.
    """
    read: dict[str, Mapping[str, Any] | None] = {}

    def find(reference: str) -> Mapping[str, Any] | None:
        match = REFERENCE.fullmatch(reference)
        if match is None or (match[1] and match[1] != request.base) or match[2] not in service.served:
            return None
        if reference not in read and len(read) < MAX_READS:
            read[reference] = _readable(request, service, match[2], match[3])
        return read.get(reference)

    return find


def _readable(request: FhirRequest, service: FhirService, kind: str, ident: str) -> Mapping[str, Any] | None:
    try:
        rule = rights.rule(request, service, "read", kind)
        version = service.store.read(kind, ident)
        if version is None or version.deleted:
            return None
        rights.admit(rule, service, version)
    except VirageError:
        return None
    return json.loads(version.body)


def _of_r4(kind: str, url: str) -> bool:
    reader = {
        "StructureDefinition": definitions.structure,
        "ValueSet": definitions.value_set,
        "CodeSystem": definitions.code_system,
    }.get(kind)
    return reader is not None and reader(url) is not None
