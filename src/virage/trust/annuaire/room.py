"""The directory room."""

from virage.core.rooms import Room
from virage.trust.annuaire.api import SERVICE

ROOM = Room(name="trust.annuaire", title="Annuaire Santé", actions=(4,), fhir=(SERVICE,))
