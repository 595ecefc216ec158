"""What every test stands on: one PostgreSQL for the run, a migrated template, a clone of it for each worker.

The server starts with the first test that asks for a database, so that a run of pure tests never pays for it.
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck
from hypothesis import settings as properties
from psycopg import sql

from tests.browser import chromium, populated, visitor  # noqa: F401  fixtures
from tests.sharing import Sharing, longest_first
from virage.core.db.embedded import Server, locate
from virage.core.errors import VirageError

RUN = Path(os.environ["VIRAGE_TEST_RUN"])
TEMPLATE = "virage_template"

# How long an example takes says something of the machine, not of the property; and the same examples come each time: what
# they find is found before a change lands, not by chance afterwards. What one example wrote is no matter to the next.
_LET = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
properties.register_profile("house", deadline=None, derandomize=True, suppress_health_check=_LET)
properties.load_profile("house")


def administrator(server: Server) -> psycopg.Connection:
    """A connection that may create databases."""
    return psycopg.connect(**server.parameters("postgres"), autocommit=True)


def clone(server: Server, name: str) -> None:
    """A database of its own, equal to the migrated template."""
    with administrator(server) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(TEMPLATE)))


def drop(server: Server, name: str) -> None:
    with administrator(server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def use(server: Server, name: str) -> None:
    """Point Django's connection of this process at a database of the run's server."""
    from django.db import connections

    wrapper = connections["default"]
    wrapper.close()
    values = {"NAME": name, "HOST": str(server.place.socket), "PORT": "5432", "USER": "virage"}
    wrapper.settings_dict.update(values)
    connections.settings["default"].update(values)


def traced() -> None:
    """Reads are traced a moment later: before the database goes, so that none is left for one that is not there."""
    from virage.core.audit import recording

    recording.flush()
    assert not recording._queue


@pytest.fixture(scope="session")
def database_server(django_db_blocker) -> Iterator[Server]:
    """The run's PostgreSQL, durability off, with the template migrated."""
    from django.core.management import call_command
    from django.db import connections

    RUN.mkdir(exist_ok=True)
    server = Server(locate(RUN / "database"), durable=False).open()
    with (RUN / "template.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with administrator(server) as connection:
            made = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", (TEMPLATE,)).fetchone()
            if not made:
                connection.execute("CREATE DATABASE virage_draft")
        if not made:
            with django_db_blocker.unblock():
                use(server, "virage_draft")
                call_command("migrate", verbosity=0, interactive=False)
                connections["default"].close()
            with administrator(server) as connection:
                connection.execute(sql.SQL("ALTER DATABASE virage_draft RENAME TO {}").format(sql.Identifier(TEMPLATE)))
    yield server
    server.close()


@pytest.fixture(scope="session")
def django_db_setup(database_server: Server, django_db_blocker) -> Iterator[None]:
    """This worker's clone; the fixtures `db` and `transactional_db` of pytest-django run in it."""
    from django.db import connections

    name = f"virage_{os.environ.get('PYTEST_XDIST_WORKER', 'main')}"
    clone(database_server, name)
    use(database_server, name)
    yield
    with django_db_blocker.unblock():
        traced()
        connections["default"].close()


@pytest.fixture
def own_database(database_server: Server, django_db_setup: None, django_db_blocker, request) -> Iterator[str]:
    """A clone for this test alone, where everything really commits; threads and child processes may use it too."""
    from django.db import connections

    before = connections["default"].settings_dict["NAME"]
    name = f"{before}_own_{abs(hash(request.node.nodeid)) % 10**8}"
    clone(database_server, name)
    use(database_server, name)
    with django_db_blocker.unblock():
        yield name
        traced()
        connections["default"].close()
    use(database_server, before)
    drop(database_server, name)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data sets; a test that needs it is skipped where it is absent."""
    beside = Path(__file__).resolve().parents[2] / "shared" / "data"
    path = Path(os.environ.get("VIRAGE_SHARED_DATA") or beside)
    if not path.is_dir():
        pytest.skip(f"no shared data at {path}: set VIRAGE_SHARED_DATA")
    return path


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Sharing:
    return Sharing(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    longest_first(items)


def pytest_configure(config: pytest.Config) -> None:
    """Clear away what killed runs left: a server that no living process holds, and its folder."""
    if os.environ.get("PYTEST_XDIST_WORKER") is not None:
        return
    for left in RUN.parent.glob("virage-test-*/database/pg.users"):
        home = left.parent
        try:
            with left.open("a") as users:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            continue  # a run under way, or somebody else's
        # What was killed before it became a database cannot be opened, only removed.
        with suppress(VirageError):
            Server(locate(home), durable=False).open().close()
        shutil.rmtree(home.parent, ignore_errors=True)


def pytest_unconfigure(config: pytest.Config) -> None:
    """The run's folder goes with the run; only the process that made it removes it."""
    if os.environ.get("PYTEST_XDIST_WORKER") is None:
        shutil.rmtree(RUN, ignore_errors=True)
