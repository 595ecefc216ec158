"""The life of one document over the real router and the real database."""

from typing import Any

import pytest

from tests.services.dmp.world import BASE, COLLEAGUE, DENTIST, DOCTOR, MASKED, NURSE, SOFTWARE, World, breaking
from virage.core import audit


def test_publish_find_and_read_back_the_same_bytes(world: World) -> None:
    content = world.cda()
    answer = world.ask(DOCTOR, "POST", "", world.lot(content))
    assert answer.status == 200, answer.body
    bundle = answer.json
    assert bundle["type"] == "transaction-response"
    assert [entry["response"]["status"] for entry in bundle["entry"]] == ["201 Created"] * 3
    found = world.found(COLLEAGUE, "&status=current")
    assert found.status == 200, found.body
    (entry,) = found.json["entry"]
    resource = entry["resource"]
    assert resource["subject"]["reference"] == "Patient/pat-1"
    assert resource["masterIdentifier"]["value"] == "urn:oid:1.2.250.1.999.1.1"
    assert resource["category"][0]["coding"][0]["code"] == "10"
    assert resource["context"]["practiceSetting"]["coding"][0]["code"] == "AMBULATOIRE"
    assert resource["custodian"]["reference"].startswith("#")
    attachment = resource["content"][0]["attachment"]
    assert attachment["url"].startswith(f"{BASE}/Binary/")
    assert bundle["entry"][2]["response"]["location"] == attachment["url"]
    file = world.ask(COLLEAGUE, "GET", attachment["url"])
    assert (file.status, file.headers["Content-Type"], file.body) == (200, "text/xml", content)


def test_simplified_publication_and_every_way_to_search(world: World) -> None:
    document = world.published(
        type={"coding": [{"system": "http://loinc.org", "code": "11488-4"}]},
        masterIdentifier={"system": "urn:ietf:rfc:3986", "value": "urn:oid:1.2.250.1.999.77"},
    )
    for query in (
        "&type=http://loinc.org%7C11488-4",
        "&category=10",
        "&identifier=urn:ietf:rfc:3986%7Curn:oid:1.2.250.1.999.77",
        "&security-label=N",
        "&date=ge2020-01-01",
        "&period=ge2026-03-05",
        "&period-start=ge2026-03-05",
        "&setting=AMBULATOIRE",
        "&facility=SA07",
        "&creation=ge2026-03-05",
        "&format=urn:asipSante:modelesHorsProfils:2011",
    ):
        answer = world.found(DOCTOR, query)
        assert answer.status == 200, (query, answer.body)
        assert answer.ids == [document], query
    assert world.found(DOCTOR, "&type=http://loinc.org%7C11502-2").ids == []
    assert world.ask(DOCTOR, "GET", "DocumentReference?patient=Patient/pat-1").ids == [document]
    assert world.ask(DOCTOR, "GET", "DocumentReference?identifier=urn:oid:1.2.250.1.999.77").ids == [document]
    assert world.ask(DOCTOR, "GET", "Patient/pat-1/DocumentReference").ids == [document]
    assert world.ask(DOCTOR, "GET", "DocumentReference").status == 400
    assert world.found(DOCTOR, "&inconnu=1").status == 400
    posted = world.ask(
        DOCTOR,
        "POST",
        "DocumentReference/_search",
        f"patient.identifier={world.ins}&status=current".encode(),
        content_type="application/x-www-form-urlencoded",
    )
    assert posted.ids == [document]


def test_outside_the_care_team_then_by_breaking_the_glass(world: World) -> None:
    document = world.published()
    refused = world.found(NURSE)
    assert refused.status == 403
    assert "équipe de soins" in refused.json["issue"][0]["details"]["text"]
    assert world.ask(NURSE, "GET", f"DocumentReference/{document}").status == 403
    assert world.ask(NURSE, "GET", f"Binary/{document}").status == 403
    assert world.found(breaking(NURSE, "")).status == 403
    urgent = breaking(NURSE)
    assert world.found(urgent).ids == [document]
    assert world.ask(urgent, "GET", f"Binary/{document}").status == 200
    glass = audit.for_patient("pat-1", actions=("dmp.break_glass",))
    assert len(glass) == 1


