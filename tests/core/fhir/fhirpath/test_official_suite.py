"""The official suite, held by a ratchet: what passes once must go on passing."""

import json
from pathlib import Path

import pytest

from tests.core.fhir.fhirpath import suite

RATCHET = Path(__file__).parents[3] / "conformity" / "ratchet.json"
# Cases known to fail, each with its reason. None today.
FAILING: dict[str, str] = {}


def test_official_suite(shared_data):
    folder = shared_data / "fhirpath"
    if not folder.is_dir():
        pytest.skip("no FHIRPath suite among the shared data")
    cases = suite.cases(folder / "tests-fhir-r4-part.xml")
    failures = {case.name: reason for case in cases if (reason := suite.failure(case, folder))}
    assert {name: reason for name, reason in failures.items() if name not in FAILING} == {}
    assert len(cases) - len(failures) >= json.loads(RATCHET.read_text())["fhirpath"]
