"""The room's declaration."""

from virage.core.rooms import MenuEntry, Room

ROOM = Room(
    name="platforms.bsp",
    title="Bouquet de services aux professionnels",
    actions=(16,),
    mount="pro/",
    menu=(
        MenuEntry("professional", "Mes patients", "bsp:home", 10),
        MenuEntry("professional", "Chercher une identité", "bsp:search", 20),
    ),
)
