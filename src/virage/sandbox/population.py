"""From an invented person to what the rooms take in. Pure."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import date
from typing import Any

from virage.sandbox import country
from virage.sandbox.people import Citizen
from virage.trust import annuaire, ins

_CHECKED = date(2026, 1, 2)
_PARENTS = {"F": ("MTH", "mère"), "M": ("FTH", "père")}
_ROLES = "http://terminology.hl7.org/CodeSystem/v3-RoleCode"
_GENDERS = {"F": "female", "M": "male"}


def household_chunks(citizens: Iterable[Citizen], size: int) -> Iterator[list[Citizen]]:
    """Lists of about `size` citizens that never part a child from its parents."""
    chunk: list[Citizen] = []
    for citizen in citizens:
        if len(chunk) >= size and not citizen.parents:
            yield chunk
            chunk = []
        chunk.append(citizen)
    if chunk:
        yield chunk


def related_id(child: Citizen, parent: Citizen) -> str:
    """Logical id of the RelatedPerson that tells a parent of a child."""
    return f"{child.patient}.{_PARENTS[parent.sex][0].lower()}{parent.index % 8}"


def person(citizen: Citizen, seed: int, links: list[str]) -> ins.Person:
    """The citizen as `trust.ins` takes it; `links` are the RelatedPersons that this person is for their children."""
    home = ins.places.find(citizen.home)
    address = annuaire.resources.postal_address(
        lines=[citizen.street],
        postal_code=home.postal_code if home else "",
        city=home.name if home else "",
        commune=citizen.home,
        country="FR",
    )
    extra: dict[str, Any] = {
        "meta": {"tag": [country.TEST_DATA]},
        "address": [address],
        "telecom": [{"system": "phone", "value": citizen.phone, "use": "mobile"}],
        "generalPractitioner": [
            {
                "identifier": {
                    "system": annuaire.rules.IDNAT_PS_SYSTEM,
                    "value": f"8{country.generalist_of(seed, citizen)}",
                }
            }
        ],
    }
    if links:
        extra["link"] = [{"other": {"reference": f"RelatedPerson/{link}"}, "type": "seealso"} for link in links]
    return ins.Person(
        patient=citizen.patient,
        matricule=ins.Matricule(citizen.number, citizen.key, ins.rules.OID_NIR_TEST),
        traits=ins.Traits(
            citizen.family, citizen.given[0], citizen.sex, citizen.born, citizen.place, citizen.given_list
        ),
        status=ins.rules.Status(citizen.status),
        extra=extra,
        checked_on=_CHECKED,
    )


def related(child: Citizen, parent: Citizen) -> dict[str, Any]:
    """The RelatedPerson that tells a parent of a child."""
    code, label = _PARENTS[parent.sex]
    return {
        "resourceType": "RelatedPerson",
        "id": related_id(child, parent),
        "meta": {"tag": [country.TEST_DATA]},
        "active": True,
        "patient": {"reference": f"Patient/{child.patient}"},
        "relationship": [{"coding": [{"system": _ROLES, "code": code, "display": label}]}],
        "name": [{"family": parent.family, "given": [parent.given[0]]}],
        "gender": _GENDERS[parent.sex],
        "birthDate": parent.born.isoformat(),
    }


def families(chunk: Sequence[Citizen], seed: int) -> tuple[list[ins.Person], list[dict[str, Any]]]:
    """People of a chunk, and the RelatedPersons between them."""
    by_index = {citizen.index: citizen for citizen in chunk}
    ties = [(child, by_index[index]) for child in chunk for index in child.parents if index in by_index]
    links: dict[int, list[str]] = {}
    for child, parent in ties:
        links.setdefault(parent.index, []).append(related_id(child, parent))
    return (
        [person(citizen, seed, links.get(citizen.index, [])) for citizen in chunk],
        [related(child, parent) for child, parent in ties],
    )