def test_the_holder_reads_who_looked_and_why(world: World) -> None:
    document = world.published()
    world.found(NURSE)
    world.ask(breaking(NURSE), "GET", f"Binary/{document}")
    answer = world.ask(world.patient, "GET", f"AuditEvent?patient.identifier={world.ins}")
    assert answer.status == 200, answer.body
    events = [entry["resource"] for entry in answer.json["entry"]]
    by_nurse = [event for event in events if event["agent"][0].get("altId") == NURSE.rpps]
    assert {event["outcome"] for event in by_nurse} == {"0", "4"}
    read = next(event for event in by_nurse if event["subtype"][0]["code"] == "dmp.retrieve")
    assert read["agent"][0]["who"]["display"] == NURSE.name
    assert read["purposeOfEvent"][0]["coding"][0]["code"] == "bris_de_glace"
    assert read["purposeOfEvent"][0]["text"] == "Patiente inconsciente"
    assert {"reference": f"DocumentReference/{document}"} in [entity["what"] for entity in read["entity"]]
    assert world.ask(world.patient, "GET", f"AuditEvent/{read['id']}").json["id"] == read["id"]
    assert world.ask(
        world.patient, "GET", f"AuditEvent?entity=DocumentReference/{document}&subtype=dmp.retrieve"
    ).ids == [read["id"]]
    assert world.ask(NURSE, "GET", f"AuditEvent?patient.identifier={world.ins}").status == 403
    first = world.ask(world.patient, "GET", "AuditEvent?_count=1")
    follow = next(link["url"] for link in first.json["link"] if link["relation"] == "next")
    assert world.ask(world.patient, "GET", follow).ids[0] not in first.ids


def test_masked_by_the_holder_seen_by_its_author_only(world: World) -> None:
    document = world.published()
    masked = world.mask(world.patient, document)
    assert masked.status == 200, masked.body
    assert MASKED["code"] in str(masked.json["securityLabel"])
    assert world.found(COLLEAGUE).ids == []
    refused = world.ask(COLLEAGUE, "GET", f"Binary/{document}")
    assert refused.status == 403
    assert "masqué" in refused.json["issue"][0]["details"]["text"]
    assert world.found(breaking(NURSE)).ids == []
    assert world.found(DOCTOR).ids == [document]
    assert world.found(world.patient).ids == [document]
    labels = masked.json["securityLabel"]
    shown = world.patch(
        world.patient,
        document,
        {"op": "replace", "path": "/securityLabel", "value": [one for one in labels if "MASQUE" not in str(one)]},
    )
    assert shown.status == 200
    assert world.found(COLLEAGUE).ids == [document]


def test_fhirpath_patch_masks_too_and_by_business_identifier(world: World) -> None:
    document = world.published()
    patch = {
        "resourceType": "Parameters",
        "parameter": [
            {
                "name": "operation",
                "part": [
                    {"name": "type", "valueCode": "add"},
                    {"name": "path", "valueString": "DocumentReference"},
                    {"name": "name", "valueString": "securityLabel"},
                    {"name": "value", "valueCodeableConcept": {"coding": [MASKED]}},
                ],
            }
        ],
    }
    answer = world.ask(world.patient, "PATCH", "DocumentReference?identifier=urn:oid:1.2.250.1.999.1.1", patch)
    assert answer.status == 200, answer.body
    assert answer.json["id"] == document
    assert world.found(COLLEAGUE).ids == []


def test_only_status_labels_and_archiving_change(world: World) -> None:
    document = world.published()
    title = {"op": "replace", "path": "/content/0/attachment/title", "value": "Autre"}
    assert world.patch(DOCTOR, document, title).status == 405
    assert (
        world.patch(COLLEAGUE, document, {"op": "replace", "path": "/status", "value": "entered-in-error"}).status
        == 403
    )
    assert world.mask(COLLEAGUE, document).status == 403
    invisible = {
        "op": "add",
        "path": "/securityLabel/-",
        "value": {"coding": [{"code": "INVISIBLE_PATIENT", "system": MASKED["system"]}]},
    }
    assert world.patch(world.patient, document, invisible).status == 403
    assert world.patch(DOCTOR, document, invisible).status == 200
    assert world.found(world.patient).ids == []
    assert world.ask(world.patient, "GET", f"Binary/{document}").status == 403
    assert world.found(COLLEAGUE).ids == [document]


