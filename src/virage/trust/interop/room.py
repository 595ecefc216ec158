"""The declaration of the room."""

from virage.core.rooms import Room

ROOM = Room(name="trust.interop", title="Cadre d'interopérabilité des systèmes d'information de santé", actions=(8,))
