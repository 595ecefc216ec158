"""The whole tree of processes: it answers, survives kills, and ends in order."""

import json
import os
import signal
import subprocess
import threading
import time

import psycopg
import pytest

from tests.site.running import PATIENCE, VIRAGE, Running
from virage.core.db.embedded import locate, processes
from virage.core.db.embedded.server import Server


@pytest.fixture(scope="module")
def running(home):
    house = Running(home).start()
    yield house
    if house.process.poll() is None:
        house.end()


def test_it_answers_and_counts(running):
    assert json.loads(running.get("/health")[1]) == {"status": "up", "database": "up"}
    assert running.get("/metrics")[0] == 401
    token = running.token()
    assert running.get("/metrics", token)[0] == 200
    metrics = running.get("/metrics", token)[1].decode()
    assert 'virage_requests_total{door="pages",method="GET",status="2xx"}' in metrics
    assert "virage_events_waiting 0.0" in metrics
    tree = running.tree()
    assert any("bin/postgres -D" in line for line in tree.values())
    busy = subprocess.run([*VIRAGE, "serve"], capture_output=True, text=True, env=running.environment)
    assert busy.returncode == 1
    assert f"127.0.0.1:{running.port} n'est pas disponible" in busy.stderr
    assert busy.stderr.count("\n") == 1


def test_a_command_joins_the_running_house(running):
    shown = subprocess.run(
        [*VIRAGE, "events"], capture_output=True, text=True, env={**running.environment, "VIRAGE_SANDBOX": ""}
    )
    assert shown.stdout == "0 en attente, 0 en échec\n", shown.stderr
    assert running.get("/health")[0] == 200


def test_a_killed_web_process_and_a_killed_database_come_back(running):
    running.kill("multiprocessing.spawn")
    assert running.comes_back()
    running.kill("bin/postgres -D")
    assert running.comes_back()


def test_an_old_database_is_not_served(running, home):
    with psycopg.connect(**Server(locate(home)).parameters(), autocommit=True) as connection:
        connection.execute("UPDATE django_migrations SET name = name || '_' WHERE app = 'events'")
        try:
            late = Running(home)
            refused = subprocess.run([*VIRAGE, "serve"], capture_output=True, text=True, env=late.environment)
        finally:
            connection.execute("UPDATE django_migrations SET name = rtrim(name, '_') WHERE app = 'events'")
    assert refused.returncode == 1
    assert "virage migrate" in refused.stderr


def test_killed_itself_its_children_end_and_acknowledged_writes_stay(running, home):
    server = Server(locate(home))
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS written (n int)")
        connection.execute("TRUNCATE written")
    acknowledged = []

    def write() -> None:
        try:
            with psycopg.connect(**server.parameters(), autocommit=True) as connection:
                for number in range(10**6):
                    connection.execute("INSERT INTO written VALUES (%s)", (number,))
                    acknowledged.append(number)
        except psycopg.OperationalError:
            return

    writer = threading.Thread(target=write)
    writer.start()
    while writer.is_alive() and len(acknowledged) <= 10:
        time.sleep(0.05)
    tree = running.tree()
    for words in ("bin/postgres -D", "multiprocessing.spawn"):
        os.kill(running.pid_of(words), signal.SIGKILL)
    running.process.kill()
    running.process.wait()
    running.close()
    writer.join(PATIENCE)
    assert [line for pid, line in tree.items() if not processes.wait_gone(pid, PATIENCE)] == []
    again = Running(home).start()
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        rows = connection.execute("SELECT n FROM written ORDER BY n").fetchall()
    assert len(acknowledged) > 10
    assert [row[0] for row in rows][: len(acknowledged)] == acknowledged
    assert len(rows) <= len(acknowledged) + 1
    tree = again.tree()
    assert again.end() == 0
    assert all(processes.wait_gone(pid, PATIENCE) for pid in tree)
