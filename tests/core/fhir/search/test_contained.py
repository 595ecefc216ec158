"""What resources contain: found by chains and by `_contained`, against a plain evaluation on random worlds that change."""

import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core import db as database
from virage.core.access import Everything, Filter, Has, InPatient, OfType
from virage.core.errors import VirageError
from virage.core.fhir.index import keys
from virage.core.fhir.store import Store, Write, space

sys.path.insert(0, str(Path(__file__).parent))
import oracle
from test_oracle import BY, SLOW, undone
from worlds import Maker

Found = set[tuple[str, str]]
"""(`Type/id` of the holder, local id)."""


@pytest.fixture
def store(db) -> Store:
    return Store(space("fhir"))


def medication(maker: Maker, local: bool) -> dict[str, Any]:
    makers = ["Organization/o0", "Organization/o1", *(["#c", "#none"] if local else [])]
    return {
        "resourceType": "Medication",
        **maker.part(
            code=maker.concept,
            status=lambda: maker.pick("active", "inactive"),
            manufacturer=lambda: maker.reference(*makers),
        ),
    }


def organization(maker: Maker) -> dict[str, Any]:
    return {"resourceType": "Organization", **maker.part(name=lambda: maker.pick("Élodie", "Zoé"))}


def request(maker: Maker, id_: str) -> dict[str, Any]:
    made = {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": maker.pick("active", "completed"),
        **maker.part(
            0.9,
            subject=lambda: maker.reference("Patient/p0", "Patient/p1", "Patient/p2"),
            medicationReference=lambda: maker.reference("#a", "#b", "Medication/m0", "Medication/m1"),
        ),
    }
    inside = [{"id": local, **medication(maker, True)} for local in ("a", "b") if maker.draw.random() < 0.6]
    if maker.draw.random() < 0.5:
        inside.append({"id": "c", **organization(maker)})
    maker.draw.shuffle(inside)
    return made | ({"contained": inside} if inside else {})


def world(maker: Maker) -> oracle.World:
    made: oracle.World = {}
    for number in range(3):
        made[f"Patient/p{number}"] = {"resourceType": "Patient", "id": f"p{number}", **maker.patient()}
        made[f"Organization/o{number}"] = {"id": f"o{number}", **organization(maker)}
        made[f"Medication/m{number}"] = {"id": f"m{number}", **medication(maker, False)}
    for number in range(8):
        made[f"MedicationRequest/r{number}"] = request(maker, f"r{number}")
    return made


def led_to(made: oracle.World, holder: oracle.Resource, resource: oracle.Resource, code: str) -> list[tuple[Any, Any]]:
    """What a reference leads to, each with what it is contained in (itself, when nothing)."""
    path = {"medication": "medicationReference"}.get(code, code)
    found = []
    for value in oracle.values(resource, path):
        text = value["reference"]
        inside = [each for each in holder.get("contained", ()) if text == "#" + each["id"]]
        found += [(holder, each) for each in inside]
        if text in made:
            found.append((made[text], made[text]))
    return found


def meets(made: oracle.World, holder: oracle.Resource, resource: oracle.Resource, name: str, value: str) -> bool:
    if name.startswith("_has:"):
        _, far, code, rest = name.split(":", 3)
        others = [holder] if holder is not resource else list(made.values())
        return any(
            other["resourceType"] == far
            and any(each is resource for _, each in led_to(made, other, other, code))
            and meets(made, other, other, rest, value)
            for other in others
        )
    if "." in name:
        code, rest = name.split(".", 1)
        code, _, target = code.partition(":")
        return any(
            far["resourceType"] == (target or far["resourceType"]) and meets(made, where, far, rest, value)
            for where, far in led_to(made, holder, resource, code)
        )
    code, _, modifier = name.partition(":")
    if code == "_id":
        return resource["id"] == value
    found = oracle.values(resource, code)
    if modifier == "missing":
        return (value == "true") == (not found)
    test = oracle.TESTS["string" if code in ("name", "family") else "token"]
    if code == "family":
        found = oracle.values(resource, "name.family")
    met = any(test(each, value) for each in found)
    return not met if modifier == "not" else met


OF_MEDICATION = [
    "code",
    "code:not",
    "status",
    "manufacturer.name",
    "manufacturer:Organization.name",
    "code:missing",
    "_id",
]


def value_of(maker: Maker, name: str) -> str:
    last = name.rpartition(":")[2] if name.endswith(("not", "missing")) else ""
    code = name.rpartition(".")[2].partition(":")[0] if not name.startswith("_has") else "status"
    if last == "missing":
        return maker.pick("true", "false")
    return {
        "code": maker.token(),
        "status": maker.pick("active", "inactive", "completed"),
        "name": maker.pick("elo", "zo"),
        "family": maker.pick("e", "m"),
        "_id": maker.pick("a", "b", "m0"),
    }[code]


def of_medication(maker: Maker) -> tuple[str, str]:
    name = maker.pick(*OF_MEDICATION, "_has:MedicationRequest:medication:status")
    return name, value_of(maker, name)


