"""A PostgreSQL that somebody else runs, of the oldest version that we take, and two web processes: the whole care journey."""

import os
import shutil
import subprocess
import time
from pathlib import Path

import psycopg
import pytest

from tests.site.running import VIRAGE, Running
from virage.core.db.embedded import account

LEAST = 15


def _programs() -> Path | None:
    """The oldest PostgreSQL of the system that we support, where Debian, Fedora and others put them, or on the PATH."""
    found = {}
    beside = Path(shutil.which("pg_ctl") or "/nowhere/bin/pg_ctl").resolve().parent
    for folder in (*Path("/usr/lib/postgresql").glob("*/bin"), *Path("/usr").glob("pgsql-*/bin"), beside):
        if (folder / "initdb").exists():
            said = subprocess.run([folder / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
            found[int(said.split()[2].split(".")[0])] = folder
    return found[min(found)] if found and min(found) >= LEAST else None


@pytest.fixture(scope="module")
def server():
    """Its socket's folder, and a way to make databases: as its own user, with a password, as an outside server has."""
    programs = _programs()
    if programs is None:
        pytest.skip("no PostgreSQL of the system here: install postgresql-15 or later to run this test")
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"o{time.monotonic_ns()}"
    base.mkdir(mode=0o711)
    data, sockets, secret = base / "data", base / "s", base / "secret"
    data.mkdir(mode=0o700)
    sockets.mkdir(mode=0o755)
    secret.write_text("secret-of-the-test")
    user = account.current()
    switch = {"user": user.uid, "group": user.gid, "extra_groups": []} if user.switch else {}
    if user.switch:
        for path in (data, sockets, secret):
            os.chown(path, user.uid, user.gid)
    making = [
        programs / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "--no-sync",
        "-A",
        "scram-sha-256",
        f"--pwfile={secret}",
    ]
    subprocess.run([*making, "-E", "UTF8", "--locale=C"], check=True, capture_output=True, cwd=base, **switch)
    options = {"unix_socket_directories": sockets, "listen_addresses": "", "fsync": "off", "max_connections": "60"}
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, *(f"--{name}={value}" for name, value in options.items())],
        cwd=base, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **switch,
    )  # fmt: skip
    try:
        known = {"host": str(sockets), "user": "postgres", "password": "secret-of-the-test", "dbname": "postgres"}
        deadline = time.monotonic() + 120
        while True:
            try:
                with psycopg.connect(**known, autocommit=True) as administrator:
                    administrator.execute("CREATE ROLE house LOGIN PASSWORD 'p@ss:w/rd'")
                    for name in ("first", "second"):
                        administrator.execute(f"CREATE DATABASE {name} OWNER house")
                break
            except psycopg.OperationalError:
                assert time.monotonic() < deadline, "the outside server does not start"
                time.sleep(0.05)
        yield lambda name: f"postgresql://house:p%40ss%3Aw%2Frd@/{name}?host={sockets}"
    finally:
        process.terminate()
        process.wait(120)
        shutil.rmtree(base, ignore_errors=True)


def virage(house: Running, *words: str) -> str:
    done = subprocess.run([*VIRAGE, *words], env=house.environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_journey_on_an_outside_database_with_two_web_processes(server, tmp_path):
    house = Running(tmp_path / "house", VIRAGE_DATABASE_URL=server("first"), VIRAGE_WORKERS="2", VIRAGE_THREADS="3")
    virage(house, "migrate")
    virage(house, "sandbox", "populate", "--citizens", "20")
    house.start()
    try:
        told = virage(house, "journey", "--base-url", f"http://127.0.0.1:{house.port}")
        assert [line[0] for line in told.splitlines()] == list("123456789"), told
        assert not (tmp_path / "house" / "pg").exists()
        virage(house, "backup", str(tmp_path / "saved"))
    finally:
        assert house.end() == 0
    copy = Running(tmp_path / "copy", VIRAGE_DATABASE_URL=server("second"))
    assert "maison restaurée" in virage(copy, "restore", str(tmp_path / "saved"))
    assert virage(copy, "audit", "verify") == virage(house, "audit", "verify")
