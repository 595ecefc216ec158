"""What was computed a short while ago. Pure, but for what it remembers."""

from typing import Generic, TypeVar

Value = TypeVar("Value")
_LIMIT = 512
LONGEST = 512
"""Bytes: a longer key is not worth remembering."""


class Recent(Generic[Value]):
    """The values of the keys seen lately: between 512 and 1,024 of them, the oldest go.

    Two dictionaries rather than an order of use: a key that is asked again moves to the young one, and when that is full it
    becomes the old one. Threads may share it: at worst a value is made twice.
    """

    __slots__ = ("_old", "_young")

    def __init__(self) -> None:
        self._young: dict[str | bytes, Value] = {}
        self._old: dict[str | bytes, Value] = {}

    def get(self, key: str | bytes) -> Value | None:
        found = self._young.get(key)
        if found is None:
            found = self._old.get(key)
            if found is not None:
                self.keep(key, found)
        return found

    def keep(self, key: str | bytes, value: Value) -> None:
        if len(self._young) >= _LIMIT:
            self._old, self._young = self._young, {}
        self._young[key] = value
