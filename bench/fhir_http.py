"""FHIR over HTTP beside its floors in the same run: read by id beside a constant, create beside bare inserts.

    python bench/fhir_http.py [--clients 8] [--seconds 5] [--rounds 3] [--home FOLDER] [--json FILE]

The server is the product's own (Granian, one web process) on an embedded PostgreSQL with durable commits; it also answers
`/constant` with as many bytes as the resource that is read. Clients are processes, one connection each, with requests made
ready before. Rounds follow each other, each of all measurements; rates and latencies are medians, a ratio the median of those of
the rounds. Reads come in two kinds: of what is read often (the server has it at hand), and of one resource among so many that
most are read for the first time. Prints a table, and JSON when asked.
"""

import argparse
import json
import multiprocessing
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from statistics import median
from typing import Any

READABLE = 500
MANY = 60_000


def observation(number: int) -> dict[str, Any]:
    """An Observation of the usual size."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "laboratory"}]}
        ],
        "code": {"coding": [{"system": "http://loinc.org", "code": f"{number % 97}-4", "display": "Mesure"}]},
        "subject": {"reference": f"Patient/bench-{number % 50}"},
        "effectiveDateTime": f"2026-01-{number % 28 + 1:02d}T08:30:00Z",
        "valueQuantity": {
            "value": number % 300,
            "unit": "mmol/L",
            "system": "http://unitsofmeasure.org",
            "code": "mmol/L",
        },
    }


def load(target: str) -> Any:
    """In the web process: the product's application, and a constant of the size that the bench tells."""
    from virage.site.wsgi import application

    size = int(Path(os.environ["VIRAGE_HOME"], "constant").read_text())
    constant = b"x" * size
    headers = [("Content-Type", "application/fhir+json; charset=utf-8"), ("Content-Length", str(size))]

    # The same size once more, but through the house's own door: token, rights, routing, headers, everything but the store.
    from virage.core.fhir import FhirResponse, FhirService
    from virage.core.fhir.adapter import application as fhir_application

    behind = fhir_application(
        FhirService(
            base="/constant/fhir",
            space="bench",
            code=99,
            title="bench",
            types={"Basic": {"read"}},
            overrides={("read", "Basic"): lambda request, service: FhirResponse(200, constant, native=True)},
        )
    )

    def both(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if environ["PATH_INFO"] == "/constant":
            start_response("200 OK", headers)
            return [constant]
        if environ["PATH_INFO"].startswith("/constant/fhir/"):
            return behind(environ, start_response)
        return application(environ, start_response)

    return both


def serve(port: int) -> int:
    """The server process: database, schema, resources to read, a token; then the house until a signal."""
    from virage.site import serve as site

    house = site.House("127.0.0.1", port)
    house.open()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "virage.site.settings")
    import django

    django.setup()
    from virage.core import accounts, fhir
    from virage.core.accounts.actions import ensure_account
    from virage.core.callers import system
    from virage.site import upgrade

    upgrade.migrate(verbosity=0)
    store = fhir.Store(fhir.space("fhir"))
    by = system("bench")
    made = [store.create(observation(number), by=by) for number in range(READABLE)]
    store.load(({**observation(number), "id": f"many-{number}"} for number in range(MANY)), by=by)
    scopes = frozenset({"system/*.cruds"})
    account = ensure_account(by=by, login="bench", kind="software", name="Bench", scopes=scopes)
    token = accounts.tokens.issue(accounts.caller_of(account, scopes=scopes), lifetime=3600)
    home = Path(os.environ["VIRAGE_HOME"])
    home.joinpath("constant").write_text(str(len(made[0].body)))
    site._load = load
    told = {"token": token, "ids": [version.id for version in made], "size": len(made[0].body)}

    def ready() -> int:
        home.joinpath("bench.json").write_text(json.dumps(told))
        return 0

    try:
        return house.serve(ready)
    finally:
        house.close()


