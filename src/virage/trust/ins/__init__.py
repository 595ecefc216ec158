"""Identité nationale de santé: who the patient is, with which certainty, under which matricule.

Authority: articles L. 1111-8-1 and R. 1111-8-1 and following of the public health code, RNIV v2.0, INSi service of the
CNAM. Left out: the Vitale card reader and the mass verification of INSi.

Doors for other rooms: `find`, `of_patient`, `of_patients`, `require_qualified`, `match_header`, `Identity`, `Traits`, `Matricule`; the modules
`rules` and `places`; `populate` and `Person` for the sandbox.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.trust.ins import places, rules
    from virage.trust.ins.actions import find_by_value, populate, recherche
    from virage.trust.ins.identity import Identity, patient_of
    from virage.trust.ins.population import Person
    from virage.trust.ins.queries import find, of_patient, of_patients
    from virage.trust.ins.rules import Difference, Matricule, Traits

# Fetched on first use: the rules must be readable without Django.
_HOMES = {
    "Identity": "identity",
    "patient_of": "identity",
    "find": "queries",
    "of_patient": "queries",
    "of_patients": "queries",
    "Difference": "rules",
    "Matricule": "rules",
    "Traits": "rules",
    "Person": "population",
    "populate": "actions",
    "recherche": "actions",
    "find_by_value": "actions",
}
_MODULES = ("places", "rules")

__all__ = [
    "Difference",
    "Identity",
    "Matricule",
    "Person",
    "Traits",
    "find",
    "find_by_value",
    "match_header",
    "of_patient",
    "of_patients",
    "patient_of",
    "places",
    "populate",
    "recherche",
    "require_qualified",
    "rules",
]


def require_qualified(matricule: str, oid: str) -> "Identity":
    """The qualified identity that holds this matricule.

    Raises `Invalid` for a malformed matricule or wrong key, `Unknown` (INS.UNKNOWN) when nobody here holds it, `Forbidden`
    (INS.NOT_QUALIFIED) when the identity is not qualified.
    """
    from virage.core.errors import Unknown
    from virage.trust.ins import queries
    from virage.trust.ins.identity import not_qualified

    identity = queries.find(matricule, oid)
    if identity is None:
        raise Unknown("Aucune identité d'ici ne porte ce matricule INS.", code="INS.UNKNOWN")
    if not identity.qualified:
        raise not_qualified()
    return identity


def match_header(identity: "Identity", traits: "Traits") -> "list[Difference]":
    """Traits in which the header of a document is not this identity; empty when it is about this patient."""
    from virage.trust.ins import rules

    return rules.compare_traits(traits, identity.traits)


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if name in _MODULES:
        return import_module(f"{__name__}.{name}")
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
