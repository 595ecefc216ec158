"""Where a resource lives: its patient compartment and row id, and the ids that carry them. Pure, but for random ids."""

import os
import re
from functools import lru_cache

from virage.core.errors import Malformed
from virage.core.fhir import definitions
from virage.core.fhir.index import keys, patient_params

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_WIDTH = 13
_SHAPE = re.compile(rf"[0-9a-v]{{{_WIDTH}}}-[0-9a-v]{{12}}")
_ALL = (1 << 64) - 1
_DIGITS = "0123456789abcdefghijklmnopqrstuv"
_PAIRS = [one + two for one in _DIGITS for two in _DIGITS]

TYPES: tuple[str, ...] = tuple(sorted(definitions.resource_types()))
"""R4 is closed: the place of a type in this list is its number in the tables."""
TYPE_CODES = {name: place for place, name in enumerate(TYPES)}


def type_code(type_: str) -> int:
    """The number of a type. Raises Malformed (404) when R4 has no such type."""
    try:
        return TYPE_CODES[type_]
    except KeyError:
        raise Malformed(
            "Ce type de ressource n'existe pas en FHIR R4.", code="FHIR.TYPE", status=404, issue="not-supported"
        ) from None


def check_id(id_: str) -> str:
    """The id, or Malformed when it has not the form of a FHIR id."""
    if not ID.fullmatch(id_):
        raise Malformed(
            "L'identifiant d'une ressource compte 1 à 64 caractères parmi A-Z, a-z, 0-9, « - » et « . ».",
            code="FHIR.ID",
            issue="value",
        )
    return id_


@lru_cache(maxsize=4096)
def patient_key(patient: str) -> int:
    """The compartment of a patient, from the logical id of the Patient: the same in every space."""
    return keys.h64("Patient/" + patient)


def own_key(space: int, type_: str, id_: str) -> int:
    """The compartment of a resource that concerns no patient: a hash of its own id, so that they spread."""
    return keys.h64(f"own/{space}/{type_}/{id_}")


@lru_cache(maxsize=512)
def has_compartments(type_: str) -> bool:
    """Whether resources of this type can be in a patient's compartment other than by being a Patient."""
    return type_ != "Patient" and bool(patient_params(type_))


def random_key() -> int:
    """A compartment drawn at random, for a resource that concerns no patient (yet)."""
    return int.from_bytes(os.urandom(8), "big", signed=True)


def encode(compartment: int) -> str:
    """A new id that carries its compartment: thirteen characters of it (base 32), a hyphen, twelve at random."""
    # Thirteen characters hold one bit more than the eight bytes: it stays 0.
    head = (compartment & _ALL) << 1
    tail = int.from_bytes(os.urandom(8), "big")
    pair = _PAIRS
    return (
        f"{_DIGITS[head >> 60]}{pair[head >> 50 & 1023]}{pair[head >> 40 & 1023]}{pair[head >> 30 & 1023]}"
        f"{pair[head >> 20 & 1023]}{pair[head >> 10 & 1023]}{pair[head & 1023]}-{pair[tail & 1023]}"
        f"{pair[tail >> 10 & 1023]}{pair[tail >> 20 & 1023]}{pair[tail >> 30 & 1023]}{pair[tail >> 40 & 1023]}"
        f"{pair[tail >> 50 & 1023]}"
    )


def decode(id_: str) -> int | None:
    """The compartment that an id carries, or None for an id that a client chose."""
    if not _SHAPE.fullmatch(id_):
        return None
    found = int(id_[:_WIDTH], 32) >> 1 & _ALL
    return found - (1 << 64) if found >> 63 else found


def guess(space: int, type_: str, id_: str) -> int | None:
    """The compartment where a resource is expected, from its type and id alone; None when only the locator knows."""
    if type_ == "Patient":
        return patient_key(id_)
    if not has_compartments(type_):
        return own_key(space, type_, id_)
    return decode(id_)
