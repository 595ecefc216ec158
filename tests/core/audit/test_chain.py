"""The chain of traces, on the real database."""

import pytest

from virage.core import audit, db
from virage.core.audit.content import of_reads
from virage.core.audit.queries import one
from virage.core.callers import Caller, system
from virage.core.errors import Malformed

pytestmark = pytest.mark.django_db

NURSE = Caller(
    kind="professional",
    subject="899900000019",
    rpps="99900000019",
    name="Camille Test",
    purpose="bris_de_glace",
    reason="Urgence",
)


def _links() -> list[tuple[int, int, bytes, bytes]]:
    with db.cursor() as cursor:
        cursor.execute("SELECT lane, seq, prev, hash FROM audit_trace ORDER BY lane, seq")
        return cursor.fetchall()


def test_a_trace_is_an_audit_event_that_says_who_what_why() -> None:
    audit.trace(by=NURSE, action="dmp.retrieve", patient="pat1", entities=["DocumentReference/d1"], title="Lettre")
    (event,) = audit.for_patient("pat1")
    assert event["resourceType"] == "AuditEvent"
    assert event["action"] == "R"
    assert event["outcome"] == "0"
    who = event["agent"][0]["who"]
    assert who["identifier"]["value"] == "899900000019"
    assert who["display"] == "Camille Test"
    assert event["agent"][0]["altId"] == "99900000019"
    assert event["purposeOfEvent"][0]["coding"][0]["code"] == "bris_de_glace"
    assert event["purposeOfEvent"][0]["text"] == "Urgence"
    assert event["entity"][0] == {"what": {"reference": "DocumentReference/d1"}, "name": "Lettre"}
    assert event["recorded"]


def test_each_trace_follows_the_one_before_and_the_chain_verifies() -> None:
    for number in range(20):
        audit.trace(by=NURSE, action="dmp.search", patient=f"p{number}")
    lanes: dict[int, bytes] = {}
    for lane, seq, prev, digest in _links():
        assert seq == 1 or prev == lanes[lane]
        lanes[lane] = digest
    verdict = audit.verify()
    assert verdict.broken is None
    assert verdict.traces >= 20


def test_traces_one_by_one_and_many_at_once_follow_each_other_on_one_lane() -> None:
    before = {lane: seq for lane, seq, _, _ in _links()}
    with db.transaction():
        audit.trace(by=NURSE, action="dmp.search", patient="p0")
        audit.traces([audit.row(by=NURSE, action="dmp.search", patient=f"p{number}") for number in range(1, 6)])
        audit.trace(by=NURSE, action="dmp.search", patient="p6")
    links = [link for link in _links() if link[1] > before.get(link[0], 0)]
    assert len(links) == 7
    assert len({lane for lane, *_ in links}) == 1
    with db.cursor() as cursor:
        cursor.execute("SELECT patient FROM audit_trace WHERE lane = %s AND seq >= %s ORDER BY seq", links[0][:2])
        assert [patient for (patient,) in cursor] == [f"p{number}" for number in range(7)]
    assert audit.verify().broken is None


@pytest.mark.parametrize(
    ("tamper", "what"),
    [
        ("UPDATE audit_trace SET subject = 'someone else' WHERE patient = 'p3'", "changed"),
        ("UPDATE audit_trace SET content = '{}' WHERE patient = 'p3'", "changed"),
        ("DELETE FROM audit_trace WHERE patient = 'p3'", "missing"),
        ("DELETE FROM audit_trace WHERE patient = 'p9'", "cut"),
        ("UPDATE audit_trace SET prev = '\\x00' WHERE patient = 'p3'", "unlinked"),
    ],
)
def test_tampering_is_named(tamper: str, what: str) -> None:
    for number in range(10):
        audit.trace(by=NURSE, action="dmp.search", patient=f"p{number}")
    with db.cursor() as cursor:
        cursor.execute("ALTER TABLE audit_trace DISABLE TRIGGER audit_append_only")
        cursor.execute(tamper)
        cursor.execute("ALTER TABLE audit_trace ENABLE TRIGGER audit_append_only")
    broken = audit.verify().broken
    assert broken is not None
    assert broken.what == what


@pytest.mark.parametrize("lane", ["lane", "99::smallint"])
def test_a_trace_put_in_beside_the_journal_is_named_however_well_it_is_linked(lane: str) -> None:
    for number in range(3):
        audit.trace(by=NURSE, action="dmp.search", patient=f"p{number}")
    with db.cursor() as cursor:
        cursor.execute(
            "INSERT INTO audit_trace (lane, seq, recorded, action, outcome, subject, patient, content, prev, hash)"
            " SELECT lane, seq, recorded, 'dmp.search', '0', 'x', '', '{}', prev,"
            " audit_hash(prev, lane, seq, recorded, 'dmp.search', '0', 'x', '', '{}')"
            f" FROM (SELECT {lane} AS lane, CASE WHEN {lane} = lane THEN seq ELSE 0 END + 1 AS seq, clock_timestamp() AS recorded,"
            f" CASE WHEN {lane} = lane THEN hash ELSE '' END AS prev FROM audit_lane WHERE seq > 0 LIMIT 1) head"
        )
    broken = audit.verify().broken
    assert broken is not None
    assert broken.what == "added"


