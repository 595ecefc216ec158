"""What the store gives back."""

import re
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from virage.core.fhir import json

_PATIENT = re.compile(rb'"reference":"Patient/([A-Za-z0-9.\-]{1,64})"')
_ABOUT = tuple(b'"%s":' % name for name in (b"subject", b"patient", b"beneficiary", b"for", b"individual"))


@dataclass(frozen=True)
class Version:
    """One version of a resource. `body` are the bytes to serve, empty when this version says that it was deleted.

    `created` is true of a first version, and of one that a write returns when it brought a deleted resource back. `compartment` is
    the patient compartment, -2⁶³ to 2⁶³-1.
    """

    type: str
    id: str
    version: int
    last_updated: datetime
    body: bytes
    compartment: int
    deleted: bool = False
    created: bool = False

    @cached_property
    def resource(self) -> dict[str, Any]:
        """The body parsed, decimals as they were written. Do not change it in place."""
        return json.loads(self.body)

    @cached_property
    def patient(self) -> str:
        """The logical id of the patient that it is about, for its trace; empty when it is about none.

        Read from the bytes, because reads never parse what they send.
        """
        if self.type == "Patient":
            return self.id
        body = self.body
        for found in _PATIENT.finditer(body):
            # The object that holds this reference has no other one inside before it, and bears a name that says what it is for.
            opened = body.rfind(b"{", 0, found.start())
            if body.endswith(_ABOUT, 0, opened) and body.find(b"}", opened, found.start()) < 0:
                return found[1].decode()
        return ""

    @property
    def reference(self) -> str:
        """`Type/id`."""
        return f"{self.type}/{self.id}"


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of a search's answer; `mode` is `match` or `include`.

    With a `holder`, the version is of what that contains: its id is a local one, its number and time are those of the holder.
    """

    version: Version
    mode: str = "match"
    holder: Version | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """A page of a search. `total` is exact, or None when it was not asked for; `next` the cursor of the page that follows.

    `used` are the parameters that were applied, for the self link; `unknown` the names that mean nothing for this type.
    """

    entries: list[Entry]
    total: int | None = None
    next: str | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def matches(self) -> list[Version]:
        """The versions that matched, without those included."""
        return [entry.version for entry in self.entries if entry.mode == "match"]


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """A page of a history, newest first; `next` is the cursor of the page that follows."""

    versions: list[Version]
    total: int | None = None
    next: str | None = None
