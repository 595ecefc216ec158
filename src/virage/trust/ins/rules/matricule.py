"""The matricule INS: thirteen characters, a key of two, and the OID without which it means nothing."""

import re
from dataclasses import dataclass

from virage.core.errors import Invalid

OID_NIR = "1.2.250.1.213.1.4.8"
OID_NIA = "1.2.250.1.213.1.4.9"
OID_NIR_TEST = "1.2.250.1.213.1.4.10"
OID_NIR_DEMO = "1.2.250.1.213.1.4.11"
OID_INS_C = "1.2.250.1.213.1.4.2"

# OID -> (code of fr-core-cs-v2-0203, FHIR use, belongs to the sandbox)
OIDS: dict[str, tuple[str, str, bool]] = {
    OID_NIR: ("INS-NIR", "official", False),
    OID_NIA: ("INS-NIA", "temp", False),
    OID_NIR_TEST: ("INS-NIR-TEST", "official", True),
    OID_NIR_DEMO: ("INS-NIR-DEMO", "official", True),
}

_SHAPE = re.compile(r"[1-478]\d{4}(?:\d{2}|2[AB])\d{6}\d{2}", re.ASCII)
_NUMBER = re.compile(r"[1-478]\d{4}(?:\d{2}|2[AB])\d{6}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Matricule:
    """A checked matricule: `number` (13 characters), `key` (2 digits), `oid` of the authority that assigned it."""

    number: str
    key: str
    oid: str

    @property
    def value(self) -> str:
        """The fifteen characters, as they travel."""
        return self.number + self.key

    @property
    def system(self) -> str:
        """The FHIR identifier system."""
        return f"urn:oid:{self.oid}"

    @property
    def type_code(self) -> str:
        """The code of the identifier's type in fr-core-cs-v2-0203."""
        return OIDS[self.oid][0]


def compute_key(number: str) -> str:
    """Key of the thirteen characters: 97 less the remainder by 97; Corsica's 2A counts as 19 and 2B as 18.

    Raises `Invalid` (INS.MALFORMED) when `number` has not the shape of a NIR or NIA.
    """
    if not _NUMBER.fullmatch(number):
        raise Invalid(
            "Le numéro de sécurité sociale doit avoir 13 caractères : des chiffres, ou 2A / 2B pour la Corse.",
            code="INS.MALFORMED",
            issue="value",
        )
    digits = number[:5] + {"2A": "19", "2B": "18"}.get(number[5:7], number[5:7]) + number[7:]
    return f"{97 - int(digits) % 97:02d}"


def compose_number(*, sex: str, year: int, month: int, place: str, order: int) -> str:
    """Thirteen characters from birth facts: `sex` M or F, `place` a code of the COG (five characters), `order` 1 to 999.

    Overseas codes (97x, 98x + two digits) are already five characters. Raises `Invalid` (INS.MALFORMED).
    """
    number = f"{'1' if sex == 'M' else '2'}{year % 100:02d}{month:02d}{place}{order:03d}"
    compute_key(number)
    return number


def parse_matricule(value: str, oid: str, *, sandbox: bool, path: str = "") -> Matricule:
    """Check the fifteen characters and the OID.

    `sandbox` tells which world this house lives in: test and demonstration OIDs exist only in the sandbox, production OIDs
    only outside. Raises `Invalid` with INS.OID_UNKNOWN, INS.OID_NOT_HERE, INS.MALFORMED or INS.KEY_WRONG.
    """
    oid = oid.removeprefix("urn:oid:")
    if oid not in OIDS:
        raise Invalid(
            "Cet OID n'est pas celui d'un matricule INS : un matricule voyage toujours avec son OID "
            "(NIR 1.2.250.1.213.1.4.8, NIA …4.9, test …4.10).",
            code="INS.OID_UNKNOWN",
            issue="value",
            path=path,
        )
    if OIDS[oid][2] is not sandbox:
        raise Invalid(
            "Cette maison est un bac à sable : seuls les matricules de test (OID 1.2.250.1.213.1.4.10 ou .11) y entrent."
            if sandbox
            else "Les matricules de test ou de démonstration sont refusés hors du bac à sable.",
            code="INS.OID_NOT_HERE",
            issue="business-rule",
            path=path,
        )
    if not _SHAPE.fullmatch(value):
        raise Invalid(
            "Le matricule INS doit avoir 15 caractères : le numéro de 13 caractères suivi de sa clé de 2 chiffres.",
            code="INS.MALFORMED",
            issue="value",
            path=path,
        )
    number, key = value[:13], value[13:]
    if compute_key(number) != key:
        raise Invalid(
            "La clé du matricule INS ne correspond pas à son numéro : vérifier la saisie ou relire la carte.",
            code="INS.KEY_WRONG",
            issue="value",
            path=path,
        )
    return Matricule(number, key, oid)


def oid_of_system(system: str) -> str | None:
    """The OID of a matricule's system, or None where the system is not one of a matricule."""
    oid = system.removeprefix("urn:oid:")
    return oid if oid in OIDS and system.startswith("urn:oid:") else None