def test_a_trace_can_be_neither_changed_nor_removed() -> None:
    audit.trace(by=NURSE, action="dmp.search", patient="p1")
    for statement in ("UPDATE audit_trace SET subject = ''", "DELETE FROM audit_trace"):
        with pytest.raises(Exception, match="append-only"), db.transaction(), db.cursor() as cursor:
            cursor.execute(statement)


def test_reads_traced_later_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virage.core.audit.recording._start", lambda: None)
    monkeypatch.setattr("virage.core.audit.recording.at_once", False)
    for _ in range(3):
        audit.later(by=NURSE, action="fhir.read", patient="later1", entities=["Patient/later1"])
    assert audit.for_patient("later1") == []
    assert audit.flush() == 3
    (found,) = audit.for_patient("later1")
    named = [entity["what"]["reference"] for entity in found["entity"]]
    assert named == ["Patient/later1"] * 4  # as often as it was read, and the holder
    assert audit.verify().broken is None


def test_what_is_read_while_traces_are_written_waits_for_the_next_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a writer under load never stops: it makes a transaction of each few reads."""
    monkeypatch.setattr("virage.core.audit.recording._start", lambda: None)
    monkeypatch.setattr("virage.core.audit.recording.at_once", False)

    def about() -> str:
        audit.later(by=NURSE, action="fhir.read", patient="later2", entities=["Patient/later2"])
        return "later2"

    audit.later(by=NURSE, action="fhir.read", patient=about, entities=["Patient/later2"])
    assert audit.flush() == 1
    assert len(audit.for_patient("later2")) == 1
    assert audit.flush() == 1
    assert len(audit.for_patient("later2")) == 2


@pytest.mark.parametrize("after", ["x", "1", "²-1", "1-²", "-", "1-2-3"])
def test_a_place_in_the_list_that_is_none_is_refused(after: str) -> None:
    with pytest.raises(Malformed):
        audit.for_patient("p1", after=after)
    assert one(after) is None


def test_who_looked_at_one_resource_is_found_behind_whatever_came_since() -> None:
    audit.trace(by=NURSE, action="dmp.retrieve", patient="p1", entities=["DocumentReference/d1"])
    for _ in range(3):
        audit.trace(by=NURSE, action="dmp.retrieve", patient="p1", entities=["DocumentReference/d10"])
        audit.trace(by=NURSE, action="dmp.search", patient="p1")
    (found,) = audit.for_patient("p1", about="DocumentReference/d1", count=2)
    assert found["entity"][0]["what"]["reference"] == "DocumentReference/d1"


def test_what_others_did_is_found_behind_what_the_holder_did_since() -> None:
    holder = Caller(kind="citizen", subject="p1", patient="p1", name="Anne Test")
    audit.trace(by=NURSE, action="dmp.retrieve", patient="p1")
    for _ in range(3):
        audit.trace(by=holder, action="dmp.search", patient="p1")
    (found,) = audit.for_patient("p1", but="p1", count=2)
    assert found["agent"][0]["who"]["identifier"]["value"] == NURSE.subject


def test_what_one_caller_reads_of_one_patient_at_once_is_one_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("virage.core.audit.recording._start", lambda: None)
    monkeypatch.setattr("virage.core.audit.recording.at_once", False)
    other = system("other")
    for number in range(250):
        audit.later(by=NURSE, action="fhir.read", patient=lambda: "p1", entities=[f"Observation/{number}"])
    audit.later(by=NURSE, action="fhir.read", patient="p2", entities=["Observation/0"])
    audit.later(by=NURSE, action="fhir.vread", patient="p1", entities=["Observation/0"])
    audit.later(by=other, action="fhir.read", patient="p1", entities=["Observation/0"])
    for _ in range(2):
        audit.later(by=NURSE, action="fhir.search")
    assert audit.flush() == 255
    mine = [event for event in audit.for_patient("p1", actions=("fhir.read",)) if event["agent"][0].get("altId")]
    assert sorted(len(event["entity"]) - 1 for event in mine) == [50, 100, 100]
    named = [entity["what"]["reference"] for event in mine for entity in event["entity"][:-1]]
    assert sorted(named) == sorted(f"Observation/{number}" for number in range(250))
    assert len(audit.for_patient("p1")) == 5
    assert len(audit.for_patient("p2")) == 1
    assert len(audit.of_subject(NURSE.subject, actions=("fhir.search",))) == 2
    audit.trace(by=NURSE, action="dmp.search", patient="p1")
    assert audit.verify().broken is None


@pytest.mark.parametrize("patient", ["", "p1"])
@pytest.mark.parametrize("entities", [(), ("Patient/p1",), ('Observation/é"1', "Observation/2")])
@pytest.mark.parametrize("by", [NURSE, system("other")])
def test_a_trace_written_later_says_what_it_would_have_said_at_once(by, entities, patient) -> None:
    content = of_reads(by, "fhir.read", "0")(entities, patient)
    assert content == audit.row(by=by, action="fhir.read", patient=patient, entities=entities)[4]
