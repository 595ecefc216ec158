"""Professionals and structures of the synthetic country, area by area. Pure: the same seed gives the same area."""

import random
from dataclasses import dataclass

from virage.sandbox import people
from virage.trust import annuaire, ins

TEST_DATA = {
    "system": "http://terminology.hl7.org/CodeSystem/v3-ActReason",
    "code": "HTEST",
    "display": "test health data",
}
"""The tag that every resource of the sandbox bears."""


@dataclass(frozen=True, slots=True)
class Structure:
    """An invented structure: `finess` is of department 99, which does not exist; `sector` TRE_R02, `category` TRE_R66."""

    finess: str
    name: str
    sector: str
    category: str
    commune: str

    @property
    def id(self) -> str:
        """Logical id of its Organization."""
        return annuaire.resources.organization_id(self.finess)

    def resource(self) -> dict[str, object]:
        """Its Organization."""
        place = ins.places.find(self.commune)
        types = [("secteurActiviteRASS", annuaire.nomenclatures.R02, self.sector, "")]
        if self.category:
            types.append(("categorieEtablissementRASS", annuaire.nomenclatures.R66, self.category, ""))
        found = annuaire.resources.organization(
            name=self.name,
            source="FINESS",
            finess=self.finess,
            types=types,
            address=annuaire.resources.postal_address(
                lines=["1 place de la Mairie"],
                postal_code=place.postal_code if place else "",
                city=place.name if place else "",
                commune=self.commune,
            ),
            mailboxes=[f"contact@{self.finess}.mssante.test"],
        )
        return tagged(found)


@dataclass(frozen=True, slots=True)
class Professional:
    """An invented professional: `profession` TRE_G15, `specialty` TRE_R38 or empty, `mode` TRE_R23."""

    rpps: str
    family: str
    given: str
    title: str
    profession: str
    specialty: str
    mode: str
    structure: Structure

    @property
    def idnat(self) -> str:
        """National id: `8` + RPPS."""
        return annuaire.rules.idnat_ps(self.rpps)

    @property
    def mail(self) -> str:
        """Secure mailbox, of a domain that cannot exist."""
        return f"{self.rpps}@{self.structure.finess}.mssante.test"

    def resources(self) -> list[dict[str, object]]:
        """Practitioner and PractitionerRole."""
        skills = [("S", annuaire.nomenclatures.R38, self.specialty)] if self.specialty else []
        person = annuaire.resources.practitioner(
            idnat=self.idnat,
            family=self.family,
            given=self.given,
            title=self.title,
            practice_title="DR" if self.profession in ("10", "40") else "",
            professions=[(self.profession, "C")],
            skills=skills,
            mailboxes=[self.mail],
        )
        role = annuaire.resources.practitioner_role(
            idnat=self.idnat,
            situation=f"{self.structure.finess}|{self.profession}",
            organization=self.structure.id,
            profession=self.profession,
            genre="GENR01",
            mode=self.mode,
            mailboxes=[self.mail],
        )
        return [tagged(person), tagged(role)]


@dataclass(frozen=True, slots=True)
class Area:
    """An area of care: its structures and its professionals; the first `GENERALISTS` of these are general practitioners."""

    number: int
    structures: tuple[Structure, ...]
    professionals: tuple[Professional, ...]


# (name, sector, category) of the structures of an area; then (profession, specialty, mode, structure) of its people.
_STRUCTURES = (
    ("Maison de santé pluriprofessionnelle", "SA52", "603"),
    ("Centre hospitalier", "SA01", "355"),
    ("Pharmacie", "SA33", "620"),
    ("Laboratoire de biologie médicale", "SA25", "611"),
    ("Cabinet infirmier", "SA08", ""),
)
_PEOPLE = (
    ("10", "SM54", "L", 0),
    ("10", "SM54", "L", 0),
    ("10", "SM53", "L", 0),
    ("60", "", "L", 4),
    ("60", "", "L", 4),
    ("60", "", "S", 1),
    ("21", "", "L", 2),
    ("10", "SM03", "S", 3),
    ("10", "SM42", "S", 1),
    ("10", "SM02", "S", 1),
    ("50", "", "S", 1),
    ("70", "", "L", 0),
    ("91", "", "L", 0),
)
GENERALISTS = 3
_SLOTS = 16


def finess(order: int) -> str:
    """A well-formed FINESS number of the department that does not exist."""
    eight = f"99{order:06d}"
    return eight + annuaire.rules.finess_key(eight)


def rpps(order: int) -> str:
    """A well-formed test RPPS (999…)."""
    ten = f"999{order:07d}"
    return ten + annuaire.rules.luhn_key(ten)


def tagged(resource: dict[str, object]) -> dict[str, object]:
    """The same resource, marked as test data."""
    meta = dict(resource.get("meta") or {})  # type: ignore[call-overload]
    return {**resource, "meta": {**meta, "tag": [TEST_DATA]}}


def area(seed: int, number: int) -> Area:
    """The area of this number."""
    rng = random.Random(f"professionals:{seed}:{number}")
    commune = people.area_commune(seed, number)
    name = ins.places.label(commune)
    structures = tuple(
        Structure(finess(number * 8 + rank), f"{kind} de {name} (fictif)", sector, category, commune)
        for rank, (kind, sector, category) in enumerate(_STRUCTURES)
    )
    professionals = []
    for slot, (profession, specialty, mode, where) in enumerate(_PEOPLE):
        sex = rng.choice("FM")
        professionals.append(
            Professional(
                rpps=rpps(number * _SLOTS + slot),
                family=people.draw_surname(rng),
                given=people.draw_given_names(rng, sex, rng.randrange(1962, 1998))[0],
                title="MME" if sex == "F" else "M",
                profession=profession,
                specialty=specialty,
                mode=mode,
                structure=structures[where],
            )
        )
    return Area(number, structures, tuple(professionals))


def generalist_of(seed: int, citizen: people.Citizen) -> str:
    """RPPS of the general practitioner of a citizen: one of their area, the same for the whole block."""
    slot = (seed + citizen.index // people.BLOCK) % GENERALISTS
    return rpps(citizen.area * _SLOTS + slot)
