"""The official validation cases through the door: what they stand on is put in the store, then $validate is asked."""

import json
from pathlib import Path

import pytest

from tests.conformity.validator_suite import ROOT, Suite, Verdict
from tests.core.fhir.router.conftest import asking
from virage.core.errors import Issue

RATCHET = json.loads((Path(__file__).parent / "ratchet.json").read_text())


class Door(Suite):
    """The suite as an outside program runs it: nothing but HTTP, with the server's own settings."""

    def __init__(self, archive, ask):
        super().__init__(archive)
        self.ask = ask
        self.refused = []

    def put(self, name):
        """One supporting file in the store; a Bundle by its entries."""
        if ROOT + name not in self.files:
            return
        resource, _ = self.read(name)
        if resource is None:
            return
        held = [resource]
        if resource.get("resourceType") == "Bundle":
            held = [each.get("resource", {}) for each in resource.get("entry", ())]
        for each in held:
            if each.get("id"):
                answer = self.ask("PUT", f"{each['resourceType']}/{each['id']}", each)
            else:
                answer = self.ask("POST", each.get("resourceType", "Basic"), each)
            if answer.status not in (200, 201):
                self.refused.append((name, answer.texts[:300]))

    def check(self, case, supporting, profiles):
        from django.db import transaction

        with transaction.atomic():
            for name in dict.fromkeys(supporting):
                self.put(name)
            canonicals = []
            for name in profiles:
                source = self.read(name)[0] if ROOT + name in self.files else None
                canonicals.append(source["url"] if source else name)
            content = self.files[ROOT + case["file"]]
            xml = case["file"].endswith(".xml") or content.lstrip()[:1] == b"<"
            query = "&".join(f"profile={each.replace('|', '%7C')}" for each in canonicals)
            answer = self.ask(
                "POST", "$validate?" + query, content, content_type="application/fhir+" + ("xml" if xml else "json")
            )
            transaction.set_rollback(True)
        assert answer.status < 500
        return [
            Issue(each["code"], each["details"]["text"], (each.get("expression") or [""])[0], each["severity"])
            for each in answer.json["issue"]
            if each["severity"] in ("error", "fatal")
        ]


@pytest.fixture
def door(db, shared_data):
    archive = shared_data / "fhir-validator" / "validator-r4-part.tar.zst"
    if not archive.exists():
        pytest.skip("the validation cases are not here")
    return Door(archive.read_bytes(), asking())


def test_the_cases_through_the_door(door):
    found: list[list[Verdict]] = [runs for case in door.cases if (runs := door.run(case))]
    assert [(run.case, run.crash) for runs in found for run in runs if run.crash] == []
    valid = sum(all(run.agrees for run in runs) for runs in found)
    same = sum(all(run.same_path for run in runs) for runs in found)
    for refused in door.refused:
        print("REFUSED", *refused)  # shown where the test fails
    for run in (run for runs in found for run in runs if not run.same_path):
        print(run.agrees, run.case, run.run, run.valid, run.path, *run.ours[:1])
    assert valid >= RATCHET["validator.http.validity"]
    assert same >= RATCHET["validator.http.first_error_path"]
