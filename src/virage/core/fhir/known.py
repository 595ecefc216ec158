"""The profiles and value sets that `$validate` knows: those of R4, and those held by the stores at this very moment."""

import re
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from threading import Lock, RLock
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
_TOGETHER = 50
_PAGE = 100
_MOST_KEPT = 50
_MOST_KNOWN = 2000
"""Things remembered after which what is kept begins anew, so that asking for ever other ones does not fill the memory."""


_Versions = dict[str, tuple[int, datetime]]
"""Versions and their times, by id."""


class Held(Registry):
    """What R4 does not define is looked up by `url` in the stores, once; of two with the same address, the last store's stays.

    It is true as of when each was looked up: `kept` says whether it still is.
    """

    def __init__(self, *stores: Store) -> None:
        super().__init__()
        self._stores = stores
        self._asked: dict[tuple[str, str], list[_Versions]] = {}
        """What each store had under an address."""
        self._loading = RLock()

    def find(self, kind: str, canonical: str) -> Resource | None:
        """See Registry."""
        url, _ = split(canonical)
        if url and kind in KEPT and (kind, url) not in self._asked and not _of_r4(kind, url):
            with self._loading:  # another request must not take what is being looked up for absent
                if (kind, url) not in self._asked:
                    self._asked[kind, url] = [self._load(store, kind, url) for store in self._stores]
        return super().find(kind, canonical)

    def _load(self, store: Store, kind: str, url: str) -> _Versions:
        found: _Versions = {}
        cursor = None
        while True:
            page = store.search(kind, [("url", _literal(url))], count=_PAGE, cursor=cursor)
            for version in page.matches:
                resource = json.loads(version.body)
                # Nobody asked for it before, so that nothing in the cache stands on its absence.
                self._known.setdefault((kind, url), {})[str(resource.get("version", ""))] = resource
                found[version.id] = (version.version, version.last_updated)
            cursor = page.next
            if cursor is None:
                return found

    def size(self) -> int:
        """How much it remembers: addresses, and what was compiled from them."""
        return len(self._asked) + len(self.cache)

    def holds(self) -> bool:
        """Whether the stores have the same under each address as when it was looked up. A statement a store for every 50 of a type."""
        asked = dict(self._asked)
        for kind in sorted({kind for kind, _ in asked}):
            urls = [url for each, url in asked if each == kind]
            for place, store in enumerate(self._stores):
                for at in range(0, len(urls), _TOGETHER):
                    part = urls[at : at + _TOGETHER]
                    before = {id: version for url in part for id, version in asked[kind, url][place].items()}
                    if store.versions(kind, [("url", ",".join(map(_literal, part)))]) != before:
                        return False
        return True


_kept: OrderedDict[tuple[object, ...], Held] = OrderedDict()
_keeping = Lock()


def kept(stores: Sequence[Store], profiles: Iterable[str]) -> Held:
    """The Held of these stores for these profiles, with all that was compiled from it, for as long as nothing that it was asked
    for has changed.

    A profile posted, changed or deleted by any process counts from the next request on.
    """
    places = {store.space.code: store for store in stores}
    key = (*places, *sorted(set(profiles)))
    with _keeping:
        found = _kept.get(key)
    if found is None or found.size() > _MOST_KNOWN or not found.holds():
        found = Held(*places.values())
    with _keeping:
        _kept[key] = found
        _kept.move_to_end(key)
        if len(_kept) > _MOST_KEPT:
            _kept.popitem(last=False)
    return found


def _literal(url: str) -> str:
    """The address as one value of a search, where these characters would separate several."""
    return _SEPARATORS.sub(r"\\\g<0>", url)


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
