"""How long $everything and $expunge of a patient with 1,000 resources take, and how many resources a second $export gives.

    python bench/operations.py --home FOLDER [--patients 20] [--export Observation]

In process, through the FHIR router; embedded PostgreSQL with durable commits. Each patient is read whole, then erased. The
floors, in the same run: the bodies of the patient read by one statement, and those of the exported type read through.
`--home` may be a folder that `fhir_store.py` has filled: the export is then of what is there.
"""

import argparse
import os
import random
import statistics
import sys
import time
from pathlib import Path
from typing import Any

EACH = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--home", required=True)
    parser.add_argument("--patients", type=int, default=20)
    parser.add_argument("--export", default="Observation")
    asked = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    os.environ |= {"VIRAGE_HOME": asked.home, "DJANGO_SETTINGS_MODULE": "virage.site.settings"}
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from fhir_store import observation, patient

    from virage.core import db
    from virage.core.callers import Caller, system
    from virage.core.fhir import SHARED, FhirRequest, router
    from virage.core.fhir.bulk import exporting
    from virage.core.fhir.store import places

    by = Caller(kind="software", subject="bench", client_id="bench", scopes=frozenset({"system/*.cruds"}))

    def ask(method: str, path: str, query: str = "", **headers: str) -> Any:
        return router.handle(SHARED, FhirRequest(method, path, query, headers, b"", by, "http://bench.test/fhir"))

    def timed(work: Any) -> float:
        began = time.perf_counter()
        work()
        return (time.perf_counter() - began) * 1000

    draw = random.Random(os.getpid())
    people = [f"whole-{os.getpid()}-{number}" for number in range(asked.patients)]
    # One more stays, so that there is something to export.
    for name in [*people, f"stays-{os.getpid()}"]:
        mine = [{**observation(0, draw), "subject": {"reference": f"Patient/{name}"}} for _ in range(EACH - 1)]
        SHARED.store.load([{**patient(0, draw), "id": name}, *mine], by=system("bench"))
    everything, floor, expunge = [], [], []
    for name in people:
        place = SHARED.store.read("Patient", name)
        assert place is not None

        def bare(compartment: int = place.compartment) -> None:
            with db.cursor() as cursor:
                cursor.execute("SELECT body FROM fhir_resource WHERE compartment = %s", (compartment,))
                assert len(cursor.fetchall()) == EACH

        floor.append(timed(bare))
        told = []
        everything.append(
            timed(lambda name=name, told=told: told.append(ask("GET", f"Patient/{name}/$everything", f"_count={EACH}")))
        )
        assert told[0].status == 200, told[0].body[:300]
        expunge.append(timed(lambda name=name, told=told: told.append(ask("POST", f"Patient/{name}/$expunge"))))
        assert told[1].status == 200, told[1].body[:300]
        assert SHARED.store.read("Patient", name) is None

    def shown(name: str, taken: list[float]) -> None:
        print(f"| {name} | {statistics.median(taken):.1f} | {max(taken):.1f} |", flush=True)

    print(
        f"load {os.getloadavg()[0]:.1f}, {asked.patients} patients of {EACH} resources\n\n| what | p50 ms | most ms |\n|---|---|---|"
    )
    shown("bodies by one statement", floor)
    shown("$everything", everything)
    shown("$expunge", expunge)

    count = 0
    began = time.perf_counter()
    with db.transaction():
        raw = db.connection().connection.cursor("bare")
        raw.itersize = 1000
        raw.execute(
            "SELECT body FROM fhir_resource WHERE space = 0 AND type = %s AND tokens IS NOT NULL",
            (places.type_code(asked.export),),
        )
        for _ in raw:
            count += 1
        raw.close()
    bare_rate = count / (time.perf_counter() - began)
    ordered = ask("GET", "$export", f"_type={asked.export}", prefer="respond-async")
    assert ordered.status == 202, ordered.body
    job = ordered.headers["Content-Location"].partition("job=")[2]
    began = time.perf_counter()
    while exporting.run(job):
        pass
    rate = count / (time.perf_counter() - began)
    print(f"\n{count} {asked.export}: read through {bare_rate:.0f}/s, $export {rate:.0f}/s ({rate / bare_rate:.2f})")
    return 0


if __name__ == "__main__":
    sys.exit(main())
