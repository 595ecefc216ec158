"""Pro Santé Connect in the house."""

from virage.core.rooms import Room

ROOM = Room(name="trust.psc", title="Pro Santé Connect", actions=(5,), mount="psc/")