def of_request(maker: Maker) -> tuple[str, str]:
    name = maker.pick("status", "subject:Patient.family", *("medication." + each for each in OF_MEDICATION))
    return name, value_of(maker, name)


def change(maker: Maker, store: Store, made: oracle.World) -> None:
    """Some writes, each in one of the ways there are."""
    for key in maker.draw.sample([each for each in made if each.startswith("MedicationRequest/")], 4):
        id_ = key.partition("/")[2]
        match maker.pick("update", "write", "delete", "again"):
            case "update":
                made[key] = request(maker, id_)
                store.update(made[key], by=BY)
            case "write":
                made[key] = request(maker, id_)
                store.write([Write(made[key], id_, update=True)], by=BY)
            case "delete":
                store.delete("MedicationRequest", id_, by=BY)
                del made[key]
            case "again":
                store.delete("MedicationRequest", id_, by=BY)
                made[key] = request(maker, id_)
                store.update(made[key], by=BY)
    fresh = request(maker, "fresh")
    made["MedicationRequest/fresh"] = fresh
    store.create(fresh, by=BY, id="fresh")


def contained(made: oracle.World, asked: list[tuple[str, str]]) -> Found:
    return {
        (key, each["id"])
        for key, holder in made.items()
        for each in holder.get("contained", ())
        if each["resourceType"] == "Medication" and all(meets(made, holder, each, *one) for one in asked)
    }


@SLOW
@given(seed=st.integers(0, 1_000_000))
def test_what_is_contained_is_found(store, seed):
    maker = Maker(seed)
    made = world(maker)

    def check():
        store.load(list(made.values()), by=BY)
        change(maker, store, made)
        for _ in range(25):
            rule: Filter = maker.pick(
                Everything(), Everything(), InPatient("p1"), OfType(frozenset(["Medication"])), Has("status", "|active")
            )
            seen = {key: each for key, each in made.items() if rule.admits(store.facts(each)).allowed}

            asked = [of_request(maker) for _ in range(maker.pick(1, 1, 2))]
            page = store.search("MedicationRequest", asked, access=rule, total=True)
            expected = sorted(
                each["id"]
                for each in seen.values()
                if each["resourceType"] == "MedicationRequest" and all(meets(seen, each, each, *one) for one in asked)
            )
            assert sorted(version.id for version in page.matches) == expected, (asked, rule)
            assert (page.unknown, page.total) == ([], len(expected))

            asked = [of_medication(maker) for _ in range(maker.pick(0, 1, 1, 2))]
            found = contained(seen, asked)
            alone = {
                each["id"]
                for each in seen.values()
                if each["resourceType"] == "Medication" and all(meets(seen, each, each, *one) for one in asked)
            }
            for wanted in ("true", "both"):
                whole = [*asked, ("_contained", wanted), ("_containedType", "contained")]
                entries = walked(store, whole, rule, maker)
                assert {(each.holder.reference, each.version.id) for each in entries if each.holder} == found, (
                    whole,
                    rule,
                )
                outside = [each.version.id for each in entries if not each.holder]
                assert sorted(outside) == (sorted(alone) if wanted == "both" else []), (whole, rule)
                assert store.search("Medication", whole, access=rule, count=0, total=True).total == len(entries)

                whole = [*asked, ("_contained", wanted)]
                entries = walked(store, whole, rule, maker)
                holders = [each.version.reference for each in entries]
                expected_holders = {key for key, _ in found} | (
                    {f"Medication/{each}" for each in alone} if wanted == "both" else set()
                )
                assert sorted(holders) == sorted(expected_holders), (whole, rule)
                assert store.search("Medication", whole, access=rule, count=0, total=True).total == len(entries)
            assert sorted(version.id for version in store.search("Medication", asked, access=rule).matches) == sorted(
                alone
            )
        store_keeps_only_what_is_held(made)

    undone(check)


def walked(store: Store, params: list[tuple[str, str]], rule: Filter, maker: Maker) -> list[Any]:
    entries, cursor = [], None
    count = maker.draw.randint(1, 5)
    while True:
        page = store.search("Medication", params, access=rule, count=count, cursor=cursor)
        assert page.unknown == []
        assert 0 < len(page.entries) <= count or cursor is None
        entries += page.entries
        cursor = page.next
        if cursor is None:
            return entries


def store_keeps_only_what_is_held(made: oracle.World) -> None:
    with database.cursor() as cursor:
        rows = cursor.execute("SELECT count(*) FROM fhir_resource WHERE space = %s", [keys.CONTAINED]).fetchone()
        narrow = cursor.execute(
            "SELECT count(*) FROM fhir_string s WHERE NOT EXISTS (SELECT FROM fhir_resource r"
            " WHERE r.compartment = s.compartment AND r.rid = s.rid)"
        ).fetchone()
    assert rows == (sum(len(each.get("contained", ())) for each in made.values()),)
    assert narrow == (0,)


