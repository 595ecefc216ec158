"""How a room declares itself to the house. `site` finds every `room.py` and reads its `ROOM`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class MenuEntry:
    """A door in a portal's navigation: `portal` is `public`, `citizen`, `professional`, `agent`, `vendor` or `data`."""

    portal: str
    label: str
    url_name: str
    order: int = 100


@dataclass(frozen=True, slots=True)
class Room:
    """One national system: its name (`trust.ins`), French title, the roadmap actions it serves, its interfaces.

    `fhir` are the FHIR services it opens (values of `core.fhir.FhirService`, left untyped so that this module stays on the
    ground); `handlers` maps an event's name to the function that hears it; `mount` is the path under which `urls.py` of the
    room is included, empty when the room has no page and no plain HTTP interface.
    """

    name: str
    title: str
    actions: tuple[int, ...] = ()
    fhir: tuple[Any, ...] = ()
    menu: tuple[MenuEntry, ...] = ()
    handlers: Mapping[str, Callable[..., None]] = field(default_factory=dict)
    mount: str | None = None
