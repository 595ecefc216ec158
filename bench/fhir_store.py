"""What the FHIR store does a second: load, read, create, update, delete, search, each beside its floor in the same run.

    python bench/fhir_store.py --home FOLDER --patients 1000 --scales 1,4

Thirty resources a patient, made by a generator with a fixed seed: one Patient, three Encounters, two Conditions, twenty-four
Observations whose codes have a long tail. One client, embedded PostgreSQL with durable commits. Prints a table.
"""

import argparse
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
FAMILIES = [
    f"{a}{b}{c}"
    for a in ("Mar", "Ber", "Du", "Le", "Pet")
    for b in ("ti", "na", "bo", "ro")
    for c in ("n", "rd", "is", "t")
]
GIVEN = ["Camille", "Inès", "Jules", "Léa", "Noé", "Zoé", "Paul", "Aïcha", "Yanis", "Rose"]


def patient(number: int, draw: random.Random) -> dict[str, Any]:
    return {
        "resourceType": "Patient",
        "id": f"bench-{number}",
        "identifier": [{"system": "urn:bench", "value": str(number)}],
        "name": [{"family": draw.choice(FAMILIES), "given": [draw.choice(GIVEN), draw.choice(GIVEN)]}],
        "gender": draw.choice(["male", "female"]),
        "birthDate": f"{draw.randint(1930, 2024)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}",
        "address": [{"city": "Lyon", "postalCode": f"690{draw.randint(1, 9):02d}"}],
    }


def observation(number: int, draw: random.Random) -> dict[str, Any]:
    code = int(200 * draw.random() ** 3)
    return {
        "resourceType": "Observation",
        "status": "final" if draw.random() < 0.95 else "amended",
        "category": [{"coding": [{"system": CATEGORY, "code": draw.choice(["laboratory", "vital-signs", "survey"])}]}],
        "code": {"coding": [{"system": LOINC, "code": f"{1000 + code}-{code % 10}", "display": f"Mesure {code}"}]},
        "subject": {"reference": f"Patient/bench-{number}"},
        "encounter": {"reference": f"Encounter/bench-{number}-{draw.randint(0, 2)}"},
        "performer": [{"reference": f"Practitioner/doc-{draw.randint(0, 499)}"}],
        "effectiveDateTime": f"{draw.randint(2015, 2024)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}T10:{draw.randint(0, 59):02d}:00Z",
        "valueQuantity": {
            "value": round(draw.uniform(1, 200), 1),
            "unit": "mg/dL",
            "system": "http://unitsofmeasure.org",
            "code": "mg/dL",
        },
    }


def resources(first: int, last: int) -> Iterator[dict[str, Any]]:
    for number in range(first, last):
        draw = random.Random(number)
        yield patient(number, draw)
        subject = {"reference": f"Patient/bench-{number}"}
        for each in range(3):
            yield {
                "resourceType": "Encounter",
                "id": f"bench-{number}-{each}",
                "status": "finished",
                "class": {"system": "http://terminology.hl7.org/CodeSystem/v3-ActCode", "code": "AMB"},
                "subject": subject,
                "period": {"start": f"20{15 + each}-05-01T09:00:00Z", "end": f"20{15 + each}-05-01T10:00:00Z"},
            }
        for each in range(2):
            yield {
                "resourceType": "Condition",
                "clinicalStatus": {
                    "coding": [{"system": "http://terminology.hl7.org/CodeSystem/condition-clinical", "code": "active"}]
                },
                "code": {
                    "coding": [{"system": "http://snomed.info/sct", "code": str(1000 + int(300 * draw.random() ** 3))}]
                },
                "subject": subject,
                "onsetDateTime": f"20{10 + each}-03-01",
            }
        for _ in range(24):
            yield observation(number, draw)


def timed(work: Callable[[], Any], runs: int) -> tuple[float, float]:
    """Median and 99th percentile in milliseconds, after three warm-up calls."""
    for _ in range(3):
        work()
    taken = []
    for _ in range(runs):
        began = time.perf_counter()
        work()
        taken.append((time.perf_counter() - began) * 1000)
    taken.sort()
    return statistics.median(taken), taken[min(len(taken) - 1, int(len(taken) * 0.99))]


