"""Numbers of the national directory: professionals (RPPS, ADELI), structures (FINESS, SIREN, SIRET), and their national forms.

Sources: Annuaire Santé implementation guide 1.2.0, FINESS documentation, decree on SIRENE numbers. Pure functions.
"""

import math
import re
from collections.abc import Sequence

from virage.core.errors import Invalid

IDNAT_PS_SYSTEM = "urn:oid:1.2.250.1.71.4.2.1"
IDNAT_STRUCT_SYSTEM = "urn:oid:1.2.250.1.71.4.2.2"
RPPS_SYSTEM = "https://rpps.esante.gouv.fr"
FINESS_SYSTEM = "https://finess.esante.gouv.fr"
SIRENE_SYSTEM = "https://sirene.fr"
NOS_ROOT = "https://mos.esante.gouv.fr/NOS"

_FINESS = re.compile(r"[0-9][0-9A-Z][0-9]{7}", re.ASCII)
_ADELI = re.compile(r"[0-9][0-9AB][0-9]{7}", re.ASCII)
# The post office numbers its thousands of sites otherwise: their digits add up to a multiple of five.
_LA_POSTE = "356000000"

# Overseas departments have a letter in FINESS numbers and lines: 9A is 971, 9B 972, …
OVERSEAS = {"9A": "971", "9B": "972", "9C": "973", "9D": "974", "9E": "975", "9F": "976", "9J": "977", "9K": "978"}


def luhn_sum(digits: str) -> int:
    """Sum of Luhn's rule over a string of digits, key included; a valid number gives a multiple of ten."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = ord(char) - 48
        if position % 2:
            value = value * 2 - (9 if value > 4 else 0)
        total += value
    return total


def luhn_key(digits: str) -> str:
    """The digit to append so that Luhn's rule holds."""
    return str(-luhn_sum(digits + "0") % 10)


def _digits(value: str, length: int) -> bool:
    return len(value) == length and value.isascii() and value.isdigit()


def is_rpps(value: str) -> bool:
    """Eleven digits whose Luhn key holds."""
    return _digits(value, 11) and luhn_sum(value) % 10 == 0


def is_adeli(value: str) -> bool:
    """Nine characters beginning with a department. The key is not checked: its rule was never published for certain."""
    return _ADELI.fullmatch(value) is not None


def is_siren(value: str) -> bool:
    """Nine digits whose Luhn key holds."""
    return _digits(value, 9) and luhn_sum(value) % 10 == 0


def is_siret(value: str) -> bool:
    """Fourteen digits whose Luhn key holds, or a site of La Poste whose digits add up to a multiple of five."""
    if not _digits(value, 14):
        return False
    if luhn_sum(value) % 10 == 0:
        return True
    return value.startswith(_LA_POSTE) and sum(map(int, value)) % 5 == 0


def _finess_digits(value: str) -> str:
    letter = value[1]
    return value if letter.isdigit() else f"{value[0]}{(ord(letter) - 64) % 10}{value[2:]}"


def is_finess(value: str) -> bool:
    """Nine characters whose Luhn key holds, a letter in second place counting for its rank (A is 1, B is 2)."""
    return _FINESS.fullmatch(value) is not None and luhn_sum(_finess_digits(value)) % 10 == 0


def finess_key(eight: str) -> str:
    """Key of the eight first characters of a FINESS number."""
    return luhn_key(_finess_digits(eight))


def require_rpps(value: str, *, path: str = "") -> str:
    """`value` itself. Raises `Invalid` (ANNUAIRE.RPPS_WRONG)."""
    if not is_rpps(value):
        raise Invalid(
            "Ce numéro RPPS est faux : onze chiffres, dont le dernier est une clé de contrôle.",
            code="ANNUAIRE.RPPS_WRONG",
            issue="value",
            path=path,
        )
    return value


def rpps_of_idnat(idnat: str) -> str:
    """The RPPS inside a national id `8` + RPPS, else an empty string: other prefixes are other registers."""
    return idnat[1:] if len(idnat) == 12 and idnat[0] == "8" and is_rpps(idnat[1:]) else ""


def idnat_ps(rpps: str) -> str:
    """National id of a professional of the RPPS."""
    return f"8{rpps}"


def idnat_struct(*, finess: str = "", siret: str = "", siren: str = "", technical: str = "") -> str:
    """National id of a structure by its best number: FINESS, then SIRET, SIREN, else the register's technical number."""
    if finess:
        return f"1{finess}"
    if siret:
        return f"3{siret}"
    if siren:
        return f"2{siren}"
    return technical


def nos(table: str) -> str:
    """FHIR system of a table of the national nomenclature: `nos("TRE_G15-ProfessionSante")`."""
    return f"{NOS_ROOT}/{table}/FHIR/{table.replace('_', '-', 1)}"


def commune_of_finess_line(department: str, commune: str) -> str:
    """INSEE code of a FINESS line, whose department may be 9A (971) and whose commune is its three last digits."""
    if department in OVERSEAS:
        # 97 + the three digits of the commune: the department's third digit opens the commune's three.
        return f"97{commune}"
    return f"{department}{commune}"


def lambert93_to_wgs84(x: float, y: float) -> tuple[float, float]:
    """(latitude, longitude) in degrees of a point in RGF93 / Lambert-93 (metropolitan France), metres.

    Inverse of the conformal conic projection with two standard parallels (44° and 49°), constants of IGN's note NTG 71.
    """
    exponent, constant, x_pole, y_pole = 0.7256077650532670, 11754255.426, 700000.0, 12655612.049876
    eccentricity, central = 0.08181919104281579, math.radians(3)
    distance = math.hypot(x - x_pole, y - y_pole)
    longitude = central + math.atan2(x - x_pole, y_pole - y) / exponent
    isometric = -math.log(distance / constant) / exponent
    latitude = 2 * math.atan(math.exp(isometric)) - math.pi / 2
    for _ in range(8):  # converges to under a millimetre in five turns
        sine = eccentricity * math.sin(latitude)
        scale = ((1 + sine) / (1 - sine)) ** (eccentricity / 2)
        latitude = 2 * math.atan(scale * math.exp(isometric)) - math.pi / 2
    return math.degrees(latitude), math.degrees(longitude)


_STREET = re.compile(r"(\d{1,4})\s*(bis|ter|quater|[A-Z])?\s+(\D.*)", re.IGNORECASE)


def street(lines: Sequence[str]) -> dict[str, str]:
    """The keys of a street in Pro Santé Connect's claims, from the lines of an address; none where no line begins with a number.

    The type of the street stays in its name: the directory keeps it in words, the claim would be a code.
    """
    for line in lines:
        match = _STREET.fullmatch(line.strip())
        if match:
            return {"numeroVoie": match[1], "indiceRepetitionVoie": (match[2] or "").upper(), "libelleVoie": match[3]}
    return {}


def department(commune: str) -> str:
    """The department of a commune, by its INSEE code: three characters overseas, two elsewhere."""
    return commune[: 3 if commune[:2] in ("97", "98") else 2]
