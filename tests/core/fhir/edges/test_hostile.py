"""Definitions, arrays and packages that were made to hurt, through HTTP: bounded time and memory, and a sentence."""

import io
import json
import tarfile

import orjson
import pytest

from tests.core.fhir.edges.bodies import PROFILE
from tests.core.fhir.router.conftest import observation, patient
from virage.core.callers import Caller
from virage.core.errors import VirageError
from virage.core.fhir import packages, validation

JSON = "application/fhir+json"
UNLISTED = {"system": "urn:unlisted", "filter": [{"property": "x", "op": "regex", "value": "(a+)+$"}]}
SOUND = {"system": "urn:sys", "concept": [{"code": "x"}]}


def value_set(number, *include):
    url = f"urn:v{number}"
    return {
        "resourceType": "ValueSet",
        "id": f"v{number}",
        "url": url,
        "status": "active",
        "compose": {"include": list(include)},
    }


def profile(*elements, id="sd", **more):
    made = {**PROFILE, "id": id, "url": f"urn:edges:{id}", **more}
    return {**made, "differential": {"element": [{"id": "Patient", "path": "Patient"}, *elements]}}


def put(door, *resources):
    for each in resources:
        assert door.send("PUT", f"/{each['resourceType']}/{each['id']}", body=orjson.dumps(each), kind=JSON).status in (
            200,
            201,
        )


def judged(door, resource, of="urn:edges:sd"):
    body = resource if isinstance(resource, bytes) else orjson.dumps(resource)
    answer = door.hold("POST", "/Patient/$validate", f"profile={of}", body, JSON)
    return answer.json["issue"]


CIRCLE = [value_set(0, {"valueSet": ["urn:v1"]}, SOUND), value_set(1, {"valueSet": ["urn:v0"]})]
LATTICE = [value_set(level, *[{"valueSet": [f"urn:v{level + 1}"]}] * 10) for level in range(18)]
CHAIN = [value_set(level, {"valueSet": [f"urn:v{level + 1}"]}, UNLISTED) for level in range(150)]
SYSTEM = {"resourceType": "CodeSystem", "id": "sys", "url": "urn:sys", "status": "active", "content": "complete"}
LARGE = {**SYSTEM, "concept": [{"code": f"c{number}"} for number in range(50_000)]}
RULE = {"property": "concept", "op": "is-a", "value": "c1"}


@pytest.mark.parametrize(
    "sets",
    [
        [value_set(0, {"valueSet": ["urn:v0"]}, SOUND)],
        [value_set(0, {"valueSet": ["urn:v0"]}, UNLISTED)],
        CIRCLE,
        [CIRCLE[0], value_set(1, {"valueSet": ["urn:v0"]}, UNLISTED)],
        [*LATTICE, value_set(18, SOUND)],
        [*LATTICE, value_set(18, UNLISTED)],
        CHAIN,
        [LARGE, value_set(0, *[{"system": "urn:sys"}] * 50_000)],
        [LARGE, value_set(0, *[{"system": "urn:sys", "filter": [RULE] * 100}] * 500)],
        [LARGE, value_set(0, *[{"system": "urn:sys", "filter": [RULE] * 100}] * 500, UNLISTED)],
    ],
    ids=[
        "self",
        "self-unlisted",
        "circle",
        "circle-unlisted",
        "lattice",
        "lattice-unlisted",
        "chain",
        "wide",
        "filters",
        "filters-unlisted",
    ],
)
def test_value_sets(door, sets):
    bound = {"binding": {"strength": "required", "valueSet": "urn:v0"}}
    put(door, *sets, profile({"id": "Patient.maritalStatus", "path": "Patient.maritalStatus", **bound}))
    judged(door, patient(maritalStatus={"coding": [{"system": "urn:sys", "code": "y"}]}))
    door.hold("GET", "/Observation", "code:in=urn:v0")
    door.hold("GET", "/Observation", "code:not-in=urn:v0")


def test_a_circle_adds_nothing_and_takes_nothing(door):
    put(door, *CIRCLE, observation("Patient/p", id="x", code={"coding": [{"system": "urn:sys", "code": "x"}]}))
    answer = door.hold("GET", "/Observation", "code:in=urn:v0")
    assert [each["resource"]["id"] for each in answer.json["entry"]] == ["x"]


