"""Real resources with pieces replaced by junk: findings, never an exception, in bounded time."""

import copy
import random

import pytest

from tests.bounds import bounded
from virage.core.fhir import json, validation, xml
from virage.core.fhir.xml import MalformedXml

JUNK = [
    None, 0, -1, True, "", "x", [], {}, [None], [1, "a"], {"a": 1}, "#x", "Patient/1", {"reference": 4}, [[1]], 1.5,
    {"resourceType": "Patient"}, {"system": ["x"], "code": {}}, {"value": "x"},
]  # fmt: skip
NAMES = ["extension", "value", "valueString", "contained", "text", "url", "id", "_given"]


def places(value):
    found = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        keys = each if isinstance(each, dict) else range(len(each))
        found.extend((each, key) for key in keys)
        waiting.extend(each[key] for key in keys if isinstance(each[key], dict | list))
    return found


@pytest.fixture(scope="module")
def resources(shared_data):
    files = sorted((shared_data / "fhir-r4-examples").glob("*.json"))
    return [json.loads(path.read_bytes()) for path in files if path.stat().st_size < 20_000]


@pytest.mark.parametrize("seed", range(4))
def test_mutations(resources, seed):
    chance = random.Random(seed)
    registry = validation.Registry()
    for _ in range(150):
        resource = copy.deepcopy(chance.choice(resources))
        for _ in range(chance.randint(1, 3)):
            holder, key = chance.choice(places(resource) or [(resource, "x")])
            if isinstance(holder, dict) and chance.random() < 0.2:
                key = chance.choice(NAMES)
            holder[key] = copy.deepcopy(chance.choice(JUNK))
        with bounded():
            found = validation.validate(resource, registry=registry)
        assert all(issue.text and issue.code for issue in found)
        try:
            xml.loads(xml.dumps(resource))
        except MalformedXml:
            continue
