"""The room's declaration."""

from virage.core.rooms import MenuEntry, Room

ROOM = Room(
    name="platforms.accueil",
    title="Accueil public et espace des éditeurs",
    mount="",
    menu=(
        MenuEntry("public", "Accueil", "accueil:home", 10),
        MenuEntry("public", "Se connecter", "accounts:choose", 90),
        MenuEntry("vendor", "Se raccorder", "accueil:vendors", 10),
    ),
)
