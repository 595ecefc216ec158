"""What others wrote: the R4 examples come back equal, forty Synthea patients go in as transactions."""

import bz2
import json as stdlib_json
from pathlib import Path

import orjson
import pytest

from tests.core.fhir.router.conftest import observation, patient
from virage.core.errors import VirageError
from virage.core.fhir import json, validation, xml

CONFORMITY = Path(__file__).resolve().parents[3] / "conformity"
# Resources that the examples hold, which we do not take; the reason is in the specification.
REFUSED = stdlib_json.loads((CONFORMITY / "r4-examples-refused.json").read_text())
RATCHET = stdlib_json.loads((CONFORMITY / "ratchet.json").read_text())


def examples(folder: Path):
    for path in sorted((folder / "fhir-r4-examples").iterdir()):
        yield path.name, path.read_bytes()


def read(name, body):
    return xml.loads(body) if name.endswith(".xml") else json.loads(body)


def without_stamp(resource):
    meta = {key: value for key, value in resource.get("meta", {}).items() if key not in ("versionId", "lastUpdated")}
    kept = {key: value for key, value in resource.items() if key not in ("id", "meta")}
    return even(orjson.loads(json.dumps({**kept, "meta": meta} if meta else kept)))


def even(value):
    """A list of extensions beside primitives says the same with or without nulls at its end."""
    if isinstance(value, dict):
        return {key: even(child) for key, child in value.items()}
    if isinstance(value, list):
        items = [even(child) for child in value]
        while items and items[-1] is None:
            items.pop()
        return items
    return value


def test_the_r4_examples_come_back_equal(ask, shared_data):
    refused, taken = set(), 0
    for name, body in examples(shared_data):
        try:
            resource = read(name, body)
        except VirageError:
            refused.add(name)
            continue
        kind = f"application/fhir+{name.rpartition('.')[2]}"
        answer = ask("POST", resource["resourceType"], body, content_type=kind)
        if answer.status != 201:
            assert answer.status == 422
            refused.add(name)
            continue
        again = ask("GET", f"{resource['resourceType']}/{answer.json['id']}")
        assert without_stamp(json.loads(again.body)) == without_stamp(resource), name
        through_xml = ask("GET", f"{resource['resourceType']}/{answer.json['id']}", accept="application/fhir+xml")
        # Line ends inside the narrative are XML's own affair.
        assert without_stamp({**xml.loads(through_xml.body), "text": 0}) == without_stamp({**resource, "text": 0}), name
        taken += 1
    assert refused == set(REFUSED)
    assert taken >= RATCHET["r4.examples"]


def synthea(folder: Path):
    def order(path):
        return (not path.name.startswith("0-hospital"), not path.name.startswith("0-practitioner"), path.name)

    return sorted((folder / "synthea").iterdir(), key=order)


# The whole is 24,000 resources: minutes on a busy machine. The first run of tests takes those that say as much in less.
FEW = 10


@pytest.mark.parametrize("count", [FEW, pytest.param(None, marks=pytest.mark.slow)])
def test_synthea_patients_go_in_as_transactions(ask_for_real, shared_data, count):
    ask = ask_for_real
    patients = 0
    total = 0
    files = synthea(shared_data)
    if count is not None:
        files = files[:2] + sorted(files[2:], key=lambda path: path.stat().st_size)[: count - 2]
    for path in files:
        body = bz2.decompress(path.read_bytes())
        answer = ask("POST", "", body, content_type="application/fhir+json")
        assert answer.status == 200, (path.name, answer.body[:500])
        entries = answer.json["entry"]
        assert {entry["response"]["status"] for entry in entries} <= {"201 Created", "200 OK"}
        assert len(entries) == len(orjson.loads(body)["entry"])
        total += len(entries)
        patients += not path.name.startswith("0-")
    assert ask("GET", "Patient?_summary=count").json["total"] == patients
    one = ask("GET", "Patient?_count=1").json["entry"][0]["resource"]["id"]
    assert ask("GET", f"Encounter?patient={one}&_summary=count").json["total"] > 0
    assert total > 200 * len(files) / 2
    assert count is not None or len(files) >= RATCHET["synthea"]


def test_fifty_megabytes_are_answered(ask):
    heavy = observation("Patient/1", note=[{"text": "x" * 50_000}] * 1000)
    answer = ask("POST", "Observation", heavy)
    assert answer.status in (201, 413, 422)
    assert validation.check(patient()) == []
