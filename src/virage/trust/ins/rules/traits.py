"""The strict traits: how they are written, normalised for INSi, compared, and completed when a date is not known."""

import re
import unicodedata
from dataclasses import dataclass
from datetime import date
from typing import Literal

from virage.core.errors import Invalid, Issue

Profile = Literal["FAMILY_NAME", "GIVEN_NAME", "DATAMATRIX"]

_PLACE = re.compile(r"(?:\d{2}|2[AB])\d{3}", re.ASCII)
_LIGATURES = {"Œ": "OE", "Æ": "AE"}
_ALLOWED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ '-")
_CROWDED = re.compile(r"[ '][ ']")
LONGEST_NAME = 100


@dataclass(frozen=True, slots=True)
class Traits:
    """The strict traits of one identity, as supplied: names are kept as they came, never in normalised form.

    `given` is the first birth given name, `given_list` all of them separated by spaces (empty when not known yet), `sex`
    M, F or I, `birth_place` a code of the COG (five characters; abroad 99xxx; unknown 99999; empty when not asked).
    """

    family: str
    given: str
    sex: str
    birth_date: date | None
    birth_place: str = ""
    given_list: str = ""


@dataclass(frozen=True, slots=True)
class Difference:
    """One trait that is not the same on both sides: its French name and a FHIRPath in Patient. No value: values are personal."""

    trait: str
    label: str
    path: str


def normalise(text: str, *, path: str = "") -> str:
    """Upper case, without diacritics, ligatures opened; a character that is still outside A-Z, space, ' and - is refused.

    Raises `Invalid` (INS.NAME_CHARACTER): INSi drops nothing in silence, nor do we.
    """
    out: list[str] = []
    for char in unicodedata.normalize("NFD", text):
        if unicodedata.combining(char):
            continue
        upper = char.upper()
        # `ß` would become SS: a character that INSi does not list is refused, not translated.
        upper = _LIGATURES.get(upper, upper if len(upper) == 1 else "?")
        if not _ALLOWED.issuperset(upper):
            raise _bad_name("ne peut contenir que des lettres, des espaces, des apostrophes et des tirets", path)
        out.append(upper)
    return "".join(out)


def _bad_name(why: str, path: str) -> Invalid:
    return Invalid(f"Un nom ou un prénom {why}.", code="INS.NAME_CHARACTER", issue="value", path=path)


def _check_length(text: str, path: str) -> None:
    if not 1 <= len(text) <= LONGEST_NAME:
        raise _bad_name("compte de 1 à 100 caractères", path)


def _check_opening(name: str, path: str) -> None:
    if name[0] in " -":
        raise _bad_name("ne commence ni par un espace ni par un tiret", path)
    if _CROWDED.search(name):
        raise _bad_name("n'a ni espace ni apostrophe qui se suivent", path)


def normalise_family_name(text: str, *, path: str = "") -> str:
    """Profile FAMILY_NAME of SEL-MP-043: a double hyphen is lawful, three are not. Raises `Invalid` (INS.NAME_CHARACTER)."""
    _check_length(text, path)
    name = normalise(text, path=path)
    _check_opening(name, path)
    if "---" in name:
        raise _bad_name("n'a pas plus de deux tirets qui se suivent", path)
    return name


def normalise_given_name(text: str, *, path: str = "") -> str:
    """Profile GIVEN_NAME of SEL-MP-043: no double hyphen, no hyphen nor apostrophe at the end. Raises `Invalid`."""
    _check_length(text, path)
    name = normalise(text, path=path)
    _check_opening(name, path)
    if "--" in name:
        raise _bad_name("n'a pas deux tirets qui se suivent", path)
    if name[-1] in "-'":
        raise _bad_name("ne finit ni par un tiret ni par une apostrophe", path)
    return name


def normalise_datamatrix(text: str) -> str:
    """Profile DATAMATRIX: the same characters, 1 to 100 of them, with no rule of place. Raises `Invalid`."""
    name = normalise(text)
    _check_length(name, "")
    return name


def compare_key(text: str) -> str:
    """Form in which two names are compared: normalised, hyphen and apostrophe being a space (EXI ID 10).

    Unlike `normalise` it refuses nothing: what cannot be normalised compares as it is, so that a stored name always has a key.
    """
    folded = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).upper()
    folded = folded.replace("Œ", "OE").replace("Æ", "AE")
    return " ".join(re.sub(r"[-'’]", " ", folded).split())


