"""What differs from Django's own backend: where the address comes from, how a dead connection is seen, who hears of the end of a
transaction.
"""

import atexit
import threading
from typing import Any

from django.db.backends.postgresql import base

from virage.core import settings
from virage.core.db import changes, embedded
from virage.core.db.session import is_dead

_server: embedded.Server | None = None
_guard = threading.Lock()


def server() -> embedded.Server:
    """The embedded server of this process's home, attached once and left at exit. Raises DatabaseUnavailable."""
    global _server
    with _guard:
        if _server is None or _server.place.home != settings.home():
            _server = embedded.attach(settings.home())
            atexit.register(_server.close)
        return _server


class DatabaseWrapper(base.DatabaseWrapper):
    """HOST empty: the embedded server. The child processes of `virage serve` attach without starting or stopping anything."""

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self.changing: list[int] = []  # slots of `changes` that the transaction under way has begun

    def get_connection_params(self) -> dict[str, Any]:
        if not self.settings_dict["HOST"]:
            found = settings.home()
            place = embedded.locate(found, create=False) if settings.attached() else server().place
            self.settings_dict.update(HOST=str(place.socket), PORT="5432", USER="virage")
            self.settings_dict["NAME"] = self.settings_dict["NAME"] or "virage"
        return super().get_connection_params()

    def is_usable(self) -> bool:
        """Seen without a round trip."""
        return self.connection is not None and not is_dead(self.connection)

    def _commit(self) -> None:
        super()._commit()  # type: ignore[misc]
        self._settle()

    def _rollback(self) -> None:
        super()._rollback()  # type: ignore[misc]
        self._settle()

    def _settle(self) -> None:
        """The transaction has ended, and the server said so."""
        if self.changing:
            changes.ended(self.changing)
            self.changing.clear()

    def connect(self) -> None:
        # Another connection: how the transaction of the one before ended was never said.
        self.changing.clear()
        super().connect()
