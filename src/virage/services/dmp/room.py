"""The declaration of the room."""

from virage.core.rooms import Room
from virage.services.dmp.api import SERVICE

ROOM = Room(name="services.dmp", title="Dossier médical partagé", actions=(11,), fhir=(SERVICE,))
