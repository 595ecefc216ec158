"""Transactions of several resources from several clients, while the database and the server are killed under them.

Afterwards what was acknowledged is whole, nothing is there by half, what should be one is one, and the audit verifies.
"""

import http.client
import json
import os
import signal
import threading
import time
from collections import Counter

import psycopg
import pytest

from tests.site.running import Running
from virage.core.db.embedded import locate
from virage.core.db.embedded.server import Server

CLIENTS, PARTS = 3, 4
SYSTEM = "urn:essai:transaction"

TOKEN = """
import django; django.setup()
from virage.core.accounts import caller_of, tokens
from virage.core.accounts.actions import ensure_account
from virage.core.callers import system
scopes = frozenset({"system/*.cruds"})
account = ensure_account(by=system("test"), login="ouvrier", kind="software", name="Essai", scopes=scopes)
print(tokens.issue(caller_of(account, scopes=scopes), lifetime=3600))
"""


def transaction(mark: str) -> bytes:
    """A patient and what concerns it, all with one mark; an organization that is the same for all; a resource rewritten by all."""

    def entry(url: str, resource: dict, **more) -> dict:
        return {"request": {"method": "POST", "url": url, **more}, "resource": {"resourceType": url, **resource}}

    marked = [{"system": SYSTEM, "value": mark}]
    who = "urn:uuid:61ebe359-bfdc-4613-8bf2-c5e300945f0a"
    pulse = {"status": "final", "code": {"text": "pouls"}, "subject": {"reference": who}, "identifier": marked}
    shared = [{"system": SYSTEM, "value": "shared"}]
    entries = [
        {**entry("Patient", {"identifier": marked}), "fullUrl": who},
        *[entry("Observation", pulse) for _ in range(PARTS - 1)],
        entry("Organization", {"name": "Essai", "identifier": shared}, ifNoneExist=f"identifier={SYSTEM}|shared"),
        {
            "request": {"method": "PUT", "url": "Basic/shared"},
            "resource": {"resourceType": "Basic", "id": "shared", "code": {"text": "x"}, "identifier": marked},
        },
    ]
    return json.dumps({"resourceType": "Bundle", "type": "transaction", "entry": entries}).encode()


class Client(threading.Thread):
    """Sends transactions one after the other; remembers those that the server said were done."""

    def __init__(self, house: Running, token: str, number: int, done: threading.Event) -> None:
        super().__init__()
        self.house, self.token, self.number, self.done = house, token, number, done
        self.acknowledged: list[str] = []
        self.statuses: Counter = Counter()

    def run(self) -> None:
        sent = 0
        while not self.done.is_set():
            sent += 1
            mark = f"{self.number}-{sent}"
            status = self.send(transaction(mark))
            self.statuses[status] += 1
            if status == 200:
                self.acknowledged.append(mark)
            else:
                time.sleep(0.05)

    def send(self, body: bytes) -> int:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/fhir+json"}
        connection = http.client.HTTPConnection("127.0.0.1", self.house.port, timeout=120)
        try:
            connection.request("POST", "/fhir", body, headers)
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()


@pytest.mark.slow
def test_acknowledged_is_whole_and_nothing_is_half(home):
    house = Running(home, VIRAGE_WORKERS="2").start()
    token = house.script(TOKEN).split()[-1]
    done = threading.Event()
    clients = [Client(house, token, number, done) for number in range(CLIENTS)]
    for client in clients:
        client.start()

    def go_on() -> None:
        """Until each client has had two more transactions."""
        wanted = [len(client.acknowledged) + 2 for client in clients]
        deadline = time.monotonic() + 300
        while any(len(client.acknowledged) < number for client, number in zip(clients, wanted, strict=True)):
            assert time.monotonic() < deadline, [client.statuses for client in clients]
            time.sleep(0.02)

    try:
        go_on()
        for words in ("bin/postgres -D", "multiprocessing.spawn", "bin/postgres -D"):
            os.kill(house.pid_of(words), signal.SIGKILL)
            go_on()
        tree = house.tree()
        for pid in [pid for pid, line in tree.items() if "multiprocessing.spawn" in line or "bin/postgres -D" in line]:
            os.kill(pid, signal.SIGKILL)
        house.process.kill()
        house.process.wait()
    finally:
        done.set()
        for client in clients:
            client.join()
        house.close()

    again = Running(home).start()
    try:
        with psycopg.connect(**Server(locate(home)).parameters(), autocommit=True) as connection:
            rows = connection.execute(
                "SELECT convert_from(body, 'UTF8')::jsonb #>> '{identifier,0,value}', count(*), max(version) FROM fhir_resource"
                " WHERE convert_from(body, 'UTF8')::jsonb #>> '{identifier,0,system}' = %s AND id <> 'shared' GROUP BY 1",
                (SYSTEM,),
            ).fetchall()
            rewritten = connection.execute("SELECT version FROM fhir_resource WHERE id = 'shared'").fetchone()[0]
            past = connection.execute("SELECT count(*) FROM fhir_version WHERE id = 'shared'").fetchone()[0]
        found = {mark: number for mark, number, _ in rows}
        assert found.pop("shared") == 1, "an organization made by condition is one"
        assert set(found.values()) == {PARTS}, "none is there by half"
        acknowledged = {mark for client in clients for mark in client.acknowledged}
        assert acknowledged <= set(found)
        # Killed before its answer left: done all the same, at most one for each client and each kill.
        assert len(set(found) - acknowledged) <= CLIENTS * 4
        assert rewritten == past + 1 == len(found)
        assert 500 not in {status for client in clients for status in client.statuses}
        # The index says the same as the rows.
        for mark in sorted(acknowledged)[:3]:
            status, body = again.get(f"/fhir/Observation?identifier={SYSTEM}|{mark}&_summary=count", token)
            assert (status, json.loads(body)["total"]) == (200, PARTS - 1)
        again.run("audit", "verify")
    finally:
        assert again.end() == 0
