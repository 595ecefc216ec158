"""Shared records of the synthetic country: everybody who is qualified has one; a few hold documents."""

from collections.abc import Iterator, Sequence

from virage.core.callers import Caller
from virage.sandbox import country, demo, documents, population
from virage.sandbox.people import Citizen
from virage.services import dmp
from virage.trust import annuaire, ins

WITH_DOCUMENTS = 40
"""How many of the first citizens have documents: enough to look around, without filling the disk."""
_KINDS: tuple[documents.Kind, ...] = ("synthese", "biologie", "ordonnance", "lettre")


def seed_citizens(*, by: Caller, chunk: Sequence[Citizen], seed: int) -> int:
    """Records of the citizens whose identity is qualified; gives how many were new."""
    new: int = dmp.bulk_seed(by=by, seeds=_seeds(chunk, seed))
    return new


def _seeds(chunk: Sequence[Citizen], seed: int) -> Iterator["dmp.Seed"]:
    areas: dict[int, country.Area] = {}
    for citizen in chunk:
        if citizen.status != "QUAL":
            continue
        area = areas.get(citizen.area) or areas.setdefault(citizen.area, country.area(seed, citizen.area))
        doctor = next(p for p in area.professionals if p.rpps == country.generalist_of(seed, citizen))
        papers: list[dmp.SeedDocument] = []
        if citizen.index < WITH_DOCUMENTS:
            person = population.person(citizen, seed, [])
            papers = [_paper(kind, person, doctor) for kind in _KINDS[: 1 + citizen.index % len(_KINDS)]]
        yield dmp.Seed(
            patient=citizen.patient,
            care_team=[(doctor.idnat, f"Dr {doctor.given} {doctor.family}")],
            treating_doctor=doctor.idnat,
            documents=papers,
        )


def seed_demo(*, by: Caller) -> int:
    """The record of `patiente`: her care team, her treating doctor, three documents."""
    staff = {one.login: one for one in demo.professionals()}
    patiente = demo.patiente()
    papers = [
        _paper("synthese", patiente, staff["generaliste"].entry),
        _paper("biologie", patiente, staff["biologiste"].entry, number=1),
        _paper("ordonnance", patiente, staff["generaliste"].entry, number=2),
    ]
    seed = dmp.Seed(
        patient=patiente.patient,
        care_team=[(staff[login].entry.idnat, staff[login].name) for login in demo.CARE_TEAM],
        treating_doctor=staff["generaliste"].entry.idnat,
        documents=papers,
    )
    new: int = dmp.bulk_seed(by=by, seeds=[seed])
    return new


def _paper(
    kind: documents.Kind, patient: "ins.Person", author: country.Professional, number: int = 0
) -> "dmp.SeedDocument":
    written = documents.write(kind, patient, author, number=number)
    resource = {
        "resourceType": "DocumentReference",
        "status": "current",
        "author": [
            {
                "type": "Practitioner",
                "identifier": {"system": annuaire.rules.IDNAT_PS_SYSTEM, "value": author.idnat},
                "display": f"{author.given} {author.family}",
            }
        ],
        "content": [{"attachment": {"contentType": "text/xml", "title": written.title}}],
    }
    return dmp.SeedDocument(resource, written.content)