def exchange(link: socket.socket, request: bytes) -> int:
    """Send a request and read its whole answer; gives the status."""
    link.sendall(request)
    data = link.recv(65536)
    while b"\r\n\r\n" not in data:
        data += link.recv(65536)
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
    while len(body) < length:
        body += link.recv(65536)
    return int(head[9:12])


def http_client(port: int, requests: list[bytes], seconds: float, wanted: int, gate: Any, results: Any) -> None:
    """One client: when it began and ended, its latencies in seconds."""
    link = socket.create_connection(("127.0.0.1", port))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    draw = random.Random(os.getpid())
    latencies = []
    gate.wait(60)
    begun = time.perf_counter()
    while (started := time.perf_counter()) < begun + seconds:
        status = exchange(link, draw.choice(requests))
        assert status == wanted, status
        latencies.append(time.perf_counter() - started)
    results.put((begun, time.perf_counter(), latencies))


def tables(ready: list[Any], resources: list[dict[str, Any]]) -> list[tuple[str, list[tuple[Any, ...]]]]:
    """The rows that first versions make, by the table and columns that they go into; `ready` is what the store prepares of each."""
    from virage.core.fhir.store import statements
    from virage.core.fhir.store.writing import now, stamp

    updated = now()
    rows = [
        (one.compartment, one.rid, 0, one.code, 1, updated, one.id, one.tokens, stamp(resource, one.id, 1, updated))
        for one, resource in zip(ready, resources, strict=True)
    ]
    narrow = [
        (
            f"{table} (compartment, rid, {columns})",
            [(one.compartment, one.rid, *row) for one in ready for row in one.narrow[place]],
        )
        for place, (table, columns, _) in enumerate(statements.NARROW)
    ]
    return [(f"fhir_resource ({statements.COLUMNS})", rows), *narrow]


def insert(cursor: Any, tables: list[tuple[str, list[tuple[Any, ...]]]]) -> None:
    """Insert them as a client of the database would, without COPY."""
    for into, rows in tables:
        # A statement takes 65,535 parameters.
        for at in range(0, len(rows), 5000):
            part = rows[at : at + 5000]
            marks = "(" + ", ".join(["%s"] * len(part[0])) + ")"
            values = [value for row in part for value in row]
            cursor.execute(f"INSERT INTO {into} VALUES {', '.join([marks] * len(part))}", values)


def insert_client(seconds: float, gate: Any, results: Any) -> None:
    """One client of the database: the rows of a create, each table by one statement, sent together, one commit."""
    import django

    django.setup()
    from virage.core import audit, db
    from virage.core.callers import system
    from virage.core.fhir import space
    from virage.core.fhir.store.writing import prepare

    draw, here, by = random.Random(os.getpid()), space("fhir"), system("bench")
    latencies = []
    with db.cursor() as cursor:
        cursor.execute("SELECT 1")
    gate.wait(60)
    begun = time.perf_counter()
    while time.perf_counter() < begun + seconds:
        resource = observation(draw.randrange(10**6))
        ready = prepare(here, resource, None, None)
        filled = tables([ready], [resource])
        trace = audit.row(by=by, action="fhir.create", entities=(ready.id,))
        started = time.perf_counter()
        with db.transaction(), db.connection().connection.pipeline(), db.cursor() as cursor:
            insert(cursor, filled)
            cursor.execute(f"{audit.INSERT} VALUES {audit.PLACEHOLDERS}", trace)
        latencies.append(time.perf_counter() - started)
    results.put((begun, time.perf_counter(), latencies))


