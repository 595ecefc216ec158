"""The string inside the INS datamatrix (ANS format v2.2.20230926): written for a qualified identity only, read from a document."""

from dataclasses import dataclass
from datetime import date

from virage.core.errors import Invalid, Malformed
from virage.trust.ins.rules.matricule import Matricule, parse_matricule
from virage.trust.ins.rules.statuses import Status
from virage.trust.ins.rules.traits import Traits, first_given_name, normalise_datamatrix

HEADER = "IS" + "01" + "0" * 22
GROUP_SEPARATOR = "\x1d"


@dataclass(frozen=True, slots=True)
class _Field:
    """Shortest and longest length of a block; equal when the length is fixed."""

    least: int
    most: int


_FIELDS = {
    "S1": _Field(15, 15),
    "S2": _Field(19, 20),
    "S3": _Field(1, 100),
    "S4": _Field(1, 100),
    "S5": _Field(1, 1),
    "S6": _Field(10, 10),
    "S7": _Field(5, 5),
}


def build_datamatrix(matricule: Matricule, traits: Traits, status: Status) -> str:
    """The string to encode. Raises `Invalid` (INS.NOT_QUALIFIED, INS.TRAITS_MISSING, INS.NAME_CHARACTER)."""
    if status is not Status.QUAL:
        raise Invalid(
            "Le datamatrix INS ne se produit que pour une identité qualifiée.",
            code="INS.NOT_QUALIFIED",
            issue="business-rule",
        )
    if traits.birth_date is None or traits.sex not in ("M", "F"):
        raise Invalid(
            "Le datamatrix INS demande une date de naissance et un sexe M ou F.",
            code="INS.TRAITS_MISSING",
            issue="required",
        )
    blocks = [
        ("S1", matricule.value),
        ("S2", matricule.oid),
        ("S3", normalise_datamatrix(traits.given_list or traits.given)),
        ("S4", normalise_datamatrix(traits.family)),
        ("S5", traits.sex),
        ("S6", traits.birth_date.strftime("%d-%m-%Y")),
    ]
    if traits.birth_place:
        blocks.append(("S7", traits.birth_place))
    parts = [HEADER]
    for position, (name, value) in enumerate(blocks):
        field = _FIELDS[name]
        open_ended = field.least != field.most and len(value) < field.most and position < len(blocks) - 1
        parts.append(name + value + (GROUP_SEPARATOR if open_ended else ""))
    return "".join(parts)


def _malformed() -> Malformed:
    return Malformed(
        "Ce datamatrix n'est pas un datamatrix INS lisible : le scanner de nouveau.",
        code="INS.DATAMATRIX_MALFORMED",
        issue="structure",
    )


def parse_datamatrix(text: str, *, sandbox: bool) -> tuple[Matricule, Traits]:
    """Matricule and traits read from the string. Raises `Malformed` (INS.DATAMATRIX_MALFORMED) or what `parse_matricule` raises."""
    if not text.startswith(HEADER):
        raise _malformed()
    at, values = len(HEADER), dict[str, str]()
    while at < len(text):
        name = text[at : at + 2]
        field = _FIELDS.get(name)
        if field is None or name in values:
            raise _malformed()
        at += 2
        value = text[at : at + field.most]
        if field.least != field.most and GROUP_SEPARATOR in value:
            value = value[: value.index(GROUP_SEPARATOR)]
            at += 1
        at += len(value)
        if len(value) < field.least or GROUP_SEPARATOR in value:
            raise _malformed()
        values[name] = value
    if not {"S1", "S2", "S3", "S4", "S5", "S6"} <= values.keys() or values["S5"] not in ("M", "F"):
        raise _malformed()
    try:
        day, month, year = values["S6"].split("-")
        born = date(int(year), int(month), int(day))
    except ValueError:
        raise _malformed() from None
    matricule = parse_matricule(values["S1"], values["S2"], sandbox=sandbox)
    given_list = values["S3"]
    return matricule, Traits(
        family=values["S4"],
        given=first_given_name(given_list),
        sex=values["S5"],
        birth_date=born,
        birth_place=values.get("S7", ""),
        given_list=given_list,
    )
