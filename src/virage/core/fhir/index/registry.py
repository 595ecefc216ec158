"""Which search parameters hold for a type in a space, and the index plans made from them."""

import threading
from functools import lru_cache

from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index.aliases import Alias, aliases
from virage.core.fhir.index.plan import Indexer

_extra: dict[int, list[SearchParam]] = {}
_lock = threading.Lock()


def declare(space: int, params: list[SearchParam]) -> None:
    """Add a space's own search parameters (those of national profiles). To be called before anything is stored there."""
    with _lock:
        known = {each.url for each in _extra.get(space, [])}
        added = [each for each in params if each.url not in known]
        if added:
            _extra[space] = [*_extra.get(space, []), *added]
            params_of.cache_clear()
            indexer.cache_clear()
            aliases_of.cache_clear()


@lru_cache(maxsize=2048)
def params_of(space: int, type_: str) -> dict[str, SearchParam]:
    """Parameters of a type in a space, by code; the space's own win over the specification's."""
    found = {each.code: each for each in definitions.search_parameters(type_)}
    for each in _extra.get(space, []):
        if any(definitions.is_a(type_, base) for base in each.base):
            found[each.code] = each
    return found


@lru_cache(maxsize=2048)
def indexer(space: int, type_: str) -> Indexer:
    """The index plan of a type in a space."""
    return Indexer(space, type_, list(params_of(space, type_).values()), aliases_of(space, type_))


@lru_cache(maxsize=2048)
def aliases_of(space: int, type_: str) -> dict[str, Alias]:
    """The parameters of a type that others answer for."""
    return aliases(type_, list(params_of(space, type_).values()))
