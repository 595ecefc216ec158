"""Migrations on a running system: a schema step waits little for its locks, and tries again rather than block readers."""

import io
import time

from django.core.management import call_command
from django.db import connection
from django.db.utils import OperationalError
from psycopg.errors import LockNotAvailable

from virage.core import db
from virage.core.errors import VirageError
from virage.core.progress import Progress
from virage.site.migrations import missing

_LOCK_TIMEOUT = "3s"
_ATTEMPTS = 10


class Blocked(VirageError):
    """A schema step never got its lock."""

    code = "SITE.MIGRATION_BLOCKED"
    status = 503
    issue = "lock-error"


def _apply(verbosity: int) -> None:
    lacking = len(missing())
    if not verbosity:
        call_command("migrate", verbosity=0, interactive=False)
    elif not lacking:
        call_command("migrate", verbosity=0, interactive=False)
        print("la base est à jour.")  # noqa: T201
    else:
        with Progress("Étapes de la base", lacking) as progress:
            call_command("migrate", verbosity=1, interactive=False, no_color=True, stdout=_Steps(progress))
        print(f"la base est à jour ; étapes faites : {progress.done}.")  # noqa: T201


class _Steps(io.StringIO):
    """Where Django tells its steps, each of which ends by « OK »: only their number is shown."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self._progress = progress

    def write(self, text: str) -> int:
        self._progress.add(text.count(" OK"))
        return len(text)


def migrate(verbosity: int = 1) -> int:
    """Apply what is missing; one process at a time. Raises Blocked when long transactions stand in the way.

    `verbosity` 0 says nothing.
    """
    with db.cursor() as cursor:
        # A session lock, not a transaction's: migrations open and close their own transactions.
        cursor.execute("SELECT pg_advisory_lock(hashtext('virage migrate'))")
        cursor.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT}'")
    try:
        for attempt in range(1, _ATTEMPTS + 1):
            try:
                _apply(verbosity)
                return 0
            except OperationalError as error:
                if not isinstance(error.__cause__, LockNotAvailable):
                    raise
                time.sleep(attempt)  # readers and writers pass meanwhile; steps already done are kept
        raise Blocked("une transaction longue empêche la mise à jour de la base : réessayer quand elle est finie.")
    finally:
        connection.close()