def test_archived_documents_are_shown_on_request(world: World) -> None:
    document = world.published()
    archived = {
        "url": "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived",
        "valueBoolean": True,
    }
    answer = world.patch(DOCTOR, document, {"op": "add", "path": "/extension", "value": [archived]})
    assert answer.status == 200, answer.body
    assert world.found(DOCTOR).ids == []
    assert world.found(DOCTOR, "&isArchived=true").ids == [document]


def test_withdrawn_documents_are_read_by_nobody(world: World) -> None:
    document = world.published()
    assert (
        world.patch(DOCTOR, document, {"op": "replace", "path": "/status", "value": "entered-in-error"}).status == 200
    )
    for who in (DOCTOR, COLLEAGUE, world.patient):
        assert world.found(who).ids == []
        assert world.ask(who, "GET", f"Binary/{document}").status == 403


def test_a_document_is_replaced_by_its_author(world: World) -> None:
    old = world.published()
    relates = [{"code": "replaces", "target": {"reference": f"DocumentReference/{old}"}}]
    refused = world.ask(
        COLLEAGUE, "POST", "DocumentReference", world.reference(world.cda(), by=COLLEAGUE, relatesTo=relates)
    )
    assert refused.status == 403
    new = world.published(world.cda(version=2), relatesTo=relates)
    assert world.found(DOCTOR, "&status=current").ids == [new]
    assert world.found(DOCTOR, "&status=superseded").ids == [old]
    again = world.ask(DOCTOR, "POST", "DocumentReference", world.reference(world.cda(), relatesTo=relates))
    assert again.status == 409


def test_lots_show_only_what_the_reader_may_see(world: World) -> None:
    world.ask(DOCTOR, "POST", "", world.lot(world.cda()))
    found = world.ask(COLLEAGUE, "GET", f"List?patient.identifier={world.ins}&code=submissionset&status=current")
    assert found.status == 200, found.body
    (lot,) = (entry["resource"] for entry in found.json["entry"])
    document = lot["entry"][0]["item"]["reference"].partition("/")[2]
    assert world.ask(COLLEAGUE, "GET", f"List/{lot['id']}").status == 200
    world.mask(world.patient, document)
    assert (
        "entry"
        not in world.ask(
            COLLEAGUE, "GET", f"List?patient.identifier={world.ins}&code=submissionset&status=current"
        ).json
    )
    assert world.ask(COLLEAGUE, "GET", f"List/{lot['id']}").status == 404
    assert world.ask(DOCTOR, "GET", f"List/{lot['id']}").status == 200


def test_the_matrix_refuses_by_profession_and_type(world: World) -> None:
    document = world.published(type={"coding": [{"system": "http://loinc.org", "code": "68599-0"}]})
    assert world.found(COLLEAGUE).ids == [document]
    assert world.found(DENTIST).ids == []
    refused = world.ask(DENTIST, "GET", f"DocumentReference/{document}")
    assert "matrice" in refused.json["issue"][0]["details"]["text"]


def test_software_feeds_for_a_professional_but_does_not_consult(world: World) -> None:
    answer = world.ask(SOFTWARE, "POST", "", world.lot(world.cda()))
    assert answer.status == 200, answer.body
    assert world.found(SOFTWARE).status == 403
    assert len(world.found(DOCTOR).ids) == 1


def test_state_of_the_record_by_ins(world: World) -> None:
    answer = world.ask(NURSE, "GET", f"Patient?identifier={world.ins}")
    assert answer.status == 200, answer.body
    (patient,) = (entry["resource"] for entry in answer.json["entry"])
    parts = {
        part["url"]: part
        for part in next(one for one in patient["extension"] if one["url"] == "urn:virage:dmp-statut")["extension"]
    }
    assert parts["statut"]["valueCode"] == "ACTIF"
    assert parts["autorisation"]["valueCode"] == "aucune"
    assert patient["identifier"][0]["value"] == world.identity.matricule.value
    assert world.ask(world.patient, "GET", "Patient/pat-2").status == 403


