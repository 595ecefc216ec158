"""The profiles and value sets that `$validate` knows: those of R4, and those held by the stores at this very moment."""

from virage.core.fhir import definitions, json
from virage.core.fhir.store import Store
from virage.core.fhir.validation import KEPT, Registry
from virage.core.fhir.validation.registry import Resource, split


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
            for store in self._stores:
                for version in store.search(kind, [("url", url)], count=100).matches:
                    self.add(json.loads(version.body))
        return super().find(kind, canonical)


def _of_r4(kind: str, url: str) -> bool:
    reader = {
        "StructureDefinition": definitions.structure,
        "ValueSet": definitions.value_set,
        "CodeSystem": definitions.code_system,
    }.get(kind)
    return reader is not None and reader(url) is not None
