"""Identifiers that one resource of a type may hold: the second writer is refused, by whatever road it comes."""

from collections import Counter

import pytest

from tests.core.fhir.bulk.test_import import _finish, _lines, _order, _rejects
from tests.core.fhir.router.conftest import SOFTWARE, asking
from tests.core.fhir.router.test_bundle import at_once, bundle, count, entry, statuses
from virage.core import db as database
from virage.core import settings
from virage.core.db import backfill
from virage.core.fhir import SHARED
from virage.core.fhir.service import register
from virage.core.fhir.store import Duplicate, uniqueness

RPPS = "https://rpps.esante.gouv.fr"
ADELI = "urn:oid:1.2.250.1.71.4.2.1"


@pytest.fixture(autouse=True)
def _declared(monkeypatch, tmp_path):
    """Two systems of Practitioner are unique on /fhir, as the setting declares them."""
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    monkeypatch.setenv("VIRAGE_FHIR_UNIQUE", f"Practitioner={RPPS} Practitioner={ADELI}")
    monkeypatch.setattr(uniqueness, "_declared", dict(uniqueness._declared))
    monkeypatch.setattr(backfill, "_steps", dict(backfill._steps))
    register(SHARED)


def practitioner(rpps: str, *more, **fields):
    identifiers = [{"system": RPPS, "value": rpps}, *({"system": system, "value": value} for system, value in more)]
    return {"resourceType": "Practitioner", "identifier": identifiers, **fields}


def held() -> int:
    with database.cursor() as cursor:
        return cursor.execute("SELECT count(*) FROM fhir_unique").fetchone()[0]


def refused(answer) -> bool:
    """Whether it is the refusal: 409, the system named and not the value."""
    assert (answer.status, answer.json["issue"][0]["code"]) == (409, "duplicate"), answer.body
    assert RPPS in answer.texts
    assert "8000" not in answer.texts
    return True


def test_a_second_resource_is_refused_until_the_first_lets_go(ask):
    first = ask("POST", "Practitioner", practitioner("80001"))
    assert first.status == 201
    assert refused(ask("POST", "Practitioner", practitioner("80001")))
    assert refused(ask("PUT", "Practitioner/other", practitioner("80001", id="other")))
    assert ask("GET", "Practitioner/other").status == 404
    # Nor does a refusal to create over what is there say that the resource is.
    assert refused(ask("PUT", "Practitioner/other", practitioner("80001", id="other"), if_none_match="*"))
    # Other systems, other types and former identifiers are free.
    free = practitioner("80002", ("urn:other", "80001"))
    free["identifier"].append({"system": RPPS, "value": "80001", "use": "old"})
    assert ask("POST", "Practitioner", free).status == 201
    person = {"resourceType": "Person", "identifier": [{"system": RPPS, "value": "80001"}]}
    assert [ask("POST", "Person", person).status for _ in range(2)] == [201, 201]

    id = first.json["id"]
    change = [{"op": "replace", "path": "/identifier/0/value", "value": "80002"}]
    assert refused(ask("PATCH", f"Practitioner/{id}", change, content_type="application/json-patch+json"))
    assert ask("PUT", f"Practitioner/{id}", practitioner("80001", id=id, active=True)).status == 200
    assert ask("PUT", f"Practitioner/{id}", practitioner("80003", id=id)).status == 200
    assert ask("POST", "Practitioner", practitioner("80001")).status == 201
    assert ask("DELETE", f"Practitioner/{id}").status == 204
    again = ask("POST", "Practitioner", practitioner("80003"))
    assert again.status == 201
    assert refused(ask("PUT", f"Practitioner/{id}", practitioner("80003", id=id)))
    assert held() == 3


