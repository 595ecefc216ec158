"""House test 5: marked patient data sent through every route never shows in a log, an address, a header, a figure or an
error meant for someone who may not see it.

Records are read twice: as the journal writes them (`site.logs.Discreet`), and raw, where only Django's own door loggers may
quote an address (the journal replaces their text).
"""

import io
import logging
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout

import pytest
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from tests.house.lived import FAMILY, GIVEN, MARKS, MATRICULE, STREET, TEXT, Answer, House, marked_patient
from tests.services.dmp.world import OID
from virage.core import db, events, fhir
from virage.core.commands import Command
from virage.core.events.delivery import drain
from virage.site import cli
from virage.site import house as declared
from virage.site.logs import Discreet

ADDRESSED = f"urn:oid:{OID}%7C{MATRICULE}"


class Journal(logging.Handler):
    """Everything that is logged, at every level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.setFormatter(Discreet("%(levelname)s %(name)s %(message)s"))
        self.lines: list[str] = []
        self.raw: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))
        if not record.name.startswith(("django.request", "django.server", "django.security")):
            self.raw.append(f"{record.name} {record.getMessage()} {record.args!r}")

    @property
    def text(self) -> str:
        return "\n".join([*self.lines, *self.raw])


def marks_in(text: str) -> list[str]:
    """The marks that a text holds, upper or lower case."""
    lowered = text.lower()
    return [mark for mark in MARKS if mark.lower() in lowered]


@pytest.fixture
def journal() -> Iterator[Journal]:
    """Listens to every logger, wherever it stops handing records up."""
    handler = Journal()
    loggers = [
        logging.getLogger(),
        *(one for one in logging.root.manager.loggerDict.values() if isinstance(one, logging.Logger)),
    ]
    before = [(one, one.level, one.disabled) for one in loggers]
    for one in loggers:
        one.disabled = False
        if one is logging.root or not one.propagate:
            one.addHandler(handler)
        if not one.name.startswith(("faker", "hypothesis", "asyncio")):
            one.setLevel(logging.DEBUG)
    yield handler
    for one, level, disabled in before:
        one.removeHandler(handler)
        one.setLevel(level)
        one.disabled = disabled


@pytest.fixture
def house(own_database, tmp_path, monkeypatch) -> House:
    monkeypatch.setenv("VIRAGE_BLOBS", str(tmp_path / "blobs"))
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)
    return House()


def outside(answer: Answer) -> str:
    """What of an answer passes through other hands: its status and headers, and its body when it is a refusal."""
    refused = answer.body.decode("utf-8", "replace") if answer.status >= 500 else ""
    return f"{answer.status} {answer.headers} {refused}"


def _fhir_requests(base: str) -> Iterator[tuple[str, str, object]]:
    """Good and bad requests to one base, all with marks."""
    for type in ("Patient", "DocumentReference", "Practitioner", "Observation", "Binary", "AuditEvent", "Nonsense"):
        where = f"{base}/{type}"
        good = marked_patient(id="m1")
        yield "POST", where, marked_patient()
        yield "PUT", f"{where}/m1", good
        yield "POST", where, marked_patient(resourceType=type, status=TEXT, code=TEXT, unknown=FAMILY)
        yield "PUT", f"{where}/{MATRICULE}", marked_patient(resourceType=type, id=MATRICULE)
        yield "PATCH", f"{where}/m1", [{"op": "replace", "path": f"/name/0/{FAMILY}", "value": FAMILY}]
        yield "PATCH", f"{where}/m1", [{"op": "test", "path": "/name/0/family", "value": TEXT}]
        yield "GET", f"{where}?identifier={ADDRESSED}&family={FAMILY}&address={STREET.replace(' ', '+')}", None
        yield (
            "GET",
            f"{where}?{FAMILY}={MATRICULE}&birthdate={GIVEN}&_sort={FAMILY}&_count={TEXT}&_include={FAMILY}",
            None,
        )
        yield "POST", f"{where}/_search?family={FAMILY}", None
        yield "GET", f"{where}/{MATRICULE}/_history/{FAMILY}", None
        yield "GET", f"{where}/{FAMILY}%00{MATRICULE}", None
        yield "GET", f"{where}/m1", None
        yield "GET", f"{where}/m1/_history?_since={FAMILY}", None
        yield "DELETE", f"{where}?identifier={ADDRESSED}", None
        yield "DELETE", f"{where}/m1", None
        yield (
            "POST",
            f"{where}/${FAMILY}",
            {"resourceType": "Parameters", "parameter": [{"name": FAMILY, "valueString": TEXT}]},
        )
        yield "POST", where, b'{"resourceType":"Patient","name":[{"family":"' + FAMILY.encode() + b'"'
        yield "POST", where, b"<Patient>" + TEXT.encode()
        yield "POST", where, marked_patient(name=FAMILY, birthDate=TEXT, gender=MATRICULE)
    for kind in ("transaction", "batch"):
        entry = {
            "resource": marked_patient(gender=TEXT),
            "request": {"method": "POST", "url": f"Patient?identifier={ADDRESSED}"},
        }
        conditional = {
            "resource": marked_patient(),
            "request": {"method": "PUT", "url": f"Patient?identifier={ADDRESSED}"},
        }
        for one in (entry, conditional):
            yield "POST", base, {"resourceType": "Bundle", "type": kind, "entry": [one]}
    for operation in ("insi-recherche", "insi-verification", "validate", "match"):
        yield (
            "POST",
            f"{base}/Patient/${operation}",
            {
                "resourceType": "Parameters",
                "parameter": [
                    {"name": "nomNaissance", "valueString": FAMILY},
                    {"name": "prenomNaissance", "valueString": GIVEN},
                    {"name": "sexe", "valueCode": TEXT},
                    {"name": "dateNaissance", "valueString": TEXT},
                    {"name": "matricule", "valueString": MATRICULE},
                    {"name": "resource", "resource": marked_patient(gender=TEXT)},
                ],
            },
        )


@pytest.mark.parametrize("service", declared.fhir_services(), ids=lambda service: service.base)
@pytest.mark.parametrize("who", ["program", "nurse", ""])
def test_fhir_bases_keep_quiet(service, who, house, journal) -> None:
    if service.space == "dmp":
        house.published()
    spoken = io.StringIO()
    seen = set()
    with redirect_stderr(spoken), redirect_stdout(spoken):
        for method, url, body in _fhir_requests(service.base):
            answer = house.fhir(method, url, body, who)
            seen.add(answer.status)
            # An answer's own Location and ETag name an id the client chose; nothing else of it is in a header.
            assert MATRICULE in url or marks_in(outside(answer)) == [], (method, url)
            if answer.status in (401, 403):
                assert [mark for mark in marks_in(answer.body.decode()) if mark.lower() not in url.lower()] == [], url
                assert FAMILY not in answer.body.decode(), (method, url)
    assert len(seen) > 1 or who == ""
    assert marks_in(journal.text) == []
    assert marks_in(spoken.getvalue()) == []


def test_an_accident_says_nothing_of_the_patient(house, journal, monkeypatch) -> None:
    """Whatever breaks inside, with the patient's data in its message: 500, a mark to quote, no more."""

    def broken(*args: object, **more: object) -> None:
        raise ValueError(f"duplicate key ({MATRICULE}) for {GIVEN} {FAMILY}, {STREET}: {TEXT}")

    document = house.published()
    for name in ("create", "update", "delete", "read", "vread", "search", "history"):
        monkeypatch.setattr(fhir.Store, name, broken)
    statuses = []
    for service in declared.fhir_services():
        for method, url, body in _fhir_requests(service.base):
            answer = house.fhir(method, url, body)
            statuses.append(answer.status)
            if answer.status >= 500:
                assert marks_in(answer.body.decode()) == [], (method, url)
    for who, url in (
        ("marquee", reverse("ens:home")),
        ("marquee", reverse("ens:document", args=[document])),
        ("docteur", reverse("bsp:record", args=["pat-1"])),
        ("docteur", reverse("bsp:document", args=["pat-1", document])),
    ):
        answer = house.page(who, "GET", url)
        statuses.append(answer.status)
        if answer.status >= 500:
            # The page's head names the person signed in, to herself alone.
            own = {GIVEN, FAMILY} if who == "marquee" else set()
            assert set(marks_in(answer.body.decode())) <= own, url
    assert statuses.count(500) > 20
    assert marks_in(journal.text) == []


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    for pattern in patterns:
        place = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            yield from _routes(pattern.url_patterns, place)
        else:
            yield place


