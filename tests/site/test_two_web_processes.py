"""Two web processes are one house: a token revoked elsewhere is refused by both, reads of both are traced, figures add up."""

import json
import re
import time
from pathlib import Path

import psycopg
import pytest

from tests.site.running import PATIENCE, Running
from virage.core.db.embedded import locate
from virage.core.db.embedded.server import Server

ASKED = 60
# A trace names each resource as often as it was read; these are about no patient, who would be named too.
TRACED = "SELECT coalesce(sum(json_array_length(content->'entity')), 0) FROM audit_trace WHERE action = 'fhir.read'"

MAKE = """
import django; django.setup()
import json
from virage.core import accounts, fhir
from virage.core.accounts.actions import ensure_account
from virage.core.callers import system
by, scopes = system("test"), frozenset({"system/*.cruds"})
account = ensure_account(by=by, login="pair", kind="software", name="Paire", scopes=scopes)
store = fhir.Store(fhir.space("fhir"))
made = store.create({"resourceType": "Observation", "status": "final", "code": {"text": "essai"}}, by=by)
print(json.dumps([accounts.tokens.issue(accounts.caller_of(account, scopes=scopes), lifetime=3600), made.id]))
"""

DELETE = """
import sys
import django; django.setup()
from virage.core import fhir
from virage.core.callers import system
fhir.Store(fhir.space("fhir")).delete("Observation", sys.argv[1], by=system("test"))
"""

REVOKE = """
import base64, json, sys
import django; django.setup()
from virage.core.accounts.actions import revoke_token
from virage.core.callers import system
part = sys.argv[1].split(".")[1]
revoke_token(by=system("test"), jti=json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))["jti"])
"""


@pytest.fixture(scope="module")
def pair(home):
    house = Running(home, VIRAGE_WORKERS="2", VIRAGE_THREADS="2").start()
    yield house
    if house.process.poll() is None:
        house.end()


def statuses(house: Running, path: str, token: str) -> list[int]:
    """Each request on a connection of its own, so that both processes get some."""
    return [house.get(path, token)[0] for _ in range(ASKED)]


def serving(home: Path) -> set[int]:
    """The processes that have counted a request."""
    files = (home / "run" / "metrics").iterdir()
    return {int(found[1]) for path in files if (found := re.search(r"^counter_(\d+)\.db$", path.name))}


def test_two_are_one(pair, home):
    token, made = json.loads(pair.script(MAKE).splitlines()[-1])
    address = f"/fhir/Observation/{made}"
    web = {pid for pid, line in pair.tree().items() if "multiprocessing.spawn" in line}
    assert len(web) == 2
    # The house is ready when one of them is: the requests that are counted wait until the other one answers too.
    deadline = time.monotonic() + PATIENCE
    while not web <= serving(home):
        assert time.monotonic() < deadline, "one of the web processes never serves"
        pair.get("/health")
    assert set(statuses(pair, address, token)) == {200}
    # Each process adds up its own figures every second.
    counted = 0
    deadline = time.monotonic() + PATIENCE
    while counted < ASKED:
        assert time.monotonic() < deadline, f"{counted} of {ASKED} reads are counted"
        figures = pair.get("/metrics", token)[1].decode()
        found = re.search(r'virage_requests_total\{door="/fhir",method="GET",status="2xx"\} (\d+)', figures)
        counted = int(found[1]) if found else 0
        time.sleep(0.05)
    assert counted == ASKED

    with psycopg.connect(**Server(locate(home)).parameters(), autocommit=True) as connection:
        deadline = time.monotonic() + PATIENCE
        while (traced := connection.execute(TRACED).fetchone()[0]) < ASKED:
            assert time.monotonic() < deadline, f"{traced} of {ASKED} reads are traced"
            time.sleep(0.05)
        assert traced == ASKED

    pair.script(REVOKE, token)
    assert set(statuses(pair, address, token)) == {401}


def test_what_one_process_writes_no_process_reads_as_it_was(pair, home):
    token, made = json.loads(pair.script(MAKE).splitlines()[-1])
    address = f"/fhir/Observation/{made}"
    body = {"resourceType": "Observation", "id": made, "code": {"text": "essai"}}
    for version, status in enumerate(("amended", "corrected", "final"), 2):
        assert set(statuses(pair, address, token)) == {200}  # both have it at hand
        assert pair.put(address, {**body, "status": status}, token) == 200
        read = [json.loads(pair.get(address, token)[1]) for _ in range(ASKED)]
        assert {each["meta"]["versionId"] for each in read} == {str(version)}
        assert {each["status"] for each in read} == {status}
    pair.script(DELETE, made)  # a command, which is a third process
    assert set(statuses(pair, address, token)) == {410}


def test_what_waits_to_be_traced_is_written_at_the_end(pair, home):
    token, made = json.loads(pair.script(MAKE).splitlines()[-1])
    with psycopg.connect(**Server(locate(home)).parameters(), autocommit=True) as connection:
        before = connection.execute(TRACED).fetchone()[0]
    assert set(statuses(pair, f"/fhir/Observation/{made}", token)) == {200}
    assert pair.end() == 0  # at once: the last reads still wait in the memory of both processes
    server = Server(locate(home)).open()
    with psycopg.connect(**server.parameters(), autocommit=True) as connection:
        after = connection.execute(TRACED).fetchone()[0]
    server.close()
    assert after - before == ASKED
