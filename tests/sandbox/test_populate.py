"""Populating for real: directory, identities, records, accounts; again adds only what is missing."""

import pytest

from virage.core import audit, db, fhir
from virage.core.accounts import queries as accounts
from virage.core.callers import Caller, system
from virage.core.errors import Forbidden
from virage.core.fhir import validation
from virage.sandbox import actions, country, demo, people
from virage.services import dmp
from virage.trust import annuaire, ins

BY = system("test")
N = 48


def populate(citizens: int = N) -> actions.Populated:
    return actions.populate(by=BY, citizens=citizens, seed=11, tell=lambda step, done, total: None)


@pytest.mark.usefixtures("db")
def test_a_country_is_made_and_made_again_only_grows() -> None:
    first = populate(32)
    assert first.citizens == 32
    assert first.professionals > 20
    again = populate(32)
    assert (again.citizens, again.professionals, again.records) == (0, 0, 0)
    more = populate(N)
    assert more.citizens == N - 32
    drawn = list(people.citizens(11, N))
    store = fhir.Store(fhir.space("ins"))
    for citizen in drawn:
        identity = ins.of_patient(citizen.patient)
        assert identity is not None
        assert identity.status == citizen.status
        body = store.read("Patient", citizen.patient).resource
        assert [i.text for i in validation.check(body) if i.severity == "error"] == []
    child = next(c for c in drawn if c.parents)
    related = store.search("RelatedPerson", [("patient", f"Patient/{child.patient}")])
    assert len(related.entries) == len(child.parents)
    qualified = next(c for c in drawn if c.status == "QUAL")
    doctor = annuaire.professional(country.generalist_of(11, qualified))
    assert doctor is not None
    assert doctor["exercices"][0]["codeProfession"] == "10"
    found = ins.find(qualified.number + qualified.key, ins.rules.OID_NIR_TEST)
    assert found is not None
    assert found.patient == qualified.patient
    assert audit.verify().broken is None


@pytest.mark.usefixtures("db")
def test_the_demonstration_accounts_are_those_promised() -> None:
    populate(0)
    cards = {card["login"]: card for card in accounts.listed()}
    promised = {
        "patiente",
        "generaliste",
        "infirmiere",
        "pharmacien",
        "biologiste",
        "regulateur15",
        "pilote",
        "moderateur",
        "cert",
        "cesrees",
        "sandbox-lps",
    }
    assert promised <= set(cards)
    patiente = cards["patiente"]
    assert ins.require_qualified(patiente["ins"], ins.rules.OID_NIR_TEST).patient == demo.patiente().patient
    for login in ("generaliste", "infirmiere", "generaliste2"):
        assert annuaire.professional(cards[login]["rpps"]) is not None
    assert cards["sandbox-lps"]["client_secret"]
    caller = accounts.caller_of(accounts.find("generaliste"))
    assert caller.subject == "8" + cards["generaliste"]["rpps"]
    seen, _, _ = dmp.documents_for(by=caller, patient=demo.patiente().patient)
    assert len(seen) == 3
    with pytest.raises(Forbidden):
        dmp.documents_for(by=accounts.caller_of(accounts.find("infirmiere")), patient=demo.patiente().patient)


@pytest.mark.usefixtures("db")
def test_outside_the_sandbox_nobody_is_invented(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    with pytest.raises(Forbidden) as refused:
        populate()
    assert refused.value.code == "SANDBOX.CLOSED"
    with pytest.raises(Forbidden):
        ins.populate(by=Caller(kind="software", subject="x"), people=[demo.patiente()])


@pytest.mark.usefixtures("db")
def test_one_process_populates_at_a_time() -> None:
    """Two starts at once on one house drew the same people twice: the second failed on a key that was there."""
    held = []

    def tell(step: str, done: int, total: int) -> None:
        with db.cursor() as cursor:
            row = cursor.execute(
                "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid()"
            ).fetchone()
        held.append(row)

    actions.populate(by=BY, citizens=0, seed=11, tell=tell)
    before = held[0]
    tell("after", 0, 0)
    assert before is not None
    assert held[-1] == (before[0] - 1,)