def document(id_: str, family: str, patient: str = "p0") -> dict[str, Any]:
    return {
        "resourceType": "DocumentReference",
        "id": id_,
        "status": "current",
        "subject": {"reference": f"Patient/{patient}"},
        "author": [{"reference": "#who"}],
        "contained": [
            {"resourceType": "Practitioner", "id": "who", "name": [{"family": family}], "birthDate": "1970-01-02"}
        ],
    }


def test_what_is_contained_is_sorted_joined_and_refused_where_it_means_nothing(store):
    store.load([document("d1", "Zola"), document("d2", "Sand"), {"resourceType": "Patient", "id": "p0"}], by=BY)

    def found(*params: tuple[str, str], type_: str = "Practitioner") -> list[str]:
        return [
            f"{each.version.id}/{each.holder.id if each.holder else each.mode}"
            for each in store.search(type_, list(params)).entries
        ]

    alone = (("_contained", "true"), ("_containedType", "contained"))
    assert found(*alone, ("_sort", "family")) == ["who/d2", "who/d1"]
    assert found(*alone, ("_sort", "-family")) == ["who/d1", "who/d2"]
    assert found(("_contained", "true"), ("name", "zola"), ("_include", "DocumentReference:subject")) == [
        "d1/match",
        "p0/include",
    ]
    assert found(("author.family", "sand"), type_="DocumentReference") == ["d2/match"]
    assert found(("author:Practitioner.family", "sand"), ("patient", "p0"), type_="DocumentReference") == ["d2/match"]
    assert found(("_filter", 'author:Practitioner.family eq "sand"'), type_="DocumentReference") == ["d2/match"]
    assert found(("_has:DocumentReference:author:_id", "d1"), *alone) == ["who/d1"]
    for params, code in (
        ([("_contained", "maybe")], "FHIR.SEARCH_VALUE"),
        ([("_containedType", "both")], "FHIR.SEARCH_VALUE"),
        ([("_contained", "true"), ("_sort", "family")], "FHIR.SEARCH_SORT"),
    ):
        with pytest.raises(VirageError) as refused:
            store.search("Practitioner", params)
        assert refused.value.code == code
    with pytest.raises(VirageError) as refused:
        store.versions("Practitioner", [("_contained", "true")])
    assert refused.value.code == "FHIR.SEARCH_UNSERVED"


def test_what_a_resource_contains_moves_with_it_and_is_indexed_anew(store):
    from virage.core.fhir.reindex import rows

    store.load([document("d1", "Zola")], by=BY)
    store.update(document("d1", "Zola", "p1"), by=BY)
    params = [("_contained", "true"), ("name", "zola")]
    assert [each.id for each in store.search("Practitioner", params, access=InPatient("p1")).matches] == ["d1"]
    assert store.search("Practitioner", params, access=InPatient("p0")).matches == []
    with database.cursor() as cursor:
        cursor.execute("DELETE FROM fhir_resource WHERE space = %s", [keys.CONTAINED])
        cursor.execute("DELETE FROM fhir_string")
        held = cursor.execute(
            "SELECT compartment, rid, version, updated, tokens, body FROM fhir_resource WHERE type ="
            " (SELECT type FROM fhir_resource WHERE id = 'd1')"
        ).fetchall()
        code = cursor.execute("SELECT type FROM fhir_resource WHERE id = 'd1'").fetchone()
    assert store.search("Practitioner", params).matches == []
    for _ in range(2):
        assert rows.index_anew(0, code[0], held, True) == (1, [])
        assert [each.id for each in store.search("Practitioner", params).matches] == ["d1"]
    store_keeps_only_what_is_held({"DocumentReference/d1": document("d1", "Zola")})


def test_nothing_else_meets_what_is_contained_and_it_is_erased_with_its_patient(store):
    from virage.core.fhir import SHARED
    from virage.core.fhir.bulk.erasing import erase
    from virage.core.fhir.store.reading import present_types

    store.load([document("d1", "Zola"), {"resourceType": "Patient", "id": "p0"}], by=BY)
    everything = {"DocumentReference", "Patient"}
    assert {version.type for version in store.history().versions} == everything
    assert {version.type for version in store.search(None, []).matches} == everything
    assert len(present_types(store.space)) == 2
    assert store.search("Practitioner", []).matches == []
    assert store.read("Practitioner", "who") is None
    with pytest.raises(VirageError) as refused:
        store.search(None, [("_contained", "true")])
    assert refused.value.code == "FHIR.SEARCH_UNSERVED"
    done = erase(SHARED, "p0", by=BY)
    assert (done["resources"], done["types"]) == (2, {"DocumentReference": 1, "Patient": 1})
    store_keeps_only_what_is_held({})


def test_contained_resources_wait_for_their_index(store, monkeypatch):
    monkeypatch.setattr("virage.core.fhir.index.revised", lambda revision: revision < 5)
    with pytest.raises(VirageError) as refused:
        store.search("Medication", [("_contained", "true")])
    assert refused.value.code == "FHIR.SEARCH_INDEXING"
