"""People of the reference base that the published INSi examples name, and callers."""

from dataclasses import replace
from datetime import date

import pytest

from virage.core.callers import Caller, system
from virage.core.fhir import FhirRequest, json, router
from virage.trust import ins
from virage.trust.ins.api import SERVICE

DOCTOR = Caller(
    kind="professional",
    subject="899700366240",
    name="Dr Test",
    rpps="99700366240",
    profession="10",
    scopes=frozenset({"user/*.cruds"}),
)
SOFTWARE = Caller(kind="software", subject="lps", client_id="lps", scopes=frozenset({"system/*.rs"}))


def person(
    patient: str, family: str, names: str, sex: str, born: str, place: str, value: str, status: str = "QUAL"
) -> ins.Person:
    return ins.Person(
        patient=patient,
        matricule=ins.rules.parse_matricule(value, ins.rules.OID_NIR_TEST, sandbox=True),
        traits=ins.Traits(family, names.split()[0], sex, date.fromisoformat(born), place, names),
        status=ins.rules.Status(status),
        checked_on=date(2026, 1, 1),
    )


PEOPLE = [
    person("catarina", "TCHITCHI", "CATARINA BELLA", "F", "1936-06-21", "63220", "236066322083656"),
    person("dominique", "ADRTROIS", "DOMINIQUE", "F", "1997-02-26", "2A020", "297022A02077878", "RECUP"),
    person("anthony", "CORSE", "ANTHONY", "M", "1980-03-02", "2B020", "180032B02040123", "VALI"),
    # Known to the register, never seen here.
    replace(person("zoe", "ADRUN", "ZOE", "F", "1975-12-31", "63220", "275126322000146"), here=False),
    person("jumeau1", "De la Tour", "Jean-Luc", "M", "1981-01-05", "63220", "181016322075140"),
    person("jumeau2", "de la tour", "Jean Luc Marie", "M", "1981-01-05", "51210", "181015121000156", "PROV"),
]


@pytest.fixture
def people(db: None) -> list[ins.Person]:
    """The people above, in the reference base and in `/ins/fhir`."""
    ins.populate(by=system("test"), people=PEOPLE)
    return PEOPLE


def ask(method: str, path: str, caller: Caller = DOCTOR, body: dict | None = None, query: str = "") -> tuple[int, dict]:
    """One exchange with `/ins/fhir`: status and resource."""
    request = FhirRequest(
        method=method,
        path=path,
        query=query,
        headers={"content-type": "application/fhir+json"},
        body=json.dumps(body) if body is not None else b"",
        caller=caller,
        base="http://test/ins/fhir",
    )
    response = router.handle(SERVICE, request)
    return response.status, json.loads(response.body) if response.body else {}


def parameters(**values: str | list[str]) -> dict:
    """A Parameters resource of strings."""
    listed = [(name, one) for name, value in values.items() for one in (value if isinstance(value, list) else [value])]
    return {"resourceType": "Parameters", "parameter": [{"name": n, "valueString": v} for n, v in listed]}
