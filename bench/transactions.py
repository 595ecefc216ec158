"""How many resources a second transaction bundles write over HTTP, beside the same rows inserted by the database's own clients.

    python bench/transactions.py [--home FOLDER] [--seconds 10] [--clients 1,4] [--bundles FOLDER]

Each bundle is a patient with its encounters, conditions and observations (30 resources, `fhir_store.resources`), which point at
each other by `urn:uuid:`; `--bundles` takes files of bundles instead (`.json`, `.json.bz2`), such as Synthea's, those whose name
holds `Information` first. Durable commits. The floor inserts the rows of a bundle by one statement a table, one commit each.
"""

import argparse
import bz2
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fhir_http import exchange, free_port, insert, request, tables
from fhir_store import resources


def bundle(number: int) -> dict[str, Any]:
    """A transaction that creates a patient and what goes with it."""
    draw = random.Random(number)
    made = list(resources(number, number + 1))
    names = {
        f"{each['resourceType']}/{each['id']}": f"urn:uuid:{uuid.UUID(int=draw.getrandbits(128))}"
        for each in made
        if "id" in each
    }

    def pointed(value: Any) -> Any:
        if isinstance(value, dict):
            return {
                key: names.get(child, child) if key == "reference" else pointed(child) for key, child in value.items()
            }
        return [pointed(each) for each in value] if isinstance(value, list) else value

    return {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {
                "fullUrl": names.get(
                    f"{each['resourceType']}/{each.get('id')}", f"urn:uuid:{uuid.UUID(int=draw.getrandbits(128))}"
                ),
                "resource": {key: value for key, value in pointed(each).items() if key != "id"},
                "request": {"method": "POST", "url": each["resourceType"]},
            }
            for each in made
        ],
    }


def read(file: Path) -> bytes:
    return bz2.decompress(file.read_bytes()) if file.suffix == ".bz2" else file.read_bytes()


def http_client(port: int, bodies: list[tuple[bytes, int]], seconds: float, results: Any) -> None:
    """One client: (latency, resources) of each bundle."""
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    draw = random.Random(os.getpid())
    told = []
    end = time.perf_counter() + seconds
    while (started := time.perf_counter()) < end:
        body, count = draw.choice(bodies)
        status = exchange(link, body)
        assert status == 200, status
        told.append((time.perf_counter() - started, count))
    results.put(told)


def insert_client(bundles: list[bytes], seconds: float, results: Any) -> None:
    """One client of the database: the rows of a bundle, one statement a table, one commit; only that is timed."""
    import django

    django.setup()
    from virage.core import audit, db
    from virage.core.callers import system
    from virage.core.fhir import space
    from virage.core.fhir.store.writing import prepare

    draw, here, by = random.Random(os.getpid()), space("fhir"), system("bench")
    told = []
    with db.cursor() as cursor:
        cursor.execute("SELECT 1")
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        whole = [entry["resource"] for entry in json.loads(draw.choice(bundles))["entry"]][:2000]
        ready = [prepare(here, each, None, None) for each in whole]
        filled = tables(ready, whole)
        traces = [audit.row(by=by, action="fhir.create", entities=(each.id,)) for each in ready]
        started = time.perf_counter()
        with db.transaction(), db.cursor() as cursor:
            insert(cursor, filled)
            audit.traces(traces)
        told.append((time.perf_counter() - started, len(whole)))
    results.put(told)


def measure(name: str, clients: int, work: Callable[..., None], *given: Any) -> dict[str, Any]:
    """Resources a second of so many processes, and the milliseconds of a bundle."""
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    processes = [spawn.Process(target=work, args=(*given, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    each = [results.get(timeout=600) for _ in processes]
    for process in processes:
        process.join()
    taken = sorted(latency for one in each for latency, _ in one)
    # Each client is counted over the time that it spent waiting: the rest is making ready what it sends.
    rate = sum(sum(count for _, count in one) / sum(latency for latency, _ in one) for one in each)
    told = {
        "name": name,
        "clients": clients,
        "rate": round(rate),
        "p50_ms": round(taken[len(taken) // 2] * 1000, 1),
        "p99_ms": round(taken[int(len(taken) * 0.99)] * 1000, 1),
    }
    print(f"| {name} | {clients} | {told['rate']} | {told['p50_ms']} | {told['p99_ms']} |", flush=True)
    return told


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", type=Path)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--clients", default="1,4")
    parser.add_argument("--bundles", type=Path, help="a folder of transaction bundles")
    parser.add_argument("--most", type=int, default=40, help="so many files of that folder")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    home = asked.home or Path(tempfile.mkdtemp(prefix="virage-bench-"))
    home.chmod(0o711)
    home.joinpath("bench.json").unlink(missing_ok=True)
    os.environ |= {"VIRAGE_HOME": str(home), "VIRAGE_SANDBOX": "1", "VIRAGE_TASKS": "0", "PORT": str(free_port())}
    os.environ["DJANGO_SETTINGS_MODULE"] = "virage.site.settings"
    port = int(os.environ["PORT"])
    server = subprocess.Popen([sys.executable, str(Path(__file__).with_name("fhir_http.py")), "--serve", str(port)])
    try:
        while not home.joinpath("bench.json").exists():
            if server.poll() is not None:
                return 1
            time.sleep(0.2)
        token = json.loads(home.joinpath("bench.json").read_text())["token"]
        if asked.bundles:
            files = sorted(asked.bundles.glob("*.json*"), key=lambda file: ("Information" not in file.name, file.name))
            first = [read(file) for file in files if "Information" in file.name]
            bodies = [read(file) for file in files[len(first) :][: asked.most]]
        else:
            first, bodies = [], [json.dumps(bundle(number)).encode() for number in range(asked.most)]
        with socket.create_connection(("127.0.0.1", port)) as link:
            for body in [*first, *bodies[:3]]:
                assert exchange(link, request("POST", "/fhir", token, body)) == 200
        sent = [(request("POST", "/fhir", token, body), len(json.loads(body)["entry"])) for body in bodies]
        print(
            f"{len(sent)} bundles of {sum(count for _, count in sent) / len(sent):.0f} resources, load {os.getloadavg()[0]:.1f}\n"
        )
        print("| what | clients | resources/s | p50 ms | p99 ms |\n|---|---|---|---|---|")
        figures, ratios = [], {}
        for clients in map(int, asked.clients.split(",")):
            floor = measure("multi-row inserts", clients, insert_client, bodies, asked.seconds)
            found = measure("transaction", clients, http_client, port, sent, asked.seconds)
            figures += [floor, found]
            ratios[f"transaction/inserts, {clients} clients"] = round(found["rate"] / floor["rate"], 2)
    finally:
        server.terminate()
        server.wait()
    print("\n" + ", ".join(f"{name} {value}" for name, value in ratios.items()))
    if asked.json:
        asked.json.write_text(json.dumps({"figures": figures, "ratios": ratios}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
