"""Validation and FHIRPath of one Patient in the processor's time, beside reading the same bytes with orjson.

    python -m bench.validation [--runs N] [--resource FILE] [--json FILE]

Each figure is the best and the median of N batches of 50, in processor time: what else runs on the machine hardly shows.
"""

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from virage.core.fhir import fhirpath, validation

BATCH = 50

PATIENT: dict[str, Any] = {
    "resourceType": "Patient",
    "id": "example",
    "text": {
        "status": "generated",
        "div": '<div xmlns="http://www.w3.org/1999/xhtml"><table><tbody><tr><td>Nom</td><td>Pierre Jacques'
        " <b>Chalmers</b></td></tr><tr><td>Adresse</td><td>534 Erewhon</td></tr></tbody></table></div>",
    },
    "identifier": [
        {
            "use": "usual",
            "type": {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "MR"}]},
            "system": "urn:oid:1.2.36.146.595.217.0.1",
            "value": "12345",
            "period": {"start": "2001-05-06"},
            "assigner": {"display": "Acme"},
        }
    ],
    "active": True,
    "name": [
        {"use": "official", "family": "Chalmers", "given": ["Pierre", "Jacques"]},
        {"use": "usual", "given": ["Jacques"]},
        {"use": "maiden", "family": "Windsor", "given": ["Pierre"], "period": {"end": "2002"}},
    ],
    "telecom": [
        {"use": "home"},
        {"system": "phone", "value": "01 99 00 00 01", "use": "work", "rank": 1},
        {"system": "phone", "value": "06 39 98 00 01", "use": "mobile", "rank": 2},
        {"system": "phone", "value": "01 99 00 00 02", "use": "old", "period": {"end": "2014"}},
    ],
    "gender": "male",
    "birthDate": "1974-12-25",
    "_birthDate": {
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/patient-birthTime",
                "valueDateTime": "1974-12-25T14:35:45-05:00",
            }
        ]
    },
    "deceasedBoolean": False,
    "address": [
        {
            "use": "home",
            "type": "both",
            "text": "534 Erewhon St",
            "line": ["534 Erewhon St"],
            "city": "PleasantVille",
            "district": "Rainbow",
            "state": "Vic",
            "postalCode": "3999",
            "period": {"start": "1974-12-25"},
        }
    ],
    "contact": [
        {
            "relationship": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0131", "code": "N"}]}],
            "name": {"family": "du Marché", "given": ["Bénédicte"]},
            "telecom": [{"system": "phone", "value": "+33 1 99 00 00 03"}],
            "address": {"use": "home", "type": "both", "line": ["534 Erewhon St"], "city": "PleasantVille"},
            "gender": "female",
            "period": {"start": "2012"},
        }
    ],
    "managingOrganization": {"reference": "Organization/1"},
}

PROFILE: dict[str, Any] = {
    "resourceType": "StructureDefinition",
    "url": "http://bench.test/StructureDefinition/patient",
    "type": "Patient",
    "kind": "resource",
    "derivation": "constraint",
    "baseDefinition": "http://hl7.org/fhir/StructureDefinition/Patient",
    "differential": {
        "element": [
            {
                "path": "Patient.identifier",
                "min": 1,
                "slicing": {"discriminator": [{"type": "value", "path": "use"}], "rules": "open"},
            },
            {"path": "Patient.identifier", "sliceName": "usual", "min": 1},
            {"path": "Patient.identifier.use", "fixedCode": "usual"},
            {"path": "Patient.name", "min": 1},
            {"path": "Patient.name.family", "maxLength": 100},
            {"path": "Patient.gender", "min": 1},
            {
                "path": "Patient.birthDate",
                "min": 1,
                "constraint": [{"key": "b", "severity": "error", "human": "b", "expression": "$this <= today()"}],
            },
        ]
    },
}

PATHS = (
    "Patient.name.given",
    "Patient.name.where(use = 'official').family",
    "Patient.telecom.where(system = 'phone' and use = 'work').value",
    "Patient.identifier.exists() and Patient.name.count() > 1",
)


def timed(work: Callable[[], object], runs: int) -> dict[str, float]:
    """Best and median, in microseconds of processor time for one call."""
    found = []
    for _ in range(runs):
        started = time.process_time()
        for _ in range(BATCH):
            work()
        found.append((time.process_time() - started) / BATCH * 1e6)
    return {"best_us": round(min(found), 2), "median_us": round(statistics.median(found), 2)}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.validation")
    parser.add_argument("--runs", type=int, default=40)
    parser.add_argument("--resource", type=Path, help="another resource, as JSON")
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    body = asked.resource.read_bytes() if asked.resource else orjson.dumps(PATIENT)
    resource = orjson.loads(body)
    registry = validation.Registry([PROFILE])
    profile = [PROFILE["url"]] if resource.get("resourceType") == "Patient" else []
    works: dict[str, Callable[[], object]] = {
        "floor: orjson.loads of the same bytes": lambda: orjson.loads(body),
        "structure (validation.check)": lambda: validation.check(resource),
        "everything, with a profile (validation.validate)": lambda: validation.validate(
            resource, profiles=profile, registry=registry
        ),
    }
    if profile:
        for text in PATHS:
            compiled = fhirpath.compile(text, "Patient")
            works[f"FHIRPath {text}"] = lambda compiled=compiled: compiled.nodes(resource)  # type: ignore[misc]
    told: dict[str, Any] = {"bytes": len(body)}
    floor = 0.0
    for name, work in works.items():
        work()
        told[name] = timed(work, asked.runs)
        floor = floor or told[name]["best_us"]
        told[name]["ratio_to_floor"] = round(told[name]["best_us"] / floor, 1)
        print(
            f"{name:<75} best {told[name]['best_us']:8.2f} µs  median {told[name]['median_us']:8.2f} µs  × floor {told[name]['ratio_to_floor']}"
        )
    if asked.json:
        asked.json.write_text(json.dumps(told, ensure_ascii=False, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
