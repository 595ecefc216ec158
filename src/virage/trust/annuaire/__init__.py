"""Annuaire Santé: professionals and structures of the country, under their national numbers.

Authority: RPPS (decree 2009-134), FINESS (decree 2009), Annuaire Santé implementation guide 1.2.0. Left out: the
restricted-access data of the directory.

Doors for other rooms: `professional`, `names`, `search_professionals`, `put` (directory entries, for the sandbox); the modules `rules`, `nomenclatures`,
`resources`.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.trust.annuaire import nomenclatures, resources, rules
    from virage.trust.annuaire.actions import put
    from virage.trust.annuaire.finding import names, search_professionals
    from virage.trust.annuaire.queries import professional

# Fetched on first use: the numbers' rules must be readable without the store.
_HOMES = {"names": "finding", "professional": "queries", "put": "actions", "search_professionals": "finding"}
_MODULES = ("nomenclatures", "resources", "rules")

__all__ = ["names", "nomenclatures", "professional", "put", "resources", "rules", "search_professionals"]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