def test_slices_times_elements(door):
    discriminator = [{"type": "value", "path": "system"}]
    elements = [{"id": "Patient.identifier", "path": "Patient.identifier"}]
    elements[0]["slicing"] = {"discriminator": discriminator, "rules": "closed"}
    for number in range(2000):
        id = f"Patient.identifier:a{number}"
        elements.append({"id": id, "path": "Patient.identifier", "sliceName": f"a{number}"})
        elements.append({"id": f"{id}.system", "path": "Patient.identifier.system", "fixedUri": f"urn:{number}"})
    put(door, profile(*elements))
    told = judged(door, patient(identifier=[{"system": f"urn:{number}", "value": "1"} for number in range(2000)]))
    assert told[-1]["code"] == "too-costly"


def test_profiles_in_circles(door):
    one = profile(id="one", baseDefinition="urn:edges:two")
    two = profile(id="two", baseDefinition="urn:edges:one")
    put(door, one, two)
    assert "not-found" in {each["code"] for each in judged(door, patient(), "urn:edges:one")}


def test_hostile_expressions_of_a_profile(door):
    dear = [
        "name.family.matches('(a|aa)+$')",
        "identifier.all(%resource.identifier.where(value = $this.value).exists())",
    ]
    dear.append("descendants().select(%resource.descendants()).count() > 0")
    rules = [
        {"key": f"r-{number}", "severity": "error", "human": "x", "expression": dear[number % 3]}
        for number in range(150)
    ]
    put(door, profile({"id": "Patient", "path": "Patient", "constraint": rules}))
    judged(
        door,
        patient(name=[{"family": "a" * 20_000 + "!"}], identifier=[{"value": str(number)} for number in range(2000)]),
    )


@pytest.mark.parametrize(
    "body",
    [
        b'{"resourceType":"Patient","name":[' + b",".join([b'{"family":"x"}'] * 1_000_000) + b"]}",
        b'{"resourceType":"Patient","name":[{"given":[' + b",".join([b'"x"'] * 1_000_000) + b"]}]}",
        b'{"resourceType":"Patient","name":[' + b",".join([b"null"] * 1_000_000) + b"]}",
        b'{"resourceType":"Patient",' + b",".join(b'"k%d":1' % number for number in range(500_000)) + b"}",
        b'{"resourceType":"Bundle","type":"batch","entry":[' + b",".join([b"{}"] * 1_000_000) + b"]}",
    ],
    ids=["objects", "texts", "nulls", "keys", "entries"],
)
def test_a_million_in_one_array(door, body):
    where = "" if b"Bundle" in body[:40] else "/Patient"
    assert door.hold("POST", where, body=body, kind=JSON).status in (400, 413, 422)
    assert door.hold("POST", "/$validate", body=body, kind=JSON).json["issue"][0]["severity"] == "error"


def package(members):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz", compresslevel=1) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname, content = tarfile.SYMTYPE, content, b""
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


SOUND_FILE = ("package/StructureDefinition-sd.json", json.dumps(PROFILE).encode())


@pytest.mark.parametrize(
    ("content", "refused"),
    [
        (b"", True),
        (b"\x1f\x8b", True),
        (package([SOUND_FILE])[:200], True),
        (package([("package/x.json", b"{")]), True),
        (package([("package/x.json", b"[" * 9999)]), True),
        (package([("package/x.json", b"\xff")]), True),
        (package([("package/x.json", b" " * (600 << 20))]), True),
        (package([("../../x.json", b"{}"), ("/etc/x.json", b"{}"), ("package/x.json", "/etc/passwd")]), False),
        (package([("package/x.json", b'{"resourceType":"StructureDefinition","url":7}'), SOUND_FILE]), False),
        (package([("package/x.json", b'{"resourceType":["StructureDefinition"]}'), SOUND_FILE]), False),
    ],
    ids=["empty", "head", "cut", "broken", "deep", "latin", "bomb", "outside", "no-url", "no-type"],
)
def test_packages(db, tmp_path, monkeypatch, content, refused):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    path = tmp_path / "x.tgz"
    path.write_bytes(content)
    by = Caller(kind="system", subject="test")
    if not refused:
        assert packages.load(path, by).created <= 1
        return
    with pytest.raises(VirageError) as told:
        packages.load(path, by)
    assert told.value.status == 400
    assert told.value.text


def test_validation_says_where_it_stopped():
    found = validation.check({"resourceType": "Patient", "name": [{"given": ["x"] * 600_000}]})
    assert [(each.code, each.path) for each in found] == [("too-costly", "Patient.name[0].given")]
