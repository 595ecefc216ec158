"""The holder's traces as AuditEvents: searched as FHIR searches, paged without loss."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.services.dmp.world import BASE, DOCTOR, World


def ids(world: World, query: str) -> list[str]:
    answer = world.ask(world.patient, "GET", f"AuditEvent?{query}")
    assert answer.status == 200, answer.body
    return answer.ids


@pytest.fixture
def lived(world: World) -> World:
    """A record that was read a few times, within the same instant for most of it."""
    document = world.published()
    for _ in range(6):
        assert world.ask(DOCTOR, "GET", f"Binary/{document}").status == 200
    return world


def test_pages_lose_nothing_and_tell_nothing_twice(lived: World) -> None:
    whole = ids(lived, "_count=1000")
    assert len(whole) >= 7
    walked, url = [], "AuditEvent?_count=3"
    while url:
        answer = lived.ask(lived.patient, "GET", url)
        walked += answer.ids
        url = next((link["url"].removeprefix(BASE) for link in answer.json["link"] if link["relation"] == "next"), "")
    assert walked == whole


def test_totals_and_counts_are_those_of_all_pages(lived: World) -> None:
    whole = ids(lived, "_count=1000")
    page = lived.ask(lived.patient, "GET", "AuditEvent?_count=2&_total=accurate").json
    assert (page["total"], len(page["entry"])) == (len(whole), 2)
    counted = lived.ask(lived.patient, "GET", "AuditEvent?_summary=count&subtype=dmp.retrieve").json
    assert counted["total"] == 6
    assert "entry" not in counted


def test_dates_are_moments_whatever_their_zone(lived: World) -> None:
    whole = ids(lived, "_count=1000")
    for hours in (-5, 0, 3):
        zone = f"{'-' if hours < 0 else '+'}{abs(hours):02d}:00"
        now = datetime.now(UTC) + timedelta(hours=hours)
        hour_ago, soon = (f"{now + timedelta(minutes=m):%Y-%m-%dT%H:%M:%S}{zone}" for m in (-60, 60))
        assert ids(lived, f"date=ge{hour_ago.replace('+', '%2B')}&_count=1000") == whole
        assert ids(lived, f"date=lt{soon.replace('+', '%2B')}&_count=1000") == whole
        assert ids(lived, f"date=ge{soon.replace('+', '%2B')}") == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        (f"agent.identifier=urn:oid:1.2.250.1.71.4.2.1|{DOCTOR.subject}&subtype=dmp.retrieve", 6),
        (f"altid={DOCTOR.rpps}&subtype=dmp.retrieve", 6),
        ("agent-name=anne&subtype=urn:virage:action|dmp.retrieve", 6),
        ("agent-name=personne", 0),
        ("_tag=x|y", 0),
        ("outcome=0&subtype=dmp.retrieve", 6),
    ],
)
def test_criteria_narrow(lived: World, query: str, expected: int) -> None:
    assert len(ids(lived, f"{query}&_count=1000")) == expected


@pytest.mark.parametrize("query", ["_sort=date", "date=hier", "date=zz2026", "nom=x"])
def test_what_is_not_served_is_refused(lived: World, query: str) -> None:
    assert lived.ask(lived.patient, "GET", f"AuditEvent?{query}").status == 400


def test_the_reader_has_a_name_where_fhir_looks_for_it(lived: World) -> None:
    event = lived.ask(lived.patient, "GET", "AuditEvent?subtype=dmp.retrieve&_count=1").json["entry"][0]["resource"]
    assert event["agent"][0]["name"] == event["agent"][0]["who"]["display"] == DOCTOR.name
    assert event["agent"][0]["altId"] == DOCTOR.rpps
