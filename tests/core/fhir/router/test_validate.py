"""$validate with what the store holds, and packages put there."""

import io
import json
import tarfile
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

import pytest

from tests.core.fhir.router.conftest import SOFTWARE
from virage.core.fhir import known, packages
from virage.core.fhir.service import SHARED
from virage.core.fhir.store.version import Entry, Page, Version
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


def test_what_was_compiled_is_kept_until_a_definition_changes(ask):
    patient = {"resourceType": "Patient"}
    address = ask("POST", "StructureDefinition", profile("1", ACTIVE)).json["id"]
    assert len(faults(ask, patient)) == 1
    before = known.kept([SHARED.store], ["http://x.test/p"])
    assert faults(ask, {**patient, "active": True}) == []
    assert known.kept([SHARED.store], ["http://x.test/p"]) is before
    # As another process would: this one is told nothing.
    stored = SHARED.store.read("StructureDefinition", address)
    changed = {**json.loads(stored.body), **profile("1", ACTIVE, NAMED)}
    SHARED.store.update(changed, by=SOFTWARE)
    assert [each["expression"] for each in faults(ask, {**patient, "active": True})] == [["Patient"]]
    assert known.kept([SHARED.store], ["http://x.test/p"]) is not before


def test_every_version_under_an_address_counts_however_many_there_are(ask, monkeypatch):
    monkeypatch.setattr(known, "_PAGE", 2)
    for number in range(5):
        assert ask("POST", "StructureDefinition", profile(str(number), ACTIVE)).status == 201
    for number in range(5):
        canonical = f"http://x.test/p|{number}"
        assert [each["expression"] for each in faults(ask, {"resourceType": "Patient"}, canonical)] == [["Patient"]]
    assert known.kept([SHARED.store], []) is known.kept([SHARED.store], [])


class SlowStore:
    """Has one profile, and takes its time."""

    def search(self, kind, params, count, cursor):
        time.sleep(0.05)
        stamp = datetime.now(UTC)
        return Page(
            [Entry(Version(kind, "p", 1, stamp, json.dumps(profile("1", ACTIVE)).encode(), 0))], None, None, [], []
        )


def test_a_definition_being_looked_up_is_not_taken_for_absent():
    held = known.Held(SlowStore())
    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(held.structure, ["http://x.test/p"] * 4))


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
        path.write_bytes(
            package(profile(version, element), {"resourceType": "ValueSet", "url": "http://x.test/v", "compose": []})
        )
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


def issues(answer):
    return [(each["severity"], each["code"], each.get("expression", [""])[0]) for each in answer.json["issue"]]


def test_a_definition_under_construction_is_let_in_and_validated_with(ask):
    draft = {name: value for name, value in profile("1", ACTIVE).items() if name not in ("name", "status")}
    assert ask("POST", "StructureDefinition", draft).status == 201
    assert faults(ask, {"resourceType": "Patient"}) != []
    assert faults(ask, {"resourceType": "Patient", "active": True}) == []
    told = ask("POST", "$validate", draft)
    assert [each[1:] for each in issues(told) if each[0] == "error"] == [("required", "StructureDefinition")] * 2


@pytest.mark.parametrize(
    "change",
    [{"url": None}, {"status": ["draft"]}, {"colour": "red"}, {"differential": {}}, {"resourceType": "Patient"}],
)
def test_what_is_more_than_unfinished_is_refused(ask, change):
    draft = {name: value for name, value in profile("1", ACTIVE).items() if name not in ("name", "status")}
    draft = {name: value for name, value in {**draft, **change}.items() if value is not None}
    answer = ask("POST", draft["resourceType"], draft)
    assert answer.status in (400, 422)


@pytest.mark.parametrize(
    ("body", "path", "place"),
    [
        (b'{"resourceType":"Patient",\n"name":[{"given":["a",]}]}', "Patient.name[0].given", "Ligne 2, colonne 23"),
        (b'{"resourceType":"Patient",\n// said\n"active":true}', "Patient.active", "Ligne 2, colonne 1"),
        (b'{"resourceType":"Patient",\n"deceasedBoolean":true "active":true}', "Patient", "Ligne 2, colonne 24"),
        (b'{"resourceType":"Patient",\n"name":[{"family":Rose}]}', "Patient.name[0]", "Ligne 2, colonne 19"),
        (b'{"resourceType":"Patient",\n"active":true,"active":true}', "Patient", "Ligne 2, colonne 24"),
        (b'{"resourceType":"Patient",\n"name":[{"family":"Rose"', "Patient.name[0]", "Ligne 2, colonne 25"),
    ],
)
def test_faults_of_the_text_are_told_with_line_and_element_and_the_rest_is_validated(ask, body, path, place):
    answer = ask("POST", "$validate", body.replace(b'"Patient",', b'"Patient","gender":"x",'))
    assert answer.status == 200
    first, *others = answer.json["issue"]
    assert (first["code"], first["expression"]) == ("structure", [path])
    assert first["details"]["text"].startswith(place)
    assert ["Patient.gender"] in [each.get("expression") for each in others]
    assert ask("POST", "Patient", body).status == 400


