"""What must not get in: the right status, a sentence that helps, nothing written, nothing personal said."""

import copy
from dataclasses import replace
from typing import Any

import pytest

from tests.services.dmp.world import BASE, COLLEAGUE, DOCTOR, NURSE, World, identity_for
from virage.core import audit
from virage.services.dmp import queries
from virage.services.dmp.models import Content
from virage.trust.ins.identity import Identity
from virage.trust.ins.rules import IdentityState


def refused(world: World, status: int, code: str, body: Any, by: Any = DOCTOR) -> str:
    """The sentence of a refusal, once it is sure that nothing was written."""
    answer = world.ask(by, "POST", "DocumentReference" if body.get("resourceType") == "DocumentReference" else "", body)
    assert answer.status == status, answer.body
    assert code in answer.codes or code in answer.body.decode(), answer.body
    assert Content.objects.count() == 0
    assert queries.store().search("DocumentReference", [("patient", "Patient/pat-1")], count=5).matches == []
    text = str(answer.json["issue"][0]["details"]["text"])
    assert world.identity.matricule.value not in answer.body.decode()
    return text


def test_a_document_about_somebody_else(world: World) -> None:
    text = refused(world, 422, "INTEROP.NOT_SOUND", world.lot(world.cda(traits=world.traits(world.other))))
    assert "n'est pas celle du patient" in text


def test_a_document_whose_traits_differ(world: World) -> None:
    wrong = replace(world.traits(), birth_date="1980-01-01")
    refused(world, 422, "INTEROP.NOT_SOUND", world.lot(world.cda(traits=wrong)))


@pytest.mark.parametrize(
    ("subject", "status", "code"),
    [
        ({"reference": "Patient?identifier=urn:oid:1.2.250.1.213.1.4.10|279035121503599"}, 422, "INS.KEY_WRONG"),
        ({"reference": "Patient?identifier=urn:oid:1.2.250.1.213.1.4.10|12"}, 422, "INS.MALFORMED"),
        ({"reference": "Patient?identifier=urn:oid:1.2.250.1.213.1.4.8|279035121503587"}, 422, "INS."),
        ({"reference": "Patient/inconnu"}, 422, "INS.UNKNOWN"),
        ({"reference": "Patient/../pat-1"}, 422, ""),
        ({"display": "quelqu'un"}, 422, "DMP.NO_PATIENT"),
    ],
)
def test_a_patient_who_is_nobody(world: World, subject: dict[str, str], status: int, code: str) -> None:
    body = world.reference(world.cda())
    body["subject"] = subject
    answer = world.ask(DOCTOR, "POST", "DocumentReference", body)
    assert answer.status == status, answer.body
    assert code in answer.body.decode()
    assert Content.objects.count() == 0


def test_an_identity_that_is_not_qualified(world: World) -> None:
    qualified = identity_for("pat-3", 77)
    world.register(Identity("pat-3", IdentityState(), qualified.traits))
    body = world.reference(world.cda())
    body["subject"] = {"reference": "Patient/pat-3"}
    refused(world, 403, "INS.NOT_QUALIFIED", body)


def test_two_patients_in_one_lot(world: World) -> None:
    body = world.lot(world.cda())
    body["entry"][0]["resource"]["subject"] = {"reference": "Patient/pat-2"}
    refused(world, 422, "DMP.SEVERAL_PATIENTS", body)


@pytest.mark.parametrize(
    ("name", "value", "code"),
    [
        ("hash", "AAAAAAAAAAAAAAAAAAAAAAAAAAA=", "DMP.HASH"),
        ("size", 3, "DMP.SIZE"),
        ("contentType", "text/html", "DMP.MIME"),
        ("contentType", "application/pdf", "DMP.MIME"),
    ],
)
def test_bytes_that_are_not_those_announced(world: World, name: str, value: Any, code: str) -> None:
    body = world.reference(world.cda())
    body["content"][0]["attachment"][name] = value
    refused(world, 422, code, body)


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b'<!DOCTYPE x [<!ENTITY a "b">]><ClinicalDocument xmlns="urn:hl7-org:v3"/>', 400, "INTEROP.XML_UNSAFE"),
        (b"<a>" * 5000, 400, "INTEROP.XML_UNSAFE"),
        (b"pas du xml", 400, "INTEROP.XML_MALFORMED"),
        (b'<ClinicalDocument xmlns="urn:hl7-org:v3"/>', 422, "INTEROP.NOT_SOUND"),
        (b"", 422, "FHIR."),
        (b" " * (33 * 1024 * 1024), 413, "DMP.TOO_LARGE"),
    ],
    ids=["entity", "deep", "text", "empty CDA", "empty", "too large"],
)
def test_documents_that_are_not_documents(world: World, content: bytes, status: int, code: str) -> None:
    refused(world, status, code, world.lot(content))


def test_somebody_else_s_document(world: World) -> None:
    refused(world, 403, "DMP.NOT_AUTHOR", world.reference(world.cda(), by=COLLEAGUE), by=DOCTOR)
    assert [event["outcome"] for event in audit.for_patient("pat-1", actions=("dmp.publish",))] == ["4"]


