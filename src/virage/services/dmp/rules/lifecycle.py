"""The life of a record: from the notice sent to its holder to its destruction ten years after it was closed.

Sources: R. 1111-28 (six weeks to oppose), R. 1111-40 (creation with the digital space), L. 1111-18 (kept ten years). The
graph of states is a proposal of this house where the texts name no states.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from enum import StrEnum

from virage.core.errors import Conflict

NOTICE_DAYS = 42
RETENTION_YEARS = 10
WAITING_DAYS = 14
"""After these days without an announcement the holder hears that an update waits (R. 1111-53)."""
HIDDEN_DAYS = 30
"""After these days a document kept from its holder shows by itself (R. 1111-53: one month)."""


class State(StrEnum):
    """Where a record stands. `NON_CREE` is the absence of any record."""

    NON_CREE = "NON_CREE"
    NOTIFIE = "NOTIFIE"
    OPPOSE = "OPPOSE"
    ACTIF = "ACTIF"
    FERME = "FERME"
    DETRUIT = "DETRUIT"


# Which verb leads from which states to which.
_MOVES: Mapping[str, tuple[frozenset[State], State]] = {
    "notify": (frozenset({State.NON_CREE}), State.NOTIFIE),
    "oppose": (frozenset({State.NOTIFIE}), State.OPPOSE),
    "open": (frozenset({State.NON_CREE, State.NOTIFIE, State.OPPOSE}), State.ACTIF),
    "close": (frozenset({State.ACTIF}), State.FERME),
    "reopen": (frozenset({State.FERME}), State.ACTIF),
    "destroy": (frozenset({State.FERME}), State.DETRUIT),
}

LABELS: Mapping[State, str] = {
    State.NON_CREE: "n'a pas été créé",
    State.NOTIFIE: "n'est pas encore ouvert : son titulaire a jusqu'à la fin du délai pour s'y opposer",
    State.OPPOSE: "n'existe pas : son titulaire s'y est opposé",
    State.ACTIF: "est ouvert",
    State.FERME: "est fermé",
    State.DETRUIT: "a été détruit à la fin de sa durée de conservation",
}


def move(state: State, verb: str) -> State:
    """The state after a verb. Raises `Conflict` (`DMP.STATE`) where the record cannot take it now."""
    allowed, after = _MOVES[verb]
    if state not in allowed:
        raise Conflict(f"Impossible maintenant : le dossier médical partagé {LABELS[state]}.", code="DMP.STATE")
    return after


def opening_date(notified_on: date) -> date:
    """First day on which a record opens by itself when nobody opposed."""
    return notified_on + timedelta(days=NOTICE_DAYS)


def destruction_date(closed_on: date) -> date:
    """First day on which a closed record is destroyed; 29 February becomes 1 March."""
    try:
        return closed_on.replace(year=closed_on.year + RETENTION_YEARS)
    except ValueError:
        return date(closed_on.year + RETENTION_YEARS, 3, 1)
