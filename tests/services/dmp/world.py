"""A small invented country for the tests of the shared record, and a short way to ask its base."""

import base64
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import orjson

from tests.trust.interop.samples import facts
from virage.core import callers
from virage.core.callers import Caller
from virage.core.fhir import FhirRequest, Store, router
from virage.core.fhir.service import register
from virage.services.dmp import actions, seeding
from virage.services.dmp.api import SERVICE
from virage.trust import ins, interop
from virage.trust.ins.api import SERVICE as INS
from virage.trust.ins.identity import Identity, patient_of
from virage.trust.ins.rules import IdentityState, Matricule, Status, compose_number, compute_key

register(INS)
register(SERVICE)
BASE = "http://test.local/dmp/fhir"
OID = "1.2.250.1.213.1.4.10"
SYSTEM = callers.system("tests")
USER = frozenset({"user/*.cruds"})
MASKED = {"system": "urn:oid:1.2.250.1.213.1.1.4.13", "code": "MASQUE_PS"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def codes(self) -> list[str]:
        """Codes of our own in an outcome."""
        return [c["code"] for i in self.json["issue"] for c in i.get("details", {}).get("coding", [])]

    @property
    def ids(self) -> list[str]:
        return [e["resource"]["id"] for e in self.json.get("entry", []) if e["search"]["mode"] == "match"]


def professional(rpps: str, name: str, profession: str = "10", **more: Any) -> Caller:
    more.setdefault("scopes", USER)
    return Caller("professional", f"8{rpps}", name=name, rpps=rpps, profession=profession, **more)


DOCTOR = professional("10001234567", "Dr Anne ESSAI")
COLLEAGUE = professional("10007654321", "Dr Paul ESSAI")
NURSE = professional("10001111111", "Inès ESSAI", "60")
DENTIST = professional("10002222222", "Dr Dent ESSAI", "40")
SOFTWARE = Caller("software", "lps-test", name="LPS", client_id="lps-test", scopes=frozenset({"system/*.cruds"}))


def identity_for(patient: str, order: int = 1, family: str = "D'ESSAI") -> Identity:
    number = compose_number(sex="F", year=1979, month=3, place="51215", order=order)
    traits = ins.Traits(family, "ÉLODIE", "F", date(1979, 3, 28), "51215", "ÉLODIE MARIE")
    return Identity(
        patient, IdentityState(Status.QUAL, frozenset(), True), traits, Matricule(number, compute_key(number), OID)
    )


@dataclass
class World:
    identity: Identity
    other: Identity

    @classmethod
    def built(cls) -> "World":
        world = cls(identity_for("pat-1", 35), identity_for("pat-2", 36, "AUTRE"))
        for identity in (world.identity, world.other):
            world.register(identity)
        team = [(DOCTOR.subject, DOCTOR.name), (COLLEAGUE.subject, COLLEAGUE.name), (DENTIST.subject, DENTIST.name)]
        seeds = [seeding.Seed("pat-1", care_team=team, treating_doctor=DOCTOR.subject), seeding.Seed("pat-2")]
        assert seeding.bulk_seed(by=SYSTEM, seeds=seeds) == 2
        return world

    @staticmethod
    def register(identity: Identity) -> None:
        from virage.trust.ins import queries

        queries.store().create(patient_of(identity), by=SYSTEM, id=identity.patient)

    @property
    def patient(self) -> Caller:
        return Caller("citizen", "pat-1", name="Élodie D'ESSAI", patient="pat-1", scopes=frozenset({"patient/*.cruds"}))

    @property
    def ins(self) -> str:
        return f"urn:oid:{OID}|{self.identity.matricule.value}"

    def traits(self, identity: Identity | None = None) -> interop.Traits:
        from virage.services.dmp.identities import header_traits

        return header_traits(identity or self.identity)

    def cda(self, **changes: Any) -> bytes:
        """A sound document about the patient."""
        changes.setdefault("traits", self.traits())
        section = interop.Section(interop.Code("11450-4", "2.16.840.1.113883.6.1"), "Problèmes", ["Asthme"])
        return interop.compose(facts(**changes), sections=[section])

    def reference(
        self, content: bytes, *, by: Caller = DOCTOR, mime: str = "text/xml", url: str = "", **more: Any
    ) -> dict[str, Any]:
        """A DocumentReference as a care software sends it."""
        return {
            "resourceType": "DocumentReference",
            "status": "current",
            "contained": [practitioner(by)],
            "subject": {"reference": f"Patient?identifier={self.ins}"},
            "author": [{"reference": "#auteur"}],
            "content": [
                {
                    "attachment": {
                        "contentType": mime,
                        "size": len(content),
                        "hash": interop.hash_of(content),
                        "title": "Compte rendu",
                        **({"url": url} if url else {"data": base64.b64encode(content).decode()}),
                    }
                }
            ],
            **more,
        }

    def lot(self, content: bytes, *, by: Caller = DOCTOR, mime: str = "text/xml", **more: Any) -> dict[str, Any]:
        """An ITI-65 bundle of one document."""
        document, file = (
            "urn:uuid:11111111-1111-4111-8111-111111111111",
            "urn:uuid:22222222-2222-4222-8222-222222222222",
        )
        return {
            "resourceType": "Bundle",
            "type": "transaction",
            "entry": [
                {
                    "fullUrl": "urn:uuid:33333333-3333-4333-8333-333333333333",
                    "resource": {
                        "resourceType": "List",
                        "contained": [practitioner(by)],
                        "status": "current",
                        "mode": "working",
                        "code": {
                            "coding": [
                                {
                                    "system": "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes",
                                    "code": "submissionset",
                                }
                            ]
                        },
                        "subject": {"reference": f"Patient?identifier={self.ins}"},
                        "source": {"reference": "#auteur"},
                        "entry": [{"item": {"reference": document}}],
                    },
                    "request": {"method": "POST", "url": "List"},
                },
                {
                    "fullUrl": document,
                    "resource": self.reference(content, by=by, mime=mime, url=file, **more),
                    "request": {"method": "POST", "url": "DocumentReference"},
                },
                {
                    "fullUrl": file,
                    "resource": {
                        "resourceType": "Binary",
                        "contentType": mime,
                        "data": base64.b64encode(content).decode(),
                    },
                    "request": {"method": "POST", "url": "Binary"},
                },
            ],
        }

    def ask(self, by: Caller, method: str, url: str, body: Any = None, **headers: str) -> Answer:
        """One exchange with the router of `/dmp/fhir`."""
        path, _, query = url.removeprefix(BASE).lstrip("/").partition("?")
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            given.setdefault(
                "content-type", "application/json-patch+json" if isinstance(body, list) else "application/fhir+json"
            )
            body = orjson.dumps(body)
        response = router.handle(SERVICE, FhirRequest(method, path, query, given, body or b"", by, BASE))
        return Answer(response.status, response.headers, response.body)

    def published(self, content: bytes = b"", *, by: Caller = DOCTOR, **more: Any) -> str:
        """The id of a document just published by ITI-105."""
        answer = self.ask(by, "POST", "DocumentReference", self.reference(content or self.cda(), by=by, **more))
        assert answer.status == 201, answer.body
        return str(answer.json["id"])

    def patch(self, by: Caller, document: str, *operations: Mapping[str, Any]) -> Answer:
        return self.ask(by, "PATCH", f"DocumentReference/{document}", list(operations))

    def mask(self, by: Caller, document: str) -> Answer:
        return self.patch(by, document, {"op": "add", "path": "/securityLabel/-", "value": {"coding": [MASKED]}})

    def found(self, by: Caller, more: str = "") -> Answer:
        return self.ask(by, "GET", f"DocumentReference?patient.identifier={self.ins}{more}")


def practitioner(by: Caller) -> dict[str, Any]:
    return {
        "resourceType": "Practitioner",
        "id": "auteur",
        "identifier": [{"system": "urn:oid:1.2.250.1.71.4.2.1", "value": by.subject}],
    }


def breaking(by: Caller, reason: str = "Patiente inconsciente") -> Caller:
    return replace(by, purpose="bris_de_glace", reason=reason)


__all__ = [
    "BASE",
    "COLLEAGUE",
    "DENTIST",
    "DOCTOR",
    "NURSE",
    "SOFTWARE",
    "SYSTEM",
    "Store",
    "World",
    "actions",
    "breaking",
]
