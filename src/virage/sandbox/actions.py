"""Populating the sandbox: people, directory, demonstration accounts, records. Run again, it adds what is missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from virage.core import audit, db, settings
from virage.core.accounts.actions import ensure_account, ensure_sandbox_client
from virage.core.callers import Caller
from virage.core.errors import Forbidden
from virage.core.loading import Report
from virage.sandbox import country, demo, people, population, records, workers
from virage.trust import annuaire, ins

_CHUNK = 4000
_AREAS_AT_ONCE = 100


@dataclass
class Populated:
    """What a run added."""

    citizens: int = 0
    professionals: int = 0
    records: int = 0


def populate(*, by: Caller, citizens: int, seed: int, tell: Callable[[str, int, int], None]) -> Populated:
    """The first `citizens` people that `seed` draws, their professionals, the demonstration accounts, their records.

    One process at a time: a second one finds it done. `tell(step, done, total)` shows progress. What is there already is left as it is. Raises `Forbidden` (SANDBOX.CLOSED)
    outside the sandbox.
    """
    if not settings.sandbox():
        raise Forbidden(
            "Ces personnes inventées n'existent que dans le bac à sable : démarrer avec VIRAGE_SANDBOX=1.",
            code="SANDBOX.CLOSED",
        )
    with db.alone("sandbox.populate"):
        return _populate(by, citizens, seed, tell)


def _populate(by: Caller, citizens: int, seed: int, tell: Callable[[str, int, int], None]) -> Populated:
    done = Populated()
    open_demo(by=by)
    tell("comptes de démonstration", 1, 1)
    areas = (citizens + people.AREA - 1) // people.AREA
    report = Report()
    for start in range(0, areas, _AREAS_AT_ONCE):
        numbers = range(start, min(areas, start + _AREAS_AT_ONCE))
        entries = [entry for number in numbers for entry in _area_entries(country.area(seed, number))]
        annuaire.put(by=by, entries=entries, report=report)
        tell("aires de soins", numbers.stop, areas)
    done.professionals = report.created
    reserved = [demo.patiente().matricule.number, *(person.matricule.number for person in demo.published())]
    drawn = people.citizens(seed, citizens, reserved)
    chunks = population.household_chunks(drawn, _CHUNK)
    # A second process costs two seconds to start: worth it only for many.
    written = (
        workers.spread(by, chunks, seed) if citizens > 2 * _CHUNK else (workers.enter(by, c, seed) for c in chunks)
    )
    passed = 0
    tell("citoyens", 0, citizens)
    for size, new, opened in written:
        passed += size
        done.citizens += new
        done.records += opened
        tell("citoyens", passed, citizens)
    audit.trace(by=by, action="sandbox.populate", title="Bac à sable peuplé", detail={"citoyens": str(done.citizens)})
    return done


def enter(*, by: Caller, chunk: Sequence[people.Citizen], seed: int) -> tuple[int, int, int]:
    """One chunk of citizens: identities, then records. Gives its size, how many people and how many records were new."""
    folk, related = population.families(chunk, seed)
    new = ins.populate(by=by, people=folk, related=related)
    records_new = records.seed_citizens(by=by, chunk=chunk, seed=seed)
    if new:
        audit.trace(by=by, action="sandbox.enter", title=f"{new} citoyens")
    return len(chunk), new, records_new


def open_demo(*, by: Caller) -> None:
    """The people, structures, accounts and record that the demonstration and the journey name."""
    patiente = demo.patiente()
    ins.populate(by=by, people=[patiente, *demo.published()])
    staff = demo.professionals()
    entries = [structure.resource() for structure in demo.structures().values()]
    annuaire.put(by=by, entries=[*entries, *(one for pro in staff for one in pro.entry.resources())], report=Report())
    with db.transaction():
        traits = patiente.traits
        ensure_account(
            by=by,
            login="patiente",
            kind="citizen",
            name=f"{traits.given} {traits.family}",
            role="usagère",
            family_name=traits.family,
            given_names=traits.given_list,
            gender="female",
            birth_date=traits.birth_date.isoformat() if traits.birth_date else "",
            birth_place=traits.birth_place,
            birth_country="99100",
            ins=patiente.matricule.value,
            ins_oid=patiente.matricule.oid,
            patient=patiente.patient,
            demo=True,
        )
        for pro in staff:
            known = annuaire.professional(pro.entry.rpps)
            ensure_account(
                by=by,
                login=pro.login,
                kind="professional",
                name=pro.name,
                role=pro.role,
                family_name=pro.entry.family,
                given_names=pro.entry.given,
                profession=pro.entry.profession,
                specialty=pro.entry.specialty,
                rpps=pro.entry.rpps,
                finess=pro.entry.structure.finess,
                structure=pro.entry.structure.name,
                situation={"codeCivilite": known["civilite"], "exercices": known["exercices"]} if known else {},
                pin=settings.get("VIRAGE_ECPS_PIN"),
                demo=True,
            )
        for login, name, role in demo.AGENTS:
            ensure_account(by=by, login=login, kind="agent", name=name, role=role, demo=True)
        ensure_sandbox_client(by=by, login=demo.SOFTWARE, name="Logiciel de démonstration", scopes=demo.SCOPES)
    records.seed_demo(by=by)


def _area_entries(area: country.Area) -> list[dict[str, object]]:
    entries = [structure.resource() for structure in area.structures]
    return [*entries, *(one for professional in area.professionals for one in professional.resources())]