def _filled(place: str, document: str) -> Iterator[str]:
    """A route with true values, then with marks in the places of its parameters."""
    for patient, ident, text in (("pat-1", document, "psc"), (FAMILY, MATRICULE, FAMILY.lower())):
        url = place
        for name, value in (
            ("<str:patient>", patient),
            ("<str:ident>", ident),
            ("<str:request_id>", text),
            ("<slug:provider>", text),
            ("<slug:name>", text),
            ("<int:notice>", "1"),
        ):
            url = url.replace(name, value)
        if "<" not in url and "(?P" not in url:
            yield url


def _title(answer: Answer) -> str:
    text = answer.body.decode("utf-8", "replace")
    return text.partition("<title>")[2].partition("</title>")[0]


def test_pages_keep_quiet(house, journal, monkeypatch) -> None:
    """Every route, read and posted to, signed in as each and as nobody, with marks in the form and in the address."""
    document = house.published()
    form = {
        "nom": FAMILY,
        "prenom": GIVEN,
        "sexe": "F",
        "jour": "28",
        "mois": "3",
        "annee": "1979",
        "lieu": "51215",
        "ins": MATRICULE,
        "motif": f"{TEXT} {FAMILY} {STREET}",
        "titre": TEXT,
        "username": FAMILY,
        "login": FAMILY,
        "code": MATRICULE,
        "token": FAMILY,
        "client_id": "inconnu",
        "client_secret": TEXT,
        "grant_type": "authorization_code",
        "redirect_uri": "http://client.test/",
        "pin": "0000",
        "suite": FAMILY,
    }
    spoken = io.StringIO()
    asked = 0
    with redirect_stderr(spoken), redirect_stdout(spoken):
        for place in _routes(get_resolver().url_patterns):
            if place.endswith(("fin", "logout", "deconnexion")):
                continue  # they would sign our people out
            for url in _filled(place, document):
                for who in ("marquee", "docteur", "nurse", ""):
                    for method in ("GET", "POST"):
                        answer = house.page(who, method, url, form)
                        asked += 1
                        assert answer.status < 500 or answer.status == 503, (method, url, who)
                        location = answer.headers.get("Location", "")
                        allowed = url if MATRICULE in url or FAMILY.lower() in url.lower() else ""
                        if not allowed and method == "POST":
                            rest = {key: value for key, value in answer.headers.items() if key != "Location"}
                            assert marks_in(str(rest)) == [], (method, url, who)
                            assert marks_in(location) == [], (method, url, who)
                        assert allowed or method == "GET" or marks_in(_title(answer)) == [], (url, who)
                        if who in ("nurse", "") and method == "GET" and not allowed:
                            # Neither may see her: what they are shown holds nothing that they did not send.
                            shown = answer.body.decode("utf-8", "replace")
                            assert STREET not in shown, (url, who)
                            assert who == "nurse" or FAMILY not in shown.replace(url, ""), (url, who)
    assert asked > 200
    assert marks_in(journal.text) == []
    assert marks_in(spoken.getvalue()) == []