def measure(clients: int, seconds: float, work: Callable[..., None], *given: Any) -> dict[str, float]:
    """Run `work` in as many processes; rate a second, p50 and p99 in milliseconds."""
    spawn = multiprocessing.get_context("spawn")
    results = spawn.Queue()
    # All begin together: a client that starts late would work alone, and its time count for nobody.
    gate = spawn.Barrier(clients)
    processes = [spawn.Process(target=work, args=(*given, gate, results)) for _ in range(clients)]
    for process in processes:
        process.start()
    told = [results.get(timeout=seconds + 120) for _ in processes]
    span = max(ended for _, ended, _ in told) - min(begun for begun, _, _ in told)
    found = sorted(latency for _, _, latencies in told for latency in latencies)
    for process in processes:
        process.join()
    return {
        "rate": round(len(found) / span),
        "p50_ms": round(found[len(found) // 2] * 1000, 2),
        "p99_ms": round(found[int(len(found) * 0.99)] * 1000, 2),
    }


def request(method: str, path: str, token: str, body: bytes = b"") -> bytes:
    """A whole HTTP/1.1 request."""
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
    head += "Accept: application/fhir+json\r\nContent-Type: application/fhir+json\r\n"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--home", type=Path)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--serve", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.serve:
        return serve(asked.serve)
    home = asked.home or Path(tempfile.mkdtemp(prefix="virage-bench-"))
    home.chmod(0o711)
    home.joinpath("bench.json").unlink(missing_ok=True)
    os.environ |= {"VIRAGE_HOME": str(home), "VIRAGE_SANDBOX": "1", "VIRAGE_TASKS": "0", "PORT": str(free_port())}
    os.environ["DJANGO_SETTINGS_MODULE"] = "virage.site.settings"
    port = int(os.environ["PORT"])
    server = subprocess.Popen([sys.executable, __file__, "--serve", str(port)])
    try:
        while not home.joinpath("bench.json").exists():
            if server.poll() is not None:
                return 1
            time.sleep(0.2)
        told = json.loads(home.joinpath("bench.json").read_text())
        token = told["token"]
        print(f"{told['size']} bytes, {asked.clients} clients, {asked.seconds} s each, {asked.rounds} rounds\n")
        print("| what | per second | p50 ms | p99 ms |\n|---|---|---|---|")
        reads = [request("GET", f"/fhir/Observation/{id}", token) for id in told["ids"]]
        creates = [
            request("POST", "/fhir/Observation", token, json.dumps(observation(number)).encode())
            for number in range(500)
        ]
        many = [request("GET", f"/fhir/Observation/many-{number}", token) for number in range(MANY)]
        constant, behind = (request("GET", path, token) for path in ("/constant", "/constant/fhir/Basic/1"))
        kinds: dict[str, tuple[Any, ...]] = {
            "constant": (http_client, port, [constant], asked.seconds, 200),
            "constant behind the door": (http_client, port, [behind], asked.seconds, 200),
            "read by id": (http_client, port, reads, asked.seconds, 200),
            f"read by id, one of {MANY}": (http_client, port, many, asked.seconds, 200),
            "bare inserts": (insert_client, asked.seconds),
            "create": (http_client, port, creates, asked.seconds, 201),
        }
        rounds = [
            {name: measure(asked.clients, asked.seconds, *kind) for name, kind in kinds.items()}
            for _ in range(asked.rounds)
        ]
    finally:
        server.terminate()
        server.wait()
    results = []
    for name in kinds:
        row = {key: median(each[name][key] for each in rounds) for key in ("rate", "p50_ms", "p99_ms")}
        results.append({"name": name, **row})
        print(f"| {name} | {row['rate']:.0f} | {row['p50_ms']} | {row['p99_ms']} |")
    ratios = {}
    for title, one, other in (
        ("read/constant", "read by id", "constant"),
        ("read/constant behind the door", "read by id", "constant behind the door"),
        ("read of many/constant", f"read by id, one of {MANY}", "constant"),
        ("create/bare", "create", "bare inserts"),
    ):
        found = [each[one]["rate"] / each[other]["rate"] for each in rounds]
        ratios[title] = round(median(found), 2)
        print(f"{title} {median(found):.2f} ({min(found):.2f} to {max(found):.2f})")
    if asked.json:
        asked.json.write_text(json.dumps({"results": results, "ratios": ratios}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
