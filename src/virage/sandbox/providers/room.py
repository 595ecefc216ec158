"""The sandbox's providers of identity."""

from virage.core.rooms import Room

ROOM = Room(name="sandbox.providers", title="FranceConnect et ProConnect du bac à sable", mount="")
