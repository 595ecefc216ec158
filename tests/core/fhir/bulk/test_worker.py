"""The real worker: what the router deferred is done without anybody's help."""

import time

import pytest

from tests.core.fhir.router.conftest import observation, patient
from tests.core.fhir.subscriptions.conftest import endpoint  # noqa: F401
from virage.core.events.worker import Worker


@pytest.fixture
def worker(own_database):
    running = Worker()
    running.start()
    yield running
    running.stop()


def _wait(what, seconds=120):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        found = what()
        if found:
            return found
        time.sleep(0.1)
    raise AssertionError("the worker did not come to it")


def test_import_export_and_a_subscription(ask_for_real, worker, endpoint, tmp_path, monkeypatch):  # noqa: F811
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    ask = ask_for_real
    channel = {"type": "rest-hook", "endpoint": endpoint.url}
    declared = {"resourceType": "Subscription", "status": "requested", "reason": "Essai", "criteria": "Observation"}
    id = ask("POST", "Subscription", {**declared, "channel": channel}).json["id"]
    _wait(lambda: ask("GET", f"Subscription/{id}").json["status"] == "active")
    endpoint.got.clear()
    lines = b'{"resourceType":"Patient","id":"w1"}\n{"resourceType":"Nothing"}\n'
    told = ask("POST", "$import", lines, **{"content-type": "application/fhir+ndjson"})
    status = told.headers["Content-Location"].partition("/fhir/")[2]
    manifest = _wait(lambda: (found := ask("GET", status)).status == 200 and found.json)
    assert manifest["extension"] == {"written": 1, "present": 0, "rejected": 1}
    assert ask("POST", "Patient", patient()).status == 201
    assert ask("POST", "Observation", observation("Patient/w1")).status == 201
    _wait(lambda: endpoint.got)
    assert len(endpoint.got) == 1
    told = ask("GET", "$export", prefer="respond-async")
    status = told.headers["Content-Location"].partition("/fhir/")[2]
    manifest = _wait(lambda: (found := ask("GET", status)).status == 200 and found.json)
    assert {file["type"]: file["count"] for file in manifest["output"]} == {
        "Observation": 1,
        "Patient": 2,
        "Subscription": 1,
    }
