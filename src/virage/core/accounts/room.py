"""The portals' way in and out."""

from virage.core.rooms import Room

ROOM = Room(name="core.accounts", title="Connexion aux portails", mount="connexion/")