def test_a_person_without_a_record_and_a_closed_one(world: World) -> None:
    from virage.services.dmp import actions

    actions.close(by=world.patient, patient="pat-1", reason="Souhait")
    refused(world, 403, "DMP.STATE", world.lot(world.cda()))


def test_lots_that_are_not_lots(world: World) -> None:
    whole = world.lot(world.cda())
    refused(world, 422, "DMP.NO_LOT", {**whole, "entry": whole["entry"][1:]})
    refused(world, 422, "DMP.NO_CONTENT", {**whole, "entry": whole["entry"][:2]})
    refused(world, 400, "DMP.SUBMISSION", {**whole, "entry": []})
    refused(world, 400, "DMP.SUBMISSION", {**whole, "type": "batch"})
    broken = copy.deepcopy(whole)
    broken["entry"][2]["resource"]["data"] = "***"
    refused(world, 422, "FHIR.", broken)
    wrong = copy.deepcopy(whole)
    wrong["entry"][1]["resource"]["status"] = "nouveau"
    refused(world, 422, "", wrong)
    unknown = copy.deepcopy(whole)
    unknown["entry"][1]["resource"]["relatesTo"] = [
        {"code": "replaces", "target": {"reference": "DocumentReference/absent"}}
    ]
    refused(world, 422, "DMP.NO_TARGET", unknown)


def test_half_a_lot_is_nothing(world: World) -> None:
    body = world.lot(world.cda())
    second = copy.deepcopy(body["entry"][1])
    second["fullUrl"] = "urn:uuid:99999999-9999-4999-8999-999999999999"
    second["resource"]["content"][0]["attachment"] = {"contentType": "application/pdf", "data": "AAAA"}
    body["entry"].append(second)
    refused(world, 422, "DMP.MIME", body)


@pytest.mark.parametrize(
    "path",
    [
        "DocumentReference/../Patient/pat-1",
        "Binary/..",
        "Binary/%2e%2e%2fetc",
        "Binary/..%2f..%2fetc%2fpasswd",
        "DocumentReference/x%00y",
        "Binary/inconnu",
    ],
)
def test_addresses_that_lead_nowhere(world: World, path: str) -> None:
    answer = world.ask(DOCTOR, "GET", path)
    assert answer.status in (400, 404)
    assert "root:" not in answer.body.decode()


def test_interactions_that_the_base_does_not_offer(world: World) -> None:
    document = world.published()
    for method, url in (
        ("DELETE", f"DocumentReference/{document}"),
        ("PUT", f"DocumentReference/{document}"),
        ("GET", f"DocumentReference/{document}/_history"),
        ("POST", "Binary"),
    ):
        assert world.ask(DOCTOR, method, url, world.reference(world.cda()) if method != "GET" else None).status == 405
    assert world.ask(DOCTOR, "GET", "Observation").status == 404


def test_scopes_count(world: World) -> None:
    narrow = replace(DOCTOR, scopes=frozenset({"user/Observation.rs"}))
    assert world.found(narrow).status == 403
    assert world.ask(narrow, "POST", "", world.lot(world.cda())).status == 403
    assert (
        world.ask(
            replace(DOCTOR, scopes=frozenset({"user/DocumentReference.rs"})),
            "POST",
            "DocumentReference",
            world.reference(world.cda()),
        ).status
        == 403
    )


def test_another_patient_s_record(world: World) -> None:
    stranger = replace(world.patient, subject="pat-2", patient="pat-2")
    document = world.published()
    assert world.found(stranger).status == 403
    assert world.ask(stranger, "GET", f"Binary/{document}").status == 403
    assert world.mask(stranger, document).status == 403
    assert world.ask(stranger, "GET", "AuditEvent?patient=Patient/pat-1").status == 403
    assert world.found(DOCTOR).ids == [document]


def test_a_stale_patch(world: World) -> None:
    document = world.published()
    answer = world.ask(
        world.patient,
        "PATCH",
        f"DocumentReference/{document}",
        [{"op": "add", "path": "/securityLabel/-", "value": {"coding": [{"code": "MASQUE_PS"}]}}],
        if_match='W/"7"',
    )
    assert answer.status == 412


def test_the_glass_needs_a_reason_and_no_prior_refusal(world: World) -> None:
    from virage.services.dmp import actions

    actions.refuse_emergency(by=world.patient, patient="pat-1", refused=True)
    answer = world.found(replace(NURSE, purpose="bris_de_glace", reason="Urgence"))
    assert answer.status == 403
    assert "refusé par avance" in answer.body.decode()
    assert world.found(replace(NURSE, purpose="autre")).status == 403


def test_a_unique_identifier_is_its_author_s(world: World) -> None:
    world.published()
    other = world.ask(COLLEAGUE, "POST", "DocumentReference", world.reference(world.cda(title="Autre"), by=COLLEAGUE))
    assert other.status == 409
    assert "DMP.DUPLICATE_ID" in other.body.decode()


def test_addresses_of_documents_do_not_leave_the_base(world: World) -> None:
    world.published()
    url = world.found(DOCTOR).json["entry"][0]["resource"]["content"][0]["attachment"]["url"]
    assert url.startswith(BASE)
