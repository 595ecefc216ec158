"""Formats of the primitive types of R4: each check gives None, or a French sentence that says how to mend.

Values are never quoted in these sentences: they may be personal. Regular expressions follow R4 where it gives one, with
ASCII classes and no nested repetition, so that no input makes them slow; calendar and range rules are added.
"""

import binascii
import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

Check = Callable[[Any], str | None]

MAX_TEXT = 1_048_576
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f]")
_CODE = re.compile(r"[^ \t\r\n]+( [^ \t\r\n]+)*")
_SPACE = re.compile(r"\s", re.ASCII)
_ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_OID = re.compile(r"urn:oid:[0-2](\.(0|[1-9][0-9]*))+")
_UUID = re.compile(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_DATE = re.compile(r"([0-9]{4})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01]))?)?")
_CLOCK = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:(?:[0-5][0-9]|60)(?:\.[0-9]+)?"
_ZONE = r"(?:Z|[+-](?:(?:0[0-9]|1[0-3]):[0-5][0-9]|14:00))"
_DATE_TIME = re.compile(rf"([0-9]{{4}})(?:-(0[1-9]|1[0-2])(?:-(0[1-9]|[12][0-9]|3[01])(?:T{_CLOCK}{_ZONE})?)?)?")
_INSTANT = re.compile(rf"([0-9]{{4}})-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])T{_CLOCK}{_ZONE}")
_TIME = re.compile(_CLOCK)
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

_NOT_TEXT = "Un texte entre guillemets est attendu."


def string(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    if not value:
        return "Un texte vide n'est pas permis : donnez une valeur ou retirez l'élément."
    if value.isprintable():
        return None if len(value) <= MAX_TEXT else "Le texte dépasse 1 Mo : raccourcissez-le."
    if len(value) > MAX_TEXT:
        return "Le texte dépasse 1 Mo : raccourcissez-le."
    if _CONTROL.search(value):
        return (
            "Le texte contient un caractère de contrôle interdit : seuls tabulation et retours à la ligne sont permis."
        )
    return None


def code(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    if value.isalnum() or (_CODE.fullmatch(value) and not _CONTROL.search(value)):
        return None
    return "Un code ne peut être vide, ni commencer, finir ou être coupé par plus d'une espace."


def identifier(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    if _ID.fullmatch(value):
        return None
    return "Un identifiant technique a de 1 à 64 caractères parmi lettres sans accent, chiffres, tiret et point."


def element_id(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    if not value or _SPACE.search(value) or _CONTROL.search(value):
        return "L'identifiant d'un élément ne peut être vide ni contenir d'espace ou de caractère de contrôle."
    return None if len(value) <= MAX_TEXT else "L'identifiant de l'élément dépasse 1 Mo : raccourcissez-le."


def uri(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    if value[:4] == "http" and value.isprintable() and " " not in value:
        return None
    if not value:
        return "Une adresse vide n'est pas permise : donnez une valeur ou retirez l'élément."
    if _SPACE.search(value) or _CONTROL.search(value):
        return "Une adresse (URI) ne contient ni espace ni caractère de contrôle : retirez-les ou codez-les, comme %20."
    if value.startswith(("oid:", "uuid:")):
        return "Une adresse (URI) ne commence pas par oid: ou uuid: : écrivez urn:oid: ou urn:uuid:."
    if value.startswith("urn:oid:") and not _OID.fullmatch(value):
        return "Un OID s'écrit urn:oid: suivi de nombres séparés par des points, sans zéro en tête."
    if value.startswith("urn:uuid:") and not _UUID.fullmatch(value):
        return "Un UUID s'écrit urn:uuid: suivi de 32 chiffres hexadécimaux en groupes de 8-4-4-4-12."
    return None


def oid(value: Any) -> str | None:
    if type(value) is str and _OID.fullmatch(value):
        return None
    return "Un OID s'écrit urn:oid: suivi de nombres séparés par des points, sans zéro en tête."


def uuid(value: Any) -> str | None:
    if type(value) is str and _UUID.fullmatch(value):
        return None
    return "Un UUID s'écrit urn:uuid: suivi de 32 chiffres hexadécimaux en groupes de 8-4-4-4-12."


def _calendar(match: re.Match[str]) -> str | None:
    year, month, day = match.groups()
    if year == "0000":
        return "L'année 0000 n'existe pas."
    if day is not None and day > "28":
        number = int(day)
        count = _DAYS[int(month) - 1]
        if month == "02":
            full = int(year)
            count = 29 if full % 4 == 0 and (full % 100 != 0 or full % 400 == 0) else 28
        if number > count:
            return "Cette date n'existe pas au calendrier : corrigez le jour ou le mois."
    return None


def date(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    match = _DATE.fullmatch(value)
    return _calendar(match) if match else "Une date s'écrit AAAA, AAAA-MM ou AAAA-MM-JJ."


def date_time(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    match = _DATE_TIME.fullmatch(value)
    if match:
        return _calendar(match)
    return "Une date avec heure s'écrit AAAA, AAAA-MM, AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss suivi du fuseau (Z ou +hh:mm)."


def instant(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    match = _INSTANT.fullmatch(value)
    return _calendar(match) if match else "Un instant s'écrit AAAA-MM-JJThh:mm:ss suivi du fuseau (Z ou +hh:mm)."


def time(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    return None if _TIME.fullmatch(value) else "Une heure s'écrit hh:mm:ss, sans fuseau."


def boolean(value: Any) -> str | None:
    return None if type(value) is bool else "Un booléen est attendu : true ou false, sans guillemets."


def decimal(value: Any) -> str | None:
    if type(value) in (int, float) or (isinstance(value, Decimal) and value.is_finite()):
        return None
    return "Un nombre est attendu, sans guillemets, avec un point décimal."


def _whole(low: int, high: int, sentence: str) -> Check:
    def check(value: Any) -> str | None:
        return None if type(value) is int and low <= value <= high else sentence

    return check


integer = _whole(-(2**31), 2**31 - 1, "Un entier est attendu, sans guillemets, de -2147483648 à 2147483647.")
unsigned = _whole(0, 2**31 - 1, "Un entier positif ou nul est attendu, sans guillemets, au plus 2147483647.")
positive = _whole(1, 2**31 - 1, "Un entier d'au moins 1 est attendu, sans guillemets, au plus 2147483647.")


def base64(value: Any) -> str | None:
    if type(value) is not str:
        return _NOT_TEXT
    data = "".join(value.split()) if _SPACE.search(value) else value
    if not data:
        return "Un contenu en base64 vide n'est pas permis : retirez l'élément."
    try:
        binascii.a2b_base64(data.encode("ascii"), strict_mode=True)
    except (ValueError, UnicodeEncodeError):
        return "Le contenu n'est pas du base64 : lettres, chiffres, + et /, par groupes de quatre, complété par =."
    return None


FORMATS: dict[str, Check] = {
    "base64Binary": base64,
    "boolean": boolean,
    "canonical": uri,
    "code": code,
    "date": date,
    "dateTime": date_time,
    "decimal": decimal,
    "id": identifier,
    "instant": instant,
    "integer": integer,
    "markdown": string,
    "oid": oid,
    "positiveInt": positive,
    "string": string,
    "time": time,
    "unsignedInt": unsigned,
    "uri": uri,
    "url": uri,
    "uuid": uuid,
}
