"""Annuaire Santé: professionals and structures of the country, under their national numbers.

Authority: RPPS (decree 2009-134), FINESS (decree 2009), Annuaire Santé implementation guide 1.2.0. Left out: the
restricted-access data of the directory.

Door for other rooms: `professional(rpps)`.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.trust.annuaire.queries import professional

__all__ = ["professional"]


def __getattr__(name: str) -> Any:
    # Fetched on first use: the numbers' rules must be readable without the store.
    if name == "professional":
        from virage.trust.annuaire.queries import professional

        return professional
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