def test_faults_of_xml_do_not_hide_the_rest(ask):
    body = b'<Patient xmlns="http://hl7.org/fhir"><gender value="x"/>\n<colour value="red"/></Patient>'
    answer = ask("POST", "$validate", body, content_type="application/fhir+xml")
    assert answer.status == 200
    assert issues(answer) == [("error", "structure", "Patient"), ("error", "code-invalid", "Patient.gender")]
    assert answer.json["issue"][0]["details"]["text"].startswith("Ligne 2 ")
    assert ask("POST", "$validate", b"<Patient", content_type="application/fhir+xml").status == 400


def test_parameters_are_an_input_or_the_subject(ask):
    wrapped = {
        "resourceType": "Parameters",
        "parameter": [
            {"name": "mode", "valueCode": "create"},
            {"name": "resource", "resource": {"resourceType": "Patient", "gender": "x"}},
        ],
    }
    assert issues(ask("POST", "$validate", wrapped)) == [("error", "code-invalid", "Patient.gender")]
    wrapped["parameter"][1]["name"] = "other"
    assert issues(ask("POST", "$validate", wrapped)) == [
        ("error", "code-invalid", "Parameters.parameter[1].resource.gender")
    ]


def test_a_target_in_the_store_is_held_to_the_profile_that_names_it(ask):
    target = profile("1", ACTIVE)
    naming = {
        **profile("1", {"id": "Patient.link.other", "path": "Patient.link.other",
                        "type": [{"code": "Reference", "targetProfile": ["http://x.test/p"]}]}),
        "url": "http://x.test/q",
    }  # fmt: skip
    for each in (target, naming):
        assert ask("POST", "StructureDefinition", each).status == 201
    assert ask("PUT", "Patient/on", {"resourceType": "Patient", "id": "on", "active": True}).status == 201
    assert ask("PUT", "Patient/off", {"resourceType": "Patient", "id": "off"}).status == 201

    def linked(reference):
        return {"resourceType": "Patient", "link": [{"other": {"reference": reference}, "type": "seealso"}]}

    assert faults(ask, linked("Patient/on"), "http://x.test/q") == []
    assert faults(ask, linked("http://test.local/fhir/Patient/on"), "http://x.test/q") == []
    assert faults(ask, linked("Patient/absent"), "http://x.test/q") == []
    assert [each["expression"] for each in faults(ask, linked("Patient/off"), "http://x.test/q")] == [
        ["Patient.link[0].other"]
    ]


@pytest.mark.parametrize("canonical", ["", "a,b", "http://x.test/a$b", "\\", "http://x.test/\u2028", "x" * 5000])
def test_odd_addresses_of_profiles_are_unknown_and_nothing_worse(ask, canonical):
    resource = {"resourceType": "Patient", "meta": {"profile": [canonical or "x"]}}
    answer = ask("POST", "$validate", resource)
    assert answer.status == 200


@pytest.mark.parametrize(
    "change",
    [
        {"date": "yesterday"}, {"experimental": "true"}, {"status": "odd"}, {"version": ""}, {"fhirVersion": "5.0.0"},
        {"identifier": [{"value": 3}]}, {"jurisdiction": [{"coding": [{"code": " "}]}]}, {"kind": 3}, {"type": ""},
        {"useContext": [{}]},
    ],
)  # fmt: skip
def test_odd_values_of_a_draft_are_stored_and_found_again(ask, change):
    answer = ask("POST", "StructureDefinition", {**profile("1", ACTIVE), **change})
    assert answer.status in (201, 422)
    if answer.status == 201:
        assert ask("GET", f"StructureDefinition/{answer.json['id']}").status == 200
        assert ask("GET", "StructureDefinition?url=http://x.test/p").json["entry"][0]["resource"] == answer.json
        assert ask("GET", f"StructureDefinition/{answer.json['id']}", accept="application/fhir+xml").status == 200
        assert ask("POST", "Patient/$validate?profile=http://x.test/p", {"resourceType": "Patient"}).status == 200


def test_elements_of_xml_come_in_the_order_of_their_definition(ask):
    body = b'<Patient xmlns="http://hl7.org/fhir"><gender value="male"/>\n<active value="true"/></Patient>'
    answer = ask("POST", "$validate", body, content_type="application/fhir+xml")
    assert issues(answer) == [("error", "structure", "Patient.active")]
    assert answer.json["issue"][0]["details"]["text"].startswith("Ligne 2 ")
    assert ask("POST", "Patient", body, content_type="application/fhir+xml").status == 201
