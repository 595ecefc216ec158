"""The life of a record and who may look into it."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from tests.services.dmp.world import COLLEAGUE, DOCTOR, NURSE, SYSTEM, World, breaking
from virage.core import audit
from virage.core.errors import Conflict, Forbidden, Invalid
from virage.services.dmp import actions, queries, rules, seeding, tasks
from virage.services.dmp.actions import announcements
from virage.services.dmp.models import Record
from virage.services.dmp.rules import State


def test_six_weeks_then_it_opens_by_itself(world: World) -> None:
    actions.notify(by=SYSTEM, patient="pat-9", on=date(2026, 1, 1))
    actions.notify(by=SYSTEM, patient="pat-8", on=date(2026, 1, 2))
    actions.oppose(by=replace(world.patient, patient="pat-8"), patient="pat-8")
    assert actions.open_due(by=SYSTEM, today=date(2026, 2, 11)) == 0
    assert actions.open_due(by=SYSTEM, today=date(2026, 2, 12)) == 1
    assert queries.record_state("pat-9").state == State.ACTIF
    assert queries.record_state("pat-8").state == State.OPPOSE
    assert queries.record_state("pat-7").state == State.NON_CREE
    with pytest.raises(Conflict):
        actions.oppose(by=SYSTEM, patient="pat-9")
    with pytest.raises(Forbidden):
        actions.close(by=DOCTOR, patient="pat-9")


def test_closed_kept_ten_years_then_destroyed(world: World) -> None:
    document = world.published()
    actions.close(by=world.patient, patient="pat-1", reason="Souhait")
    assert world.found(DOCTOR).status == 403
    assert world.found(world.patient).ids == [document]
    actions.reopen(by=world.patient, patient="pat-1")
    assert world.found(DOCTOR).ids == [document]
    actions.close(by=world.patient, patient="pat-1")
    long_ago = datetime.now(UTC) - timedelta(days=3660)
    Record.objects.filter(pk="pat-1").update(closed_at=long_ago)
    assert actions.destroy_due(by=SYSTEM) == 1
    assert queries.record_state("pat-1").state == State.DETRUIT
    assert queries.document(document) is None


def test_notice_and_retention_are_pure() -> None:
    assert rules.opening_date(date(2026, 1, 1)) == date(2026, 2, 12)
    assert rules.destruction_date(date(2024, 2, 29)) == date(2034, 3, 1)
    with pytest.raises(Conflict):
        rules.move(State.NON_CREE, "close")


def test_consent_blocks_and_the_last_word_is_the_holder_s(world: World) -> None:
    document = world.published()
    with pytest.raises(Forbidden):
        actions.authorise(by=replace(world.patient, patient="pat-2"), patient="pat-1", professional=NURSE.subject)
    actions.authorise(by=NURSE, patient="pat-1", professional=NURSE.subject)
    assert world.found(NURSE).ids == [document]
    actions.block(by=world.patient, patient="pat-1", professional=NURSE.subject)
    for who in (NURSE, breaking(NURSE)):
        answer = world.found(who)
        assert answer.status == 403
        assert "bloqué" in answer.body.decode()
    with pytest.raises(Forbidden):
        actions.authorise(by=NURSE, patient="pat-1", professional=NURSE.subject)
    actions.unblock(by=world.patient, patient="pat-1", professional=NURSE.subject)
    assert "équipe de soins" in world.found(NURSE).body.decode()
    with pytest.raises(Invalid):
        actions.authorise(by=world.patient, patient="pat-1", professional="../8")


def test_a_blocked_professional_does_not_feed_either(world: World) -> None:
    actions.block(by=world.patient, patient="pat-1", professional=COLLEAGUE.subject)
    answer = world.ask(COLLEAGUE, "POST", "DocumentReference", world.reference(world.cda(), by=COLLEAGUE))
    assert answer.status == 403


def test_an_authorisation_ends(world: World) -> None:
    world.published()
    actions.authorise(
        by=world.patient, patient="pat-1", professional=NURSE.subject, until=datetime.now(UTC) - timedelta(minutes=1)
    )
    assert world.found(NURSE).status == 403
    assert queries.records_open_to(NURSE) == []
    actions.authorise(
        by=world.patient, patient="pat-1", professional=NURSE.subject, until=datetime.now(UTC) + timedelta(days=1)
    )
    assert queries.records_open_to(NURSE) == ["pat-1"]


def test_treating_doctor_is_authorised_and_told_of_the_glass(world: World) -> None:
    actions.declare_treating_doctor(by=world.patient, patient="pat-1", professional=COLLEAGUE.subject, name="Dr Paul")
    assert queries.record_state("pat-1").treating_doctor == COLLEAGUE.subject
    assert [one.professional for one in queries.permissions("pat-1") if one.ground == "medecin_traitant"]
    assert "pat-1" in queries.records_open_to(COLLEAGUE)


def test_regulation_is_for_regulators(world: World) -> None:
    document = world.published()
    assert world.found(replace(NURSE, purpose="centre_15")).status == 403
    regulator = replace(NURSE, purpose="centre_15", role="Médecin régulateur", profession="10")
    assert world.found(regulator).ids == [document]


def test_verbs_on_documents_trace_what_they_do(world: World) -> None:
    document = world.published()
    for verb, by in (
        (actions.mask, world.patient),
        (actions.unmask, world.patient),
        (actions.hide_from_patient, DOCTOR),
        (actions.release, DOCTOR),
        (actions.archive, DOCTOR),
        (actions.unarchive, world.patient),
        (actions.withdraw, DOCTOR),
    ):
        verb(by=by, document=document)
    done = [event["subtype"][0]["code"] for event in reversed(audit.for_patient("pat-1"))]
    expected = ["publish", "mask", "unmask", "hide", "release", "archive", "unarchive", "withdraw"]
    assert [code for code in done if code.partition(".")[2] in expected] == [f"dmp.{name}" for name in expected]
    with pytest.raises(Invalid):
        actions.update_metadata(
            by=DOCTOR, document=document, after={**queries.require(document).resource, "status": "current"}
        )


def test_masking_twice_writes_once(world: World) -> None:
    document = world.published()
    first = actions.mask(by=world.patient, document=document)
    assert actions.mask(by=world.patient, document=document).version == first.version


def test_seeding_again_adds_nothing(world: World) -> None:
    content = world.cda()
    seed = seeding.Seed("pat-5", documents=[seeding.SeedDocument(world.reference(content), content)])
    assert seeding.bulk_seed(by=SYSTEM, seeds=[seed]) == 1
    assert seeding.bulk_seed(by=SYSTEM, seeds=[seed]) == 0
    (version,) = queries.store().search("DocumentReference", [("patient", "Patient/pat-5")], count=5).matches
    assert queries.content(version.id) == (content, "text/xml")
    assert version.resource["author"][0]["identifier"]["value"] == DOCTOR.subject


def test_the_face_for_other_rooms(world: World) -> None:
    from virage.services import dmp

    document = world.published()
    found, cursor, _ = dmp.documents_for(DOCTOR, "pat-1")
    assert ([one["id"] for one in found], cursor) == ([document], None)
    assert dmp.retrieve(DOCTOR, document)[1] == "text/xml"
    assert dmp.record_state("pat-1").state == "ACTIF"
    assert {event["subtype"][0]["code"] for event in dmp.traces_for("pat-1")} >= {
        "dmp.search",
        "dmp.retrieve",
        "dmp.publish",
    }
    with pytest.raises(Forbidden):
        dmp.documents_for(NURSE, "pat-1")


def test_all_whom_an_update_waits_for_are_told_by_one_run(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(announcements, "_BATCH", 2)
    for _ in range(5):
        actions.hide_from_patient(by=DOCTOR, document=world.published())
    planned = datetime.now(UTC) + timedelta(days=14, hours=1)
    tasks.show_hidden_documents(int(planned.timestamp()))
    assert len(audit.for_patient("pat-1", actions=("dmp.tell_waiting",))) == 5
    tasks.show_hidden_documents(int((planned + timedelta(days=1)).timestamp()))
    assert len(audit.for_patient("pat-1", actions=("dmp.tell_waiting",))) == 5


def test_hidden_documents_show_after_a_month(world: World) -> None:
    document = world.published()
    actions.hide_from_patient(by=DOCTOR, document=document)
    now = datetime.now(UTC)
    assert actions.tell_waiting(by=SYSTEM, now=now + timedelta(days=13)) == 0
    assert actions.tell_waiting(by=SYSTEM, now=now + timedelta(days=14, hours=1)) == 1
    assert actions.tell_waiting(by=SYSTEM, now=now + timedelta(days=16)) == 0
    assert actions.release_due(by=SYSTEM, now=now + timedelta(days=29)) == 0
    assert world.found(world.patient).ids == []
    assert actions.release_due(by=SYSTEM, now=now + timedelta(days=31)) == 1
    assert world.found(world.patient).ids == [document]