def test_a_transaction_may_exchange_identifiers_but_not_share_one(ask):
    ask("PUT", "Practitioner/a", practitioner("80001", id="a"))
    ask("PUT", "Practitioner/b", practitioner("80002", id="b"))
    swap = bundle(
        entry("PUT", "Practitioner/a", practitioner("80002", id="a")),
        entry("PUT", "Practitioner/b", practitioner("80001", id="b")),
    )
    assert statuses(ask("POST", "", swap)) == ["200", "200"]
    shared = bundle(
        entry("POST", "Practitioner", practitioner("80005")), entry("POST", "Practitioner", practitioner("80005"))
    )
    answer = ask("POST", "", shared)
    assert refused(answer)
    assert answer.json["issue"][0]["expression"][0].startswith("Bundle.entry[1]")
    taken = bundle(
        entry("POST", "Practitioner", practitioner("80006")), entry("POST", "Practitioner", practitioner("80001"))
    )
    assert refused(ask("POST", "", taken))
    moved = bundle(entry("DELETE", "Practitioner/a"), entry("POST", "Practitioner", practitioner("80002")))
    assert statuses(ask("POST", "", moved)) == ["204", "201"]
    assert (count(ask, "Practitioner"), held()) == (2, 2)


def test_a_load_is_refused_whole_and_an_import_line_by_line(ask):
    ask("POST", "Practitioner", practitioner("80001"))
    lines = [
        practitioner("80002", id="a"),
        practitioner("80001", (ADELI, "1"), id="b"),
        practitioner("80002", id="c"),
        practitioner("80003", id="d"),
    ]
    with pytest.raises(Duplicate) as told, database.transaction():
        SHARED.store.load(lines, by=SOFTWARE)
    assert told.value.system == RPPS
    assert held() == 1
    manifest = _finish(ask, _order(ask, _lines(lines)))
    assert (manifest["extension"]["written"], manifest["extension"]["rejected"]) == (2, 2)
    assert [each["id"] for each in _rejects(manifest)] == ["input-0-line-2", "input-0-line-3"]
    assert {each["issue"][0]["code"] for each in _rejects(manifest)} == {"duplicate"}
    # What a refused line asked for besides is free again.
    assert ask("POST", "Practitioner", practitioner("80009", (ADELI, "1"))).status == 201
    assert held() == 5


def test_what_was_stored_before_is_taken_in(ask):
    uniqueness._declared.clear()
    for rpps in ("80001", "80001", "80002"):
        assert ask("POST", "Practitioner", practitioner(rpps)).status == 201
    register(SHARED)
    assert held() == 0
    name = next(name for name in backfill.unfinished() if name.startswith("fhir.unique.0.Practitioner"))
    assert backfill.advance(name)
    assert held() == 2
    assert refused(ask("POST", "Practitioner", practitioner("80002")))


def test_of_many_conditional_creates_by_other_criteria_one_makes_a_resource(ask_for_real):
    """Each asks by criteria of its own, so that no lock on the criteria keeps them apart."""
    ask = ask_for_real
    criteria = ["identifier={0}|80001", "identifier=80001", "name=nobody{1}", "active=false&_tag=urn:x|{1}"]

    def create(n: int):
        wanted = criteria[n % 4].format(RPPS, n)
        return lambda: ask("POST", "Practitioner", practitioner("80001"), if_none_exist=wanted).status

    done = Counter(at_once(*[create(n) for n in range(8)]))
    assert done[201] == 1
    assert set(done) <= {200, 201, 409}
    assert (count(ask, "Practitioner"), held()) == (1, 1)
    # Two that cross: each wants what the other has; whatever the order, nobody is shown a deadlock.
    ask("PUT", "Practitioner/a", practitioner("1", id="a"))
    ask("PUT", "Practitioner/b", practitioner("2", id="b"))
    cross = [lambda: ask("PUT", "Practitioner/a", practitioner("2", id="a")).status]
    cross.append(lambda: ask("PUT", "Practitioner/b", practitioner("1", id="b")).status)
    assert set(at_once(*cross)) <= {200, 409}
    assert held() == 3


def test_a_declaration_that_makes_no_sense_stops_the_start(monkeypatch):
    for text in ("Practitioner", "Praticien=urn:x", "=urn:x"):
        monkeypatch.setenv("VIRAGE_FHIR_UNIQUE", text)
        with pytest.raises(settings.SettingError):
            register(SHARED)


def test_types_without_declaration_pay_nothing():
    assert asking() is not None
    assert uniqueness.claims(0, {"resourceType": "Patient", "identifier": [{"system": RPPS, "value": "1"}]}) is None
