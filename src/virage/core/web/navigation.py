"""Doors and menus: one navigation for each kind of visitor."""

from collections.abc import Iterable
from dataclasses import dataclass

from virage.core.callers import Caller
from virage.core.rooms import MenuEntry


@dataclass(frozen=True, slots=True)
class Portal:
    """A door of the house: its key, address, French title, and the kinds of callers it is for (empty: everyone)."""

    key: str
    prefix: str
    title: str
    kinds: frozenset[str] = frozenset()


PORTALS: tuple[Portal, ...] = (
    Portal("citizen", "/mon-espace-sante/", "Mon espace santé", frozenset({"citizen"})),
    Portal("professional", "/pro/", "Espace des professionnels", frozenset({"professional"})),
    Portal("agent", "/pilotage/", "Pilotage", frozenset({"agent"})),
    Portal("vendor", "/editeurs/", "Espace des éditeurs"),
    Portal("data", "/hdh/", "Données de santé"),
    Portal("public", "/", "Le virage numérique en santé"),
)

_entries: dict[tuple[str, str], MenuEntry] = {}


def register_menu(entries: Iterable[MenuEntry]) -> None:
    """Add a room's doors to the navigation. Saying the same entry twice is the same as once."""
    for entry in entries:
        _entries[(entry.portal, entry.url_name)] = entry


def portal_of(path: str) -> Portal:
    """The portal whose pages this address belongs to; the public site is the last resort."""
    return next(portal for portal in PORTALS if path.startswith(portal.prefix))


def menu_of(portal: Portal, caller: Caller | None) -> list[MenuEntry]:
    """What the navigation of this portal shows this visitor: nothing of a door that is not theirs."""
    if portal.kinds and (caller is None or caller.kind not in portal.kinds):
        return []
    found = [entry for entry in _entries.values() if entry.portal == portal.key]
    return sorted(found, key=lambda entry: (entry.order, entry.label))


def opened_portals() -> list[Portal]:
    """The portals that have at least one page today."""
    keys = {entry.portal for entry in _entries.values()}
    return [portal for portal in PORTALS if portal.key in keys]