QUERIES: dict[str, Callable[[random.Random, int], tuple[str, list[tuple[str, str]]]]] = {
    "token, common": lambda d, n: ("Observation", [("code", f"{LOINC}|{1000 + (c := d.randint(0, 5))}-{c % 10}")]),
    "token, rare": lambda d, n: ("Observation", [("code", f"{LOINC}|{1000 + (c := d.randint(180, 199))}-{c % 10}")]),
    "token, nearly all": lambda d, n: ("Observation", [("status", "final")]),
    "two tokens": lambda d, n: (
        "Observation",
        [("code", f"1000-0,1001-1,{1000 + (c := d.randint(0, 5))}-{c % 10}"), ("category", "survey")],
    ),
    "date range": lambda d, n: ("Observation", [("date", f"ge20{d.randint(15, 22)}-03"), ("date", "lt2023-05")]),
    "day": lambda d, n: ("Observation", [("date", f"20{d.randint(15, 24)}-03-{d.randint(10, 28)}")]),
    "token and date range": lambda d, n: (
        "Observation",
        [
            ("code", f"{LOINC}|{1000 + (c := d.randint(0, 5))}-{c % 10}"),
            ("date", f"ge20{(y := d.randint(15, 22))}-03"),
            ("date", f"lt20{y + 1}-03"),
        ],
    ),
    "rare token and date": lambda d, n: (
        "Observation",
        [("code", f"{LOINC}|{1000 + (c := d.randint(180, 199))}-{c % 10}"), ("date", f"ge20{d.randint(15, 22)}-03")],
    ),
    "patient": lambda d, n: ("Observation", [("patient", f"bench-{d.randint(0, n - 1)}")]),
    "patient and code": lambda d, n: ("Observation", [("patient", f"bench-{d.randint(0, n - 1)}"), ("code", "1000-0")]),
    "performer": lambda d, n: ("Observation", [("performer", f"Practitioner/doc-{d.randint(0, 499)}")]),
    "quantity": lambda d, n: (
        "Observation",
        [("value-quantity", f"gt{d.randint(190, 198)}|http://unitsofmeasure.org|mg/dL")],
    ),
    "family name": lambda d, n: ("Patient", [("family", d.choice(FAMILIES))]),
    "name prefix": lambda d, n: ("Patient", [("name", d.choice("bdlmp"))]),
    "birth date": lambda d, n: (
        "Patient",
        [("birthdate", f"{d.randint(1930, 2024)}-{d.randint(1, 12):02d}-{d.randint(1, 28):02d}")],
    ),
    "identifier": lambda d, n: ("Patient", [("identifier", f"urn:bench|{d.randint(0, n - 1)}")]),
    "no parameter": lambda d, n: ("Observation", []),
    "sorted by date": lambda d, n: (
        "Observation",
        [("code", f"{LOINC}|{1000 + (c := d.randint(180, 199))}-{c % 10}"), ("_sort", "-date")],
    ),
    "common, by date": lambda d, n: (
        "Observation",
        [("code", f"{LOINC}|{1000 + (c := d.randint(0, 5))}-{c % 10}"), ("_sort", "-date")],
    ),
    "total": lambda d, n: (
        "Observation",
        [("code", f"{LOINC}|{1000 + (c := d.randint(180, 199))}-{c % 10}"), ("_total", "accurate")],
    ),
    "chain": lambda d, n: ("Observation", [("subject:Patient.family", d.choice(FAMILIES))]),
    "chain, rare": lambda d, n: ("Observation", [("subject:Patient.identifier", f"urn:bench|{d.randint(0, n - 1)}")]),
    "chain of 100 values": lambda d, n: (
        "Observation",
        [("subject:Patient.identifier", ",".join(f"urn:bench|{d.randint(0, n - 1)}" for _ in range(100)))],
    ),
    "_has": lambda d, n: (
        "Patient",
        [("_has:Observation:subject:code", f"{1000 + (c := d.randint(180, 199))}-{c % 10}")],
    ),
    "composite": lambda d, n: (
        "Observation",
        [("code-value-quantity", f"{LOINC}|{1000 + (c := d.randint(0, 5))}-{c % 10}$gt{d.randint(150, 190)}")],
    ),
    "text": lambda d, n: ("Observation", [("code:text", f"mesure {d.randint(180, 199)}")]),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--home", required=True, help="an empty folder, or that of an earlier run")
    parser.add_argument("--patients", type=int, default=1000)
    parser.add_argument("--scales", default="1,4")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--only", default="", help="queries whose name holds this")
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
    os.environ["VIRAGE_HOME"] = arguments.home
    os.environ["DJANGO_SETTINGS_MODULE"] = "virage.site.settings"
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    from virage.core import db
    from virage.core.callers import system
    from virage.core.errors import VirageError
    from virage.core.fhir.store import Store, pending, space

    store, by = Store(space("fhir")), system("bench")
    done = 0
    for scale in map(int, arguments.scales.split(",")):
        wanted = scale * arguments.patients
        began = time.perf_counter()
        loaded = store.load(resources(done, wanted), by=by)
        taken = time.perf_counter() - began
        done = wanted
        print(f"\n## {scale} × {arguments.patients} patients")
        print(
            f"load: {loaded.written} resources, {loaded.written / taken:.0f}/s ({loaded.present} present)", flush=True
        )
        with db.cursor() as cursor:
            for table in ("fhir_resource", "fhir_date", "fhir_string", "fhir_number"):
                cursor.execute(f"VACUUM ANALYZE {table}")
            cursor.execute(
                "SELECT sum(pg_total_relation_size(c)) FROM unnest(ARRAY['fhir_resource','fhir_date','fhir_string','fhir_number','fhir_locator']::regclass[]) c"
            )
            row = cursor.fetchone()
            print(f"size: {row[0] / (30 * wanted):.0f} bytes a resource")  # type: ignore[index]
        if not arguments.only:
            from writes import measure

            measure(store, by, arguments.runs)
            pending.take_in()  # as the worker does within a minute
        draw = random.Random(scale)
        print("| search | rows | p50 ms | p99 ms |\n|---|---|---|---|")
        for name, make in QUERIES.items():
            if arguments.only not in name:
                continue
            rows: list[int] = []

            def ask(make: Any = make, rows: list[int] = rows, draw: Any = draw, wanted: int = wanted) -> None:
                type_, params = make(draw, wanted)
                page = store.search(type_, params, count=20)
                if page.unknown:
                    raise LookupError(page.unknown)
                rows.append(len(page.matches))

            try:
                p50, p99 = timed(ask, arguments.runs)
                print(f"| {name} | {statistics.median(rows):.0f} | {p50:.2f} | {p99:.2f} |", flush=True)
            except (VirageError, LookupError) as error:
                print(f"| {name} | {str(error)[:60]} | | |", flush=True)


if __name__ == "__main__":
    main()
