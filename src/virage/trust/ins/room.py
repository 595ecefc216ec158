"""The identity room: the base of identities and INSi."""

from virage.core.rooms import Room
from virage.trust.ins.api import SERVICE

ROOM = Room(name="trust.ins", title="Identité nationale de santé", actions=(6,), fhir=(SERVICE,))