def test_the_holder_deposits_a_document_of_her_own(world: World) -> None:
    body = world.reference(
        b"%PDF-1.7 mes directives",
        mime="application/pdf",
        type={"coding": [{"system": "urn:oid:1.2.250.1.213.1.1.4.12", "code": "EXPPAT_3"}]},
    )
    body["author"] = [{"reference": f"Patient?identifier={world.ins}"}]
    answer = world.ask(world.patient, "POST", "DocumentReference", body)
    assert answer.status == 201, answer.body
    document = answer.json["id"]
    assert answer.json["author"][0]["reference"] == "Patient/pat-1"
    assert answer.json["category"][0]["coding"][0]["code"] == "90"
    assert world.found(COLLEAGUE).ids == [document]
    withdrawn = world.patch(world.patient, document, {"op": "replace", "path": "/status", "value": "entered-in-error"})
    assert withdrawn.status == 200, withdrawn.body
    assert world.found(world.patient).ids == []
    body["author"] = [{"reference": "#auteur"}]
    assert world.ask(world.patient, "POST", "DocumentReference", body).status == 403


@pytest.mark.parametrize(
    "author",
    [
        {"identifier": {"system": "https://rpps.esante.gouv.fr", "value": DOCTOR.rpps}},
        {"reference": f"Practitioner?identifier=urn:oid:1.2.250.1.71.4.2.1|{DOCTOR.subject}"},
        {"reference": "#role"},
        {"reference": "#role-of"},
    ],
    ids=["identifier", "conditional", "role", "role of a practitioner"],
)
def test_authors_are_named_in_many_ways(world: World, author: dict[str, Any]) -> None:
    national = [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": DOCTOR.subject}]
    body = world.reference(world.cda())
    body["contained"] = [
        {"resourceType": "PractitionerRole", "id": "role", "identifier": national},
        {"resourceType": "PractitionerRole", "id": "role-of", "practitioner": {"reference": "#auteur"}},
        *body["contained"],
    ]
    body["author"] = [author]
    answer = world.ask(DOCTOR, "POST", "DocumentReference", body)
    assert answer.status == 201, answer.body
    assert answer.json["author"][0]["identifier"]["value"] == DOCTOR.subject
    assert world.ask(COLLEAGUE, "POST", "DocumentReference", body).status == 403


@pytest.mark.parametrize("form", ["local", "absolute", "contained", "identifier", "entry"])
def test_patients_are_named_in_many_ways(world: World, form: str) -> None:
    system, _, number = world.ins.partition("|")
    person = {"resourceType": "Patient", "id": "moi", "identifier": [{"system": system, "value": number}]}
    body = world.lot(world.cda())
    document = body["entry"][1]["resource"]
    if form == "contained":
        document["contained"].append(person)
    if form == "entry":
        body["entry"].append(
            {
                "fullUrl": "urn:uuid:44444444-4444-4444-8444-444444444444",
                "resource": person,
                "request": {"method": "POST", "url": "Patient"},
            }
        )
    document["subject"] = {
        "local": {"reference": "Patient/pat-1"},
        "absolute": {"reference": "http://test.local/ins/fhir/Patient/pat-1"},
        "contained": {"reference": "#moi"},
        "identifier": {"identifier": {"system": system, "value": number}},
        "entry": {"reference": "urn:uuid:44444444-4444-4444-8444-444444444444"},
    }[form]
    answer = world.ask(DOCTOR, "POST", "", body)
    assert answer.status == 200, answer.body
    assert len(answer.json["entry"]) == len(body["entry"])
    (found,) = world.found(DOCTOR).json["entry"]
    assert found["resource"]["subject"]["reference"] == "Patient/pat-1"


def test_a_lot_in_xml_and_the_wrong_content_type(world: World) -> None:
    from virage.core.fhir import xml

    content = world.cda()
    answer = world.ask(DOCTOR, "POST", "", xml.dumps(world.lot(content)), content_type="application/fhir+xml")
    assert answer.status == 200, answer.body
    (entry,) = world.found(DOCTOR).json["entry"]
    assert world.ask(DOCTOR, "GET", entry["resource"]["content"][0]["attachment"]["url"]).body == content
    assert world.ask(DOCTOR, "POST", "", b"{}", content_type="text/csv").status == 415
    assert world.ask(DOCTOR, "POST", "", b"{", content_type="application/fhir+json").status == 400
