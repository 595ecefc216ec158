"""Plays the steps in order, one line each."""

import time
from collections.abc import Callable

import httpx

from virage.core.errors import VirageError
from virage.sandbox.journey import steps


def play(journey: steps.Journey, tell: Callable[[str], None]) -> bool:
    """Play all nine steps; `tell` gets one line for each, beginning with its number. False at the first that fails."""
    played: tuple[Callable[[], str], ...] = (
        lambda: steps.software(journey),
        lambda: steps.doctor(journey),
        lambda: steps.identity(journey),
        lambda: steps.publish(journey),
        lambda: steps.read_back(journey),
        lambda: steps.glass(journey),
        lambda: steps.patient(journey),
        lambda: steps.mask(journey),
        lambda: steps.chain(journey),
    )
    for number, step in enumerate(played, 1):
        begun = time.monotonic()
        try:
            proved = step()
        except VirageError as failure:
            tell(f"{number} ÉCHEC : {failure.text}")
            return False
        except httpx.HTTPError as failure:
            tell(f"{number} ÉCHEC : le serveur {journey.base} ne répond pas ({type(failure).__name__}).")
            return False
        except (KeyError, IndexError, ValueError, StopIteration) as failure:
            tell(f"{number} ÉCHEC : la réponse n’a pas la forme attendue ({type(failure).__name__} : {failure}).")
            return False
        tell(f"{number} {proved} ({time.monotonic() - begun:.1f} s)")
    return True
