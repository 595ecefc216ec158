"""A house with a marked patient in it: what the tests of SQL counts and of privacy send requests through.

Everything about the patient that could give her away is one of `MARKS`, words that nothing else in the house contains.
"""

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

import orjson
from django.test import Client

from tests.services.dmp.world import COLLEAGUE, DOCTOR, NURSE, OID, SYSTEM, World
from tests.trust.interop.samples import facts
from virage.core import accounts
from virage.core.accounts.doors import SESSION_KEY
from virage.core.callers import Caller
from virage.services.dmp import seeding
from virage.site.wsgi import application
from virage.trust import ins, interop
from virage.trust.ins.identity import Identity
from virage.trust.ins.rules import IdentityState, Matricule, Status, compose_number, compute_key

FAMILY, GIVEN, STREET, TEXT = "ZORGLUBINE", "QUETZALINE", "IMPASSE DU MARQUOIR", "texte-marque-zqx"
NUMBER = compose_number(sex="F", year=1979, month=3, place="51215", order=777)
MATRICULE = NUMBER + compute_key(NUMBER)
MARKS = (FAMILY, GIVEN, STREET, TEXT, MATRICULE, NUMBER)


@dataclass
class Answer:
    """One HTTP answer, whichever way it came."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


class House:
    """The whole application in this process, with its people: `fhir` asks by token, `page` by a portal's session."""

    def __init__(self) -> None:
        traits = ins.Traits(FAMILY, GIVEN, "F", date(1979, 3, 28), "51215", GIVEN)
        state = IdentityState(Status.QUAL, frozenset(), True)
        marked = Identity("pat-1", state, traits, Matricule(NUMBER, compute_key(NUMBER), OID))
        number = compose_number(sex="M", year=1981, month=4, place="51215", order=35)
        other = Identity(
            "pat-2",
            state,
            ins.Traits("AUTRE", "PAUL", "M", date(1981, 4, 2), "51215", "PAUL"),
            Matricule(number, compute_key(number), OID),
        )
        self.world = World(marked, other)
        self.world.register(marked)
        self.world.register(other)
        team = [(DOCTOR.subject, DOCTOR.name), (COLLEAGUE.subject, COLLEAGUE.name)]
        seeding.bulk_seed(
            by=SYSTEM,
            seeds=[
                seeding.Seed("pat-1", care_team=team, treating_doctor=DOCTOR.subject),
                seeding.Seed("pat-2", care_team=team),
            ],
        )
        for login, who in (("docteur", DOCTOR), ("nurse", NURSE)):
            accounts.ensure_account(
                by=SYSTEM,
                login=login,
                kind="professional",
                name=who.name,
                rpps=who.rpps,
                profession=who.profession,
                pin="1234",
            )
        accounts.ensure_account(
            by=SYSTEM,
            login="marquee",
            kind="citizen",
            name=f"{GIVEN} {FAMILY}",
            patient="pat-1",
            ins=MATRICULE,
            ins_oid=OID,
            family_name=FAMILY,
            given_names=GIVEN,
        )
        accounts.ensure_account(
            by=SYSTEM,
            login="logiciel",
            kind="software",
            name="Logiciel d'essai",
            client_secret="s" * 64,
            scopes=["system/*.cruds"],
        )
        program = Caller("software", "logiciel", client_id="logiciel", scopes=frozenset({"system/*.cruds"}))
        self.tokens = {"program": token(program), "docteur": token(DOCTOR), "nurse": token(NURSE)}
        self.clients: dict[str, Client] = {}

    def fhir(
        self, method: str, url: str, body: Any = None, who: str = "program", headers: Mapping[str, str] | None = None
    ) -> Answer:
        """One exchange with a FHIR base: `url` begins with it; `who` is a key of `tokens`, empty for nobody."""
        path, _, query = url.partition("?")
        data = body if isinstance(body, bytes) else orjson.dumps(body) if body is not None else b""
        kind = "application/json-patch+json" if isinstance(body, list) else "application/fhir+json"
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "SERVER_NAME": "localhost",
            "SERVER_PORT": "80",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(data),
            "CONTENT_LENGTH": str(len(data)),
            "CONTENT_TYPE": kind if data else "",
        }
        if who:
            environ["HTTP_AUTHORIZATION"] = f"Bearer {self.tokens[who]}"
        environ |= {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (headers or {}).items()}
        told: list[Any] = []
        content = b"".join(application(environ, lambda status, given, _=None: told.extend((status, given))))
        return Answer(int(told[0].split()[0]), dict(told[1]), content)

    def page(self, who: str, method: str, url: str, data: Any = None, **headers: str) -> Answer:
        """One exchange with a page, signed in as `who` (a login, empty for a visitor)."""
        client = self.clients.get(who)
        if client is None:
            client = self.clients[who] = Client(raise_request_exception=False)
            if who:
                session = client.session
                session[SESSION_KEY] = who
                session.save()
        answer = client.generic(method, url, headers=headers) if method not in ("GET", "POST") else None
        if answer is None:
            answer = (client.get if method == "GET" else client.post)(url, data or {}, headers=headers)
        return Answer(answer.status_code, dict(answer.headers), answer.getvalue())

    def more_patients(self, number: int) -> None:
        """Others who opened their record to the doctor."""
        for order in range(number):
            digits = compose_number(sex="M", year=1950, month=1, place="51215", order=100 + order)
            traits = ins.Traits("AUTRE", "JEAN", "M", date(1950, 1, 2), "51215", "JEAN")
            matricule = Matricule(digits, compute_key(digits), OID)
            patient = f"pat-{100 + order}"
            self.world.register(Identity(patient, self.world.other.state, traits, matricule))
            team = [(DOCTOR.subject, DOCTOR.name)]
            seeding.bulk_seed(by=SYSTEM, seeds=[seeding.Seed(patient, care_team=team)])

    def cda(self) -> bytes:
        """A sound document about the patient, with a marked text."""
        section = interop.Section(interop.Code("11450-4", "2.16.840.1.113883.6.1"), "Problèmes", [TEXT])
        return interop.compose(facts(traits=self.world.traits()), sections=[section])

    def submission(self) -> dict[str, Any]:
        """The document as care software publishes it by ITI-105."""
        return self.world.reference(self.cda())

    def published(self) -> str:
        """The id of a document just published by the doctor."""
        answer = self.fhir("POST", "/dmp/fhir/DocumentReference", self.submission(), "docteur")
        assert answer.status == 201, answer.body
        return str(answer.json["id"])


def token(caller: Caller) -> str:
    from virage.core.accounts.tokens import API

    return accounts.tokens.issue(caller, audience=API, lifetime=3600)


def marked_patient(**more: Any) -> dict[str, Any]:
    """A Patient who carries every mark."""
    return {
        "resourceType": "Patient",
        "name": [{"family": FAMILY, "given": [GIVEN]}],
        "gender": "female",
        "birthDate": "1979-03-28",
        "address": [{"line": [f"3 {STREET}"], "city": TEXT}],
        "identifier": [{"system": f"urn:oid:{OID}", "value": MATRICULE}],
        **more,
    }


def encoded(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
