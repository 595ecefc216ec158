"""The room's declaration."""

from virage.core.rooms import MenuEntry, Room
from virage.platforms.ens.rules import SENTENCES


def _hear(event: object) -> None:
    # Models load with Django, declarations before it.
    from virage.platforms.ens.handlers import on_record_event

    on_record_event(event)  # type: ignore[arg-type]


ROOM = Room(
    name="platforms.ens",
    title="Mon espace santé",
    actions=(15,),
    mount="mon-espace-sante/",
    handlers=dict.fromkeys(SENTENCES, _hear),
    menu=(
        MenuEntry("citizen", "Accueil", "ens:home", 10),
        MenuEntry("citizen", "Mes documents", "ens:documents", 20),
        MenuEntry("citizen", "Qui a regardé", "ens:accesses", 30),
        MenuEntry("citizen", "Mes professionnels", "ens:professionals", 40),
        MenuEntry("citizen", "Mon dossier", "ens:record", 50),
    ),
)
