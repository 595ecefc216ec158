"""A durable house to serve."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.conftest import TEMPLATE
from virage.core.db.embedded import locate, processes
from virage.core.db.embedded.place import binaries
from virage.core.db.embedded.server import Server


@pytest.fixture(scope="module")
def home(database_server, tmp_path_factory):
    """A durable house whose database is a copy of the migrated template."""
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"s{time.monotonic_ns()}"
    base.mkdir(mode=0o711)
    made = Server(locate(base)).open()
    programs = binaries(made.place.account)
    dump = tmp_path_factory.mktemp("dump") / "template.dump"
    where = ["-p", "5432", "-U", "virage"]
    source = ["-h", database_server.place.socket, *where, TEMPLATE]
    subprocess.run([programs / "pg_dump", "-Fc", "-Z0", "-f", dump, *source], check=True)
    subprocess.run(
        [programs / "pg_restore", "-e", "-1", "-h", made.place.socket, *where, "-d", "virage", dump], check=True
    )
    made.close()
    yield base
    for pid in processes.all_in(base / "pg" / "data"):
        os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(base, ignore_errors=True)
