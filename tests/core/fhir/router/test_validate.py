"""$validate with what the store holds, and packages put there."""

import io
import json
import tarfile

import pytest

from tests.core.fhir.router.conftest import SOFTWARE
from virage.core.fhir import packages
from virage.core.fhir.validation import BadPackage

HL7 = "http://hl7.org/fhir/StructureDefinition/"


def profile(version, *elements):
    return {
        "resourceType": "StructureDefinition", "url": "http://x.test/p", "version": version, "name": "P", "status": "active",
        "kind": "resource", "abstract": False, "type": "Patient", "baseDefinition": HL7 + "Patient",
        "derivation": "constraint", "differential": {"element": list(elements)},
    }  # fmt: skip


ACTIVE = {"id": "Patient.active", "path": "Patient.active", "min": 1}
NAMED = {"id": "Patient.name", "path": "Patient.name", "min": 1}


def faults(ask, resource, canonical="http://x.test/p"):
    answer = ask("POST", f"Patient/$validate?profile={canonical}", resource)
    assert answer.status == 200
    return [issue for issue in answer.json["issue"] if issue["severity"] == "error"]


def test_a_profile_counts_from_its_post_to_its_delete(ask):
    patient = {"resourceType": "Patient"}
    assert [each["code"] for each in faults(ask, patient)] == ["not-found"]
    made = ask("POST", "StructureDefinition", profile("1", ACTIVE))
    assert made.status == 201
    assert [each["expression"] for each in faults(ask, patient)] == [["Patient"]]
    assert faults(ask, {**patient, "active": True}) == []
    assert ask("DELETE", f"StructureDefinition/{made.json['id']}").status in (200, 204)
    assert [each["code"] for each in faults(ask, patient)] == ["not-found"]


def package(*resources):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for number, each in enumerate(resources):
            data = json.dumps(each).encode()
            info = tarfile.TarInfo(f"package/x{number}.json")
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return out.getvalue()


def test_versions_of_a_package_stand_side_by_side(ask, tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    for version, element in (("1.0.0", ACTIVE), ("2.0.0", NAMED)):
        path = tmp_path / f"p-{version}.tgz"
        path.write_bytes(package(profile(version, element), {"resourceType": "ValueSet", "url": "http://x.test/v"}))
        report = packages.load(path, SOFTWARE)
        assert (report.read, report.created, report.rejected) == (2, 1, 1)
        assert packages.load(path, SOFTWARE).unchanged == 1
    active, named = {"resourceType": "Patient", "active": True}, {"resourceType": "Patient", "name": [{"text": "x"}]}
    assert faults(ask, active, "http://x.test/p|1.0.0") == []
    assert faults(ask, named, "http://x.test/p|1.0.0") != []
    assert faults(ask, named, "http://x.test/p|2.0.0") == []
    assert faults(ask, named) == []
    assert faults(ask, active) != []


def test_what_is_no_package_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    path = tmp_path / "x.tgz"
    path.write_bytes(b"nothing of the kind")
    with pytest.raises(BadPackage):
        packages.load(path, SOFTWARE)
