"""Where a resource lives: its patient compartment and row id, and the ids that carry them. Pure, but for random ids."""

import base64
import re
import secrets

from virage.core.errors import Malformed
from virage.core.fhir import definitions
from virage.core.fhir.index import keys, patient_params

ID = re.compile(r"[A-Za-z0-9\-.]{1,64}")
_WIDTH = 13
_SHAPE = re.compile(rf"[0-9a-v]{{{_WIDTH}}}-[0-9a-v]{{12}}")

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


def patient_key(patient: str) -> int:
    """The compartment of a patient, from the logical id of the Patient: the same in every space."""
    return keys.h64("Patient/" + patient)


def own_key(space: int, type_: str, id_: str) -> int:
    """The compartment of a resource that concerns no patient: a hash of its own id, so that they spread."""
    return keys.h64(f"own/{space}/{type_}/{id_}")


def has_compartments(type_: str) -> bool:
    """Whether resources of this type can be in a patient's compartment other than by being a Patient."""
    return type_ != "Patient" and bool(patient_params(type_))


def random_key() -> int:
    """A compartment drawn at random, for a resource that concerns no patient (yet)."""
    return secrets.randbits(64) - (1 << 63)


def encode(compartment: int) -> str:
    """A new id that carries its compartment: thirteen characters of it (base 32), a hyphen, twelve at random."""
    head = base64.b32hexencode(compartment.to_bytes(8, "big", signed=True))[:_WIDTH]
    tail = base64.b32hexencode(secrets.token_bytes(8))[:12]
    return f"{head.decode()}-{tail.decode()}".lower()


def decode(id_: str) -> int | None:
    """The compartment that an id carries, or None for an id that a client chose."""
    if not _SHAPE.fullmatch(id_):
        return None
    # Thirteen characters hold one bit more than the eight bytes.
    return int.from_bytes(base64.b32hexdecode(id_[:_WIDTH].upper() + "==="), "big", signed=True)


def guess(space: int, type_: str, id_: str) -> int | None:
    """The compartment where a resource is expected, from its type and id alone; None when only the locator knows."""
    if type_ == "Patient":
        return patient_key(id_)
    if not has_compartments(type_):
        return own_key(space, type_, id_)
    return decode(id_)