def opens_list(given: str, given_list: str) -> bool:
    """Whether the first given name is the beginning of the list, word for word: MARIE opens MARIE-CLAIRE, MARI does not."""
    first, words = compare_key(given).split(), compare_key(given_list).split()
    return bool(first) and words[: len(first)] == first


def first_given_name(given_list: str) -> str:
    """The first of a list separated by spaces, as it was written; empty for an empty list."""
    return given_list.split(maxsplit=1)[0] if given_list.strip() else ""


def check_traits(traits: Traits, *, for_insi: bool = False) -> list[Issue]:
    """Every thing that is wrong with these traits, each with its path in Patient; empty when all is well.

    `for_insi`: INSi knows only M and F, and normalised names.
    """
    issues: list[Issue] = []
    for text, path, label in (
        (traits.family, "Patient.name.family", "Le nom de naissance"),
        (traits.given, "Patient.name.given", "Le premier prénom de naissance"),
    ):
        if not text.strip():
            issues.append(Issue("required", f"{label} manque.", path))
    if traits.sex not in ("M", "F") and (for_insi or traits.sex != "I"):
        wanted = "M ou F" if for_insi else "M, F ou I"
        issues.append(Issue("value", f"Le sexe doit être {wanted}.", "Patient.gender"))
    if traits.birth_date is None:
        issues.append(Issue("required", "La date de naissance manque.", "Patient.birthDate"))
    if traits.birth_place and not _PLACE.fullmatch(traits.birth_place):
        issues.append(
            Issue(
                "value",
                "Le lieu de naissance est un code INSEE de cinq caractères : commune, 99 + pays, ou 99999 si inconnu.",
                "Patient.extension(birthPlace)",
            )
        )
    if traits.given_list and traits.given and not opens_list(traits.given, traits.given_list):
        issues.append(
            Issue(
                "business-rule",
                "Le premier prénom de naissance doit être le début de la liste des prénoms.",
                "Patient.name.given",
            )
        )
    if for_insi and not issues:
        for normaliser, text, path in (
            (normalise_family_name, traits.family, "Patient.name.family"),
            (normalise_given_name, traits.given, "Patient.name.given"),
        ):
            try:
                normaliser(text, path=path)
            except Invalid as error:
                issues.extend(error.issues)
    return issues


def compare_traits(local: Traits, reference: Traits) -> list[Difference]:
    """Traits in which `local` is not `reference`; a trait that `local` leaves empty (list of given names, place) is not compared.

    Names are compared without case, diacritics, hyphen or apostrophe; the first given name matches when it opens the
    reference's list.
    """
    differences: list[Difference] = []
    if compare_key(local.family) != compare_key(reference.family):
        differences.append(Difference("family", "nom de naissance", "Patient.name.family"))
    if not opens_list(local.given, reference.given_list or reference.given):
        differences.append(Difference("given", "premier prénom de naissance", "Patient.name.given"))
    if local.given_list and compare_key(local.given_list) != compare_key(reference.given_list):
        differences.append(Difference("given_list", "liste des prénoms de naissance", "Patient.name.extension"))
    if local.sex != reference.sex:
        differences.append(Difference("sex", "sexe", "Patient.gender"))
    if local.birth_date != reference.birth_date:
        differences.append(Difference("birth_date", "date de naissance", "Patient.birthDate"))
    if local.birth_place and local.birth_place != reference.birth_place:
        differences.append(Difference("birth_place", "lieu de naissance", "Patient.extension(birthPlace)"))
    return differences


def interpret_birth_date(*, year: int, month: int | None, day: int | None) -> date:
    """A whole date from what is known (EXI PP 19).

    Day unknown: the first of the month; month unknown: January; both: 31 December. A month outside 1 to 12 (as on some
    health cards) and a day 0 count as unknown. Raises `Invalid` (INS.DATE_IMPOSSIBLE).
    """
    known_month = month if month is not None and 1 <= month <= 12 else None
    known_day = day if day else None
    if known_month is None and known_day is None:
        known_month, known_day = 12, 31
    try:
        return date(year, known_month or 1, known_day or 1)
    except ValueError:
        raise Invalid(
            "Cette date de naissance n'existe pas au calendrier.",
            code="INS.DATE_IMPOSSIBLE",
            issue="value",
            path="Patient.birthDate",
        ) from None
