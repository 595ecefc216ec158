"""Programs of others speak to /fhir over HTTP, each in an environment of its own.

`sekmet-fhir` (PyPI), a hospital system, signs in by SMART Backend Services with a key of its own (discovery, signed assertion,
token), plays its scenarios and exports in bulk. What it leaves out it says itself: the parts of a laboratory, a payer or a
message hub, which a FHIR store does not play. `fhir-kit-client` (npm) is run by node: a story of its calls.
"""

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from joserfc.jwk import RSAKey

from tests.clients.conftest import CLIENT, INSTALLED, SCOPE, House, installed
from tests.site.running import free_port

pytestmark = pytest.mark.slow
STORY = Path(__file__).with_name("fhir_kit.mjs")

# The only topic of ours is any change; the search in the filter makes it the end of an encounter.
TOPIC = ["--var", "topic=urn:virage:SubscriptionTopic:changement", "--var", "filter_param=status=finished&patient"]
NOT_OURS = {"lab_order_peer_fills", "messaging_adt_orders"}
DEEP = os.environ.get("VIRAGE_TEST_DEEP") == "1"

BULK = """
import json, sys
from sekmet.bulk.client import bulk_export
from sekmet.client.peer import PeerClient
from sekmet.config import load_settings
client = PeerClient("virage", load_settings("settings.json").peer("virage"))
patients = [{"resourceType": "Patient", "name": [{"family": f"Essai{n}"}], "gender": "female"} for n in range(3)]
ids = [client.create(each).raise_for_status().resource["id"] for each in patients]
for id in ids[:2]:
    subject = {"reference": f"Patient/{id}"}
    pulse = {"resourceType": "Observation", "status": "final", "code": {"text": "pouls"}, "subject": subject}
    client.create(pulse).raise_for_status()
member = [{"entity": {"reference": f"Patient/{ids[0]}"}}]
group = client.create({"resourceType": "Group", "type": "person", "actual": True, "member": member}).resource["id"]
told = {}
for level in ("system", "patient", "group"):
    found = bulk_export(client, level, group=group, types=["Patient", "Observation"], timeout=300, max_poll_interval=0.3)
    told[level] = {key: found[key] for key in ("kickoff_status", "status_codes", "all_valid", "errors", "total_resources")}
    told[level]["lines"] = {file["type"]: file["lines"] for file in found["files"]}
kicked = client.request("GET", "$export", headers={"Prefer": "respond-async"})
status = kicked.headers["content-location"]
told["deleted"] = client.request("DELETE", status, absolute=True).status
told["after"] = client.request("GET", status, absolute=True).status
print(json.dumps(told))
"""


@pytest.fixture
def desk(house: House, tmp_path):
    """A folder with the settings of that system, where it is told of this house and given its key."""
    key = RSAKey.import_key(json.loads(house.key.read_bytes()))
    (tmp_path / "key.pem").write_bytes(key.as_pem(private=True))
    auth = {"type": "smart", "client_id": CLIENT, "kid": key.kid, "private_key_path": "key.pem", "scope": SCOPE}
    peer = {"base_url": house.base, "auth": auth}
    port = free_port()
    known = {
        "base_url": f"http://127.0.0.1:{port}/fhir",
        "port": port,
        "host": "127.0.0.1",
        "own_private_key_path": "key.pem",
        "peers": {"virage": peer, "xml": {**peer, "format": "xml"}},
    }
    (tmp_path / "settings.json").write_text(json.dumps(known))
    return tmp_path


def run(desk, *words: str) -> str:
    environment = {**os.environ, "SEKMET_CONFIG": "settings.json", "PYTHONWARNINGS": "ignore"}
    done = subprocess.run(words, cwd=desk, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    return done.stdout


def played(desk, peer: str, *names: str) -> dict[str, Any]:
    """The scenarios as they ended, by name of their file."""
    run(desk, str(installed("python/bin/sekmet")), "scenario", "run", *names, "--peer", peer, *TOPIC)
    (report,) = (desk / "reports").glob(f"*-{peer}/results.json")
    results = json.loads(report.read_bytes())
    found = results["scenarios"] if isinstance(results, dict) else results
    return {each["file"].rpartition("/")[2].partition(".")[0]: each for each in found}


def worst(scenario: dict[str, Any]) -> list[str]:
    return [
        f"{step['name']}: {step['message']}"
        for step in scenario["steps"]
        if step["status"] not in ("passed", "skipped")
    ]


def test_its_scenarios(desk):
    found = played(desk, "virage", "all")
    assert len(found) >= 14
    assert {name: worst(each) for name, each in found.items() if worst(each)} == {}
    assert {name for name, each in found.items() if each["status"] != "passed"} == NOT_OURS


@pytest.mark.skipif(not DEEP, reason="twenty seconds of the other side's own XML: VIRAGE_TEST_DEEP=1")
def test_its_scenarios_in_xml(desk):
    found = played(desk, "xml", "all")
    assert len(found) >= 14
    assert {name: worst(each) for name, each in found.items() if worst(each)} == {}


def test_it_exports_in_bulk(desk):
    told = json.loads(run(desk, str(installed("python/bin/python")), "-c", BULK).splitlines()[-1])
    for level in ("system", "patient", "group"):
        assert told[level]["kickoff_status"] == 202
        assert told[level]["status_codes"][-1] == 200
        assert told[level]["errors"] == []
        assert told[level]["all_valid"]
    assert told["group"]["lines"] == {"Patient": 1, "Observation": 1}
    assert told["patient"]["lines"]["Patient"] >= 3
    assert told["system"]["total_resources"] >= 5
    assert (told["deleted"], told["after"]) == (202, 404)


def test_fhir_kit(house: House):
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not here")
    installed("node_modules/fhir-kit-client")
    done = subprocess.run(
        [node, STORY, INSTALLED / "node_modules", house.base, house.bearer], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told == {
        "capability": "4.0.1",
        "smart": f"{house.address}/psc/token",
        "created": [201, "1"],
        "read": "Essai",
        "updated": "2",
        "vread": "1",
        "patched": ["other", "3"],
        "conditional": True,
        "transaction": ["201 Created", "201 Created"],
        "pages": 7,
        "again": 3,
        "posted": 1,
        "compartment": 8,
        "resolved": "Patient",
        "history": 3,
        "everything": 9,
        "operation": "Parameters",
        "refused": [422, "Patient.gender"],
        "unknown": [400, "colour"],
        "deleted": 204,
        "gone": 410,
    }