def test_figures_keep_quiet(house) -> None:
    """After all that, the measures hold no address and no name."""
    for method, url, body in _fhir_requests("/fhir"):
        house.fhir(method, url, body)
    house.page("docteur", "GET", f"/pro/patients/{FAMILY}/")
    from prometheus_client import generate_latest

    assert marks_in(generate_latest().decode()) == []


def test_an_event_that_fails_keeps_quiet(house, journal) -> None:
    """A handler that breaks with her name in its error: what is kept of it, and told, is the kind of error and its place."""
    heard: list[events.Event] = []

    def broken(event: events.Event) -> None:
        heard.append(event)
        raise ValueError(f"{GIVEN} {FAMILY} {MATRICULE}")

    events.hear("dmp.published", "tests", broken)
    try:
        house.published()
        drain()
    finally:
        events.forget("dmp.published", "tests")
    assert heard
    with db.cursor() as cursor:
        rows = cursor.execute(
            "SELECT d::text FROM events_delivery d UNION ALL SELECT d::text FROM events_dead d"
        ).fetchall()
    assert "ValueError" in str(rows)
    assert marks_in(str(rows)) == []
    assert "ValueError" in journal.text
    assert marks_in(journal.text) == []


def test_a_command_that_breaks_keeps_quiet(journal, monkeypatch, capfd) -> None:
    """An accident in a command, with her data in the library's words: one sentence on stderr, without them."""

    def broken(*args: object, **more: object) -> int:
        raise ValueError(f"{GIVEN} {FAMILY} {MATRICULE} {TEXT}")

    monkeypatch.setattr(declared, "commands", lambda: [Command("casse", "Casse.", broken)])
    assert cli.main(["casse"]) == 1
    told = capfd.readouterr()
    assert "ValueError" in told.err
    assert marks_in(told.err + told.out + journal.text) == []
