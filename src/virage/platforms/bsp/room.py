"""The room's declaration."""

from virage.core.rooms import MenuEntry, Room


def _hear(event: object) -> None:
    # Models load with Django, declarations before it.
    from virage.platforms.bsp.handlers import on_glass_broken

    on_glass_broken(event)  # type: ignore[arg-type]


ROOM = Room(
    name="platforms.bsp",
    title="Bouquet de services aux professionnels",
    actions=(16,),
    mount="pro/",
    handlers={"dmp.glass_broken": _hear},
    menu=(
        MenuEntry("professional", "Mes patients", "bsp:home", 10),
        MenuEntry("professional", "Chercher une identité", "bsp:search", 20),
    ),
)
