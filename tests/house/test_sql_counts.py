"""House test 4: how many SQL statements each FHIR interaction and each page costs, written down and compared.

Counted where they leave, by the trace of libpq, so that no way to the database escapes: BEGIN and COMMIT count, what other
threads do (traces in bulk, the worker) does not. Each thing is asked once to warm up, then counted.
A count that changed is to be understood first; then `VIRAGE_COUNTS=write pytest tests/house/test_sql_counts.py` writes it.
"""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from django.db import connections

from tests.house.lived import MATRICULE, House, marked_patient
from tests.services.dmp.world import OID
from virage.core import db

WRITTEN = Path(__file__).with_name("sql_counts.json")
_SENT = re.compile(rb"^(?:\S+ \S+\t)?F\t\d+\t(?:Query|Execute)\b", re.MULTILINE)
Counts = dict[str, int]


class Counter:
    """Counts what this thread sends to PostgreSQL while `call` runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __call__(self, call: Callable[[], object]) -> int:
        db.connection()
        link = connections["default"].connection.pgconn
        with self.path.open("wb") as file:
            link.trace(file.fileno())
            try:
                call()
            finally:
                link.untrace()
        assert connections["default"].connection.pgconn is link, "the connection was changed under way"
        return len(_SENT.findall(self.path.read_bytes()))


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """What depends on the time that has passed is left out: the worker is woken each time, revocations are read once."""
    monkeypatch.setattr("virage.core.events.outbox._LEAST_PAUSE", -1.0)
    monkeypatch.setattr("virage.core.accounts.tokens.ELSEWHERE", 1e9)


@pytest.fixture
def house(own_database, tmp_path, monkeypatch) -> House:
    monkeypatch.setenv("VIRAGE_BLOBS", str(tmp_path / "blobs"))
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)
    return House()


@pytest.fixture
def count(tmp_path) -> Counter:
    return Counter(tmp_path / "trace")


def _fhir(house: House, count: Counter) -> Counts:
    """Every interaction of the shared store, and the verbs of the rooms."""
    serial = iter(range(10_000))

    def status(expected: int, method: str, url: str, body: object = None, **more: object) -> None:
        answer = house.fhir(method, url, body, **more)
        assert answer.status == expected, (method, url, answer.body[:500])

    def fresh() -> str:
        ident = f"p{next(serial)}"
        status(201, "PUT", f"/fhir/Patient/{ident}", marked_patient(id=ident))
        return ident

    def entries(kind: str) -> dict:
        bodies = [marked_patient() for _ in range(5)]
        return {
            "resourceType": "Bundle",
            "type": kind,
            "entry": [{"resource": body, "request": {"method": "POST", "url": "Patient"}} for body in bodies],
        }

    found: Counts = {}

    def note(name: str, call: Callable[[str], None], ready: Callable[[], str] = lambda: "") -> None:
        call(ready())
        given = ready()
        found[name] = count(lambda: call(given))

    change = [{"op": "replace", "path": "/gender", "value": "other"}]
    there = fresh()
    note("fhir read", lambda _: status(200, "GET", f"/fhir/Patient/{there}"))
    note("fhir vread", lambda _: status(200, "GET", f"/fhir/Patient/{there}/_history/1"))
    note("fhir read, unknown", lambda _: status(404, "GET", "/fhir/Patient/nobody"))
    note("fhir create", lambda _: status(201, "POST", "/fhir/Patient", marked_patient()))
    note("fhir create, refused", lambda _: status(422, "POST", "/fhir/Patient", marked_patient(gender="none")))
    note("fhir update", lambda i: status(200, "PUT", f"/fhir/Patient/{i}", marked_patient(id=i, active=True)), fresh)
    note("fhir patch", lambda i: status(200, "PATCH", f"/fhir/Patient/{i}", change), fresh)
    note("fhir delete", lambda i: status(204, "DELETE", f"/fhir/Patient/{i}"), fresh)
    note("fhir history-instance", lambda _: status(200, "GET", f"/fhir/Patient/{there}/_history"))
    note("fhir history-type", lambda _: status(200, "GET", "/fhir/Patient/_history"))
    note("fhir history-system", lambda _: status(200, "GET", "/fhir/_history"))
    note("fhir search-type", lambda _: status(200, "GET", "/fhir/Patient?gender=female&_count=10"))
    note("fhir search-type, total", lambda _: status(200, "GET", "/fhir/Patient?gender=female&_total=accurate"))
    note("fhir conditional create, present", lambda _: status(
        200, "POST", "/fhir/Patient", marked_patient(), headers={"If-None-Exist": f"_id={there}"}
    ))  # fmt: skip
    note("fhir transaction of 5", lambda _: status(200, "POST", "/fhir", entries("transaction")))
    note("fhir batch of 5", lambda _: status(200, "POST", "/fhir", entries("batch")))
    note("fhir capabilities", lambda _: status(200, "GET", "/fhir/metadata", who=""))
    matricule = f"urn:oid:{OID}%7C{MATRICULE}"
    note("ins search-type", lambda _: status(200, "GET", f"/ins/fhir/Patient?identifier={matricule}"))
    note("annuaire search-type", lambda _: status(200, "GET", "/annuaire/fhir/Practitioner?name=essai"))
    published = house.published()
    base = "/dmp/fhir/DocumentReference"
    note("dmp publish", lambda _: status(201, "POST", base, house.submission(), who="docteur"))
    note("dmp search-type", lambda _: status(200, "GET", f"{base}?patient.identifier={matricule}", who="docteur"))
    note("dmp read", lambda _: status(200, "GET", f"{base}/{published}", who="docteur"))
    note("dmp read, refused", lambda _: status(403, "GET", f"{base}/{published}", who="nurse"))
    return found


def _pages(house: House, document: str) -> dict[str, Callable[[], object]]:
    """Each page that is read, by name."""

    def look(who: str, url: str) -> Callable[[], object]:
        def call() -> object:
            answer = house.page(who, "GET", url)
            assert answer.status == 200, (url, answer.status)
            return answer

        return call

    return {
        f"page {shown}": look(who, url)
        for who, url, shown in (
            ("marquee", "/mon-espace-sante/", "/mon-espace-sante/"),
            ("marquee", "/mon-espace-sante/documents/", "/mon-espace-sante/documents/"),
            ("marquee", f"/mon-espace-sante/documents/{document}/", "/mon-espace-sante/documents/<document>/"),
            (
                "marquee",
                f"/mon-espace-sante/documents/{document}/fichier",
                "/mon-espace-sante/documents/<document>/fichier",
            ),
            ("marquee", "/mon-espace-sante/acces/", "/mon-espace-sante/acces/"),
            ("marquee", "/mon-espace-sante/acces.csv", "/mon-espace-sante/acces.csv"),
            ("marquee", "/mon-espace-sante/professionnels/", "/mon-espace-sante/professionnels/"),
            ("marquee", "/mon-espace-sante/dossier/", "/mon-espace-sante/dossier/"),
            ("docteur", "/pro/", "/pro/"),
            ("docteur", "/pro/identites/", "/pro/identites/"),
            ("docteur", "/pro/patients/pat-1/", "/pro/patients/<patient>/"),
            ("docteur", "/pro/patients/pat-1/publier", "/pro/patients/<patient>/publier"),
            ("docteur", f"/pro/patients/pat-1/documents/{document}/", "/pro/patients/<patient>/documents/<document>/"),
            ("", "/connexion/", "/connexion/"),
        )
    }


def _count_pages(house: House, count: Counter, document: str) -> Counts:
    found: Counts = {}
    for name, call in _pages(house, document).items():
        call()
        found[name] = count(call)
    return found


def test_statements_are_those_written_down(house, count) -> None:
    document = house.published()
    found = _fhir(house, count) | _count_pages(house, count, document)
    if os.environ.get("VIRAGE_COUNTS") == "write":
        WRITTEN.write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    assert found == json.loads(WRITTEN.read_text())


def test_a_page_costs_the_same_however_much_it_shows(house, count) -> None:
    document = house.published()
    house.published()
    few = _count_pages(house, count, document)
    for _ in range(6):
        house.published()
    house.more_patients(6)
    assert _count_pages(house, count, document) == few


def test_the_counter_counts(house, count) -> None:
    def two() -> None:
        with db.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.execute("SELECT %s", [2])

    assert count(two) == 2
    assert count(lambda: None) == 0
