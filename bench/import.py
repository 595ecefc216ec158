"""How many Observations a second $import takes in, and whether it slows as the store grows, beside its floor in the same run.

    python bench/import.py --home FOLDER --resources 2000000 --file 100000

Files of Observations (codes with a long tail, thirty a patient) are imported one after the other; embedded PostgreSQL, durable
commits. The floor is the server taking in rows that are packed already: the same tables and indexes, no work on our side.
For each file: the rate, the processor time a resource of this process, of its children and of PostgreSQL, and the memory.
"""

import argparse
import json
import os
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

TICK = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


def lines(first: int, count: int) -> Iterator[bytes]:
    """NDJSON of Observations, cheap to make; thirty a patient."""
    draw = random.Random(first)
    for number in range(first, first + count):
        code = int(200 * draw.random() ** 3)
        subject = number // 30
        yield (
            '{"resourceType":"Observation","status":"final","category":[{"coding":[{"system":"http://terminology.hl7.org/'
            f'CodeSystem/observation-category","code":"{("laboratory", "vital-signs", "survey")[number % 3]}"}}]}}],'
            f'"code":{{"coding":[{{"system":"http://loinc.org","code":"{1000 + code}-{code % 10}","display":"Mesure {code}"}}]}},'
            f'"subject":{{"reference":"Patient/bench-{subject}"}},"encounter":{{"reference":"Encounter/bench-{subject}-'
            f'{number % 3}"}},"performer":[{{"reference":"Practitioner/doc-{number % 500}"}}],"effectiveDateTime":"'
            f'{2015 + number % 10}-{1 + number % 12:02d}-{1 + number % 28:02d}T10:{number % 60:02d}:00Z","valueQuantity":'
            f'{{"value":{draw.randrange(10, 2000) / 10},"unit":"mg/dL","system":"http://unitsofmeasure.org","code":"mg/dL"}}}}\n'
        ).encode()


def seconds(pid: int | str) -> float:
    """Processor time of a process so far; 0 when it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / TICK


def below(parent: int) -> list[str]:
    """The processes that a process started."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(fields[1]) == parent:
            found.append(stat.parent.name)
    return found


def megabytes(pid: int | str) -> float:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 1e6
    except OSError:
        return 0.0


def floor(count: int) -> float:
    """Rows packed beforehand, a second."""
    from virage.core.callers import system
    from virage.core.fhir import json as fhir_json
    from virage.core.fhir import space
    from virage.core.fhir.store import copying, loading

    here = space("fhir")
    batches = [
        [copying.ready(here, fhir_json.loads(line)) for line in lines(10**8 + at, 10_000)]
        for at in range(0, count, 10_000)
    ]
    began = time.perf_counter()
    for batch in batches:
        loading.take(here, batch, by=system("bench"))
    return count / (time.perf_counter() - began)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--resources", type=int, default=2_000_000)
    parser.add_argument("--file", type=int, default=100_000, help="resources in each file")
    parser.add_argument("--floor", type=int, default=50_000, help="resources for the floor, before and after")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    os.environ |= {"VIRAGE_HOME": asked.home, "DJANGO_SETTINGS_MODULE": "virage.site.settings", "VIRAGE_SANDBOX": "1"}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from virage.core.callers import Caller
    from virage.core.fhir import SHARED, FhirRequest, router
    from virage.core.fhir.bulk import importing, preparing

    caller = Caller(kind="software", subject="bench", name="Bench", scopes=frozenset({"system/*.cruds"}))
    server = int(next(Path(asked.home).rglob("postmaster.pid")).read_text().split()[0])

    def ask(method: str, path: str, query: str = "", **more: Any) -> Any:
        request = FhirRequest(
            method,
            path,
            query,
            caller=caller,
            base="http://bench/fhir",
            headers={"content-type": "application/fhir+ndjson"},
            **more,
        )
        return router.handle(SHARED, request)

    figures: list[dict[str, float]] = []
    floors = [round(floor(asked.floor))]
    print(f"floor, packed rows: {floors[0]}/s, {os.cpu_count()} processors, load {os.getloadavg()[0]:.1f}\n")
    print("| in the store | resources/s | parent µs | children µs | PostgreSQL µs | parent MB | children MB | load |")
    print("|---|---|---|---|---|---|---|---|", flush=True)
    done = asked.floor
    for first in range(0, asked.resources, asked.file):
        told = ask("POST", "$import", stream=lines(first, asked.file))
        status = told.headers["Content-Location"].partition("?")[2]
        before = (time.process_time(), {pid: seconds(pid) for pid in below(server)})
        young = {pid: seconds(pid) for pid in preparing._children.pids}
        began = time.perf_counter()
        while importing.run(status.partition("job=")[2]):
            pass
        taken = time.perf_counter() - began
        counted = json.loads(ask("GET", "$import-status", status).body)["extension"]
        assert counted["written"] == asked.file, counted
        done += asked.file
        children = preparing._children.pids
        one = 1e6 / asked.file
        figure = {
            "stored": done,
            "rate": round(asked.file / taken),
            "parent_us": round((time.process_time() - before[0]) * one, 1),
            "children_us": round(sum(seconds(pid) - young.get(pid, 0.0) for pid in children) * one, 1),
            "postgresql_us": round(sum(seconds(pid) - before[1].get(pid, 0.0) for pid in below(server)) * one, 1),
            "parent_mb": round(megabytes("self")),
            "children_mb": round(sum(megabytes(pid) for pid in children)),
            "load": round(os.getloadavg()[0], 1),
        }
        figures.append(figure)
        print("| " + " | ".join(str(value) for value in figure.values()) + " |", flush=True)
    floors.append(round(floor(asked.floor)))
    ratio = figures[-1]["rate"] / floors[1]
    print(f"\nfloor, packed rows: {floors[1]}/s at the end; $import/floor {ratio:.2f}")
    if asked.json:
        asked.json.write_text(json.dumps({"floors": floors, "files": figures, "ratio": round(ratio, 2)}, indent=2))


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    main()
