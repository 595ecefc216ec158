"""The people whom the demonstration and the journey name: who they are, not what they may do. Pure."""

from dataclasses import dataclass
from datetime import date

from virage.sandbox import country
from virage.trust import annuaire, ins

SCOPES = (
    "system/*.cruds",
    "user/*.cruds",
    "patient/*.cruds",
    "openid",
    "scope_all",
    "identity",
    "offline_access",
    "fhirUser",
    "launch/patient",
    "launch/encounter",
)
SOFTWARE = "sandbox-lps"
_COMMUNE = "63113"
_STRUCTURE = 990_000
_RPPS = 9_990_000


@dataclass(frozen=True, slots=True)
class DemoProfessional:
    """A professional who signs in: `login`, what they are called at work, and their entry in the directory."""

    login: str
    role: str
    entry: country.Professional

    @property
    def name(self) -> str:
        """As colleagues and patients read it."""
        return f"{self.entry.given} {self.entry.family}"


def _matricule(sex: str, born: date, place: str, order: int) -> ins.Matricule:
    number = ins.rules.compose_number(sex=sex, year=born.year, month=born.month, place=place, order=order)
    return ins.Matricule(number, ins.rules.compute_key(number), ins.rules.OID_NIR_TEST)


def _citizen(patient: str, family: str, names: str, sex: str, born: date, place: str, order: int) -> ins.Person:
    return ins.Person(
        patient=patient,
        matricule=_matricule(sex, born, place, order),
        traits=ins.Traits(family, names.split()[0], sex, born, place, names),
        extra={"meta": {"tag": [country.TEST_DATA]}},
        checked_on=date(2026, 1, 2),
    )


def patiente() -> ins.Person:
    """The patient of the journey: her identity is qualified."""
    person = _citizen("demo-patiente", "Durand-Lévêque", "Claire Élise Marie", "F", date(1984, 5, 17), _COMMUNE, 87)
    address = annuaire.resources.postal_address(
        lines=["12 rue des Lilas"], postal_code="63000", city="Clermont-Ferrand", commune=_COMMUNE, country="FR"
    )
    telecom = [
        {"system": "phone", "value": "0639980001", "use": "mobile"},
        {"system": "email", "value": "claire@exemple.test"},
    ]
    person.extra.update(address=[address], telecom=telecom)
    return person


def published() -> list[ins.Person]:
    """Test identities that the INSi documentation publishes, so that examples written elsewhere find their answer here."""
    return [
        _citizen("insi-adrun", "ADRUN", "ZOE", "F", date(1975, 12, 31), "63220", 901),
        _given("insi-adrtrois", "ADRTROIS", "DOMINIQUE", "F", date(1997, 2, 26), "2A020", "297022A02077878"),
        _given("insi-corse", "CORSE", "ANTHONY", "M", date(1980, 3, 2), "2B020", "180032B02040123"),
        _given("insi-tchitchi", "TCHITCHI", "CATARINA BELLA", "F", date(1936, 6, 21), "63220", "236066322083656"),
    ]


def _given(patient: str, family: str, names: str, sex: str, born: date, place: str, value: str) -> ins.Person:
    person = _citizen(patient, family, names, sex, born, place, 1)
    matricule = ins.Matricule(value[:13], value[13:], ins.rules.OID_NIR_TEST)
    return ins.Person(person.patient, matricule, person.traits, person.status, person.extra, person.checked_on)


def structures() -> dict[str, country.Structure]:
    """Structures of the demonstration, by a short name."""
    described = (
        ("maison", "Maison de santé des Volcans (fictive)", "SA52", "603"),
        ("hopital", "Centre hospitalier des Dômes (fictif)", "SA01", "355"),
        ("pharmacie", "Pharmacie du Lac (fictive)", "SA33", "620"),
        ("laboratoire", "Laboratoire de biologie de la Limagne (fictif)", "SA25", "611"),
        ("cabinet", "Cabinet infirmier des Tilleuls (fictif)", "SA08", ""),
        ("samu", "SAMU - Centre 15 du Puy (fictif)", "SA01", "355"),
    )
    return {
        short: country.Structure(country.finess(_STRUCTURE + rank), name, sector, category, _COMMUNE)
        for rank, (short, name, sector, category) in enumerate(described)
    }


def professionals() -> list[DemoProfessional]:
    """Professionals of the demonstration, in a fixed order that gives them their RPPS."""
    where = structures()
    described = (
        ("generaliste", "médecin généraliste", "Lefèvre", "Antoine", "M", "10", "SM54", "L", "maison"),
        ("infirmiere", "infirmière", "Benali", "Nadia", "MME", "60", "", "L", "cabinet"),
        ("pharmacien", "pharmacien", "Nguyen", "Paul", "M", "21", "", "L", "pharmacie"),
        ("biologiste", "biologiste médicale", "Marchand", "Hélène", "MME", "10", "SM03", "S", "laboratoire"),
        ("regulateur15", "médecin régulateur du centre 15", "Roussel", "Marc", "M", "10", "SM02", "S", "samu"),
        ("generaliste2", "médecin généraliste", "Carpentier", "Inès", "MME", "10", "SM54", "L", "maison"),
    )
    return [
        DemoProfessional(
            login,
            role,
            country.Professional(
                country.rpps(_RPPS + rank), family, given, title, profession, specialty, mode, where[place]
            ),
        )
        for rank, (login, role, family, given, title, profession, specialty, mode, place) in enumerate(described)
    ]


CARE_TEAM = ("generaliste", "generaliste2", "pharmacien", "biologiste")
"""Logins of the care team of `patiente`; `infirmiere` is not in it, and that is what the journey is about."""

AGENTS = (
    ("pilote", "Camille Pilote", "pilotage de la feuille de route"),
    ("moderateur", "Sacha Modérateur", "modération des concertations"),
    ("cert", "Dominique Cert", "traitement des incidents"),
    ("cesrees", "Alix Cesrees", "accès aux données de santé"),
)
