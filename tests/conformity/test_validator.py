"""The official validation cases, held by a ratchet: agreement may only grow."""

import json
from pathlib import Path

import pytest

from tests.conformity.validator_suite import Suite

RATCHET = json.loads((Path(__file__).parent / "ratchet.json").read_text())


@pytest.fixture(scope="module")
def verdicts(shared_data):
    archive = shared_data / "fhir-validator" / "validator-r4-part.tar.zst"
    if not archive.exists():
        pytest.skip("the validation cases are not here")
    suite = Suite(archive.read_bytes())
    assert len(suite.cases) == 291
    return [runs for case in suite.cases if (runs := suite.run(case))]


def test_no_case_makes_us_fail(verdicts):
    assert [(run.case, run.crash) for runs in verdicts for run in runs if run.crash] == []


def test_valid_and_invalid_agree(verdicts):
    # 278 of the 291 cases have a published outcome among the shared files; the others cannot be compared.
    assert len(verdicts) == 278
    assert sum(all(run.agrees for run in runs) for runs in verdicts) >= RATCHET["validator.validity"]


def test_the_first_error_is_at_the_same_place(verdicts):
    assert sum(all(run.same_path for run in runs) for runs in verdicts) >= RATCHET["validator.first_error_path"]
