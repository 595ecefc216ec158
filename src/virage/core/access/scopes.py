"""SMART scopes, version 1 (`user/Patient.read`) and 2 (`system/Observation.rs?category=…`), as access filters.

Source: SMART App Launch 2.2.0, « Scopes and Launch Context ».
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import parse_qsl

from virage.core.access.filters import AllOf, AnyOf, Everything, Filter, Has, InPatient, Nothing, OfType
from virage.core.callers import Caller, Kind

_SCOPE = re.compile(r"^(patient|user|system)/(\*|[A-Z][A-Za-z]+)\.(\*|read|write|c?r?u?d?s?)(\?.+)?$")
_LETTERS = {"*": "cruds", "read": "rs", "write": "cud"}

# Which letter opens each FHIR interaction.
_NEEDED = {
    "read": "r",
    "vread": "r",
    "history-instance": "r",
    "search-type": "s",
    "search-system": "s",
    "history-type": "s",
    "history-system": "s",
    "create": "c",
    "update": "u",
    "patch": "u",
    "delete": "d",
    "operation": "r",
}

DIRECTORY = frozenset(
    {
        "Endpoint",
        "HealthcareService",
        "Location",
        "Organization",
        "OrganizationAffiliation",
        "Practitioner",
        "PractitionerRole",
    }
)
"""The types of a care directory (IHE Mobile Care Services Discovery), none of which is in the Patient compartment of FHIR R4.

A scope of a patient opens the compartment of the patient. SMART App Launch leaves to the server, by the rights of the person, what
is in no compartment: such a type is opened where its space says that it is public (`register(…, public=…)`), nowhere else.
"""

_LOOKING = frozenset({"read", "vread", "history-instance", "search-type", "search-system"})


@dataclass(frozen=True, slots=True)
class Scope:
    """One SMART scope: its context, resource type (`*` for all), letters out of `cruds`, search constraints."""

    context: str
    type: str
    letters: str
    constraints: tuple[tuple[str, str], ...] = ()


def parse_scopes(scopes: Iterable[str]) -> list[Scope]:
    """The resource scopes among these; others (`openid`, `scope_all`, …) are left out.

    A scope whose constraints cannot be enforced here (a modifier, a prefix, a chain) opens nothing: it is dropped.
    """
    found = []
    for text in scopes:
        match = _SCOPE.match(text)
        if not match or not match[3]:
            continue
        letters = _LETTERS.get(match[3], match[3])
        constraints = tuple(parse_qsl(match[4][1:], keep_blank_values=True)) if match[4] else ()
        if match[4] and not constraints:
            continue
        if any(":" in name or "." in name or not value for name, value in constraints):
            continue
        found.append(Scope(match[1], match[2], letters, constraints))
    return found


def _token(value: str) -> str:
    return value if "|" in value or "/" in value else f"|{value}"


def _filter(scope: Scope, patient: str, public: frozenset[str]) -> Filter:
    parts: list[Filter] = []
    if scope.context == "patient":
        if not patient:
            return Nothing("Le jeton ne dit pas de quel patient il s’agit.", "scope.no-patient")
        inside = InPatient(patient)
        # The compartment last: its reason is the one that is told.
        parts.append(AnyOf((OfType(public), inside)) if public else inside)
    for name, value in scope.constraints:
        alternatives: list[Filter] = [Has(name, _token(one)) for one in value.split(",")]
        parts.append(alternatives[0] if len(alternatives) == 1 else AnyOf(alternatives))
    if not parts:
        return Everything()
    return parts[0] if len(parts) == 1 else AllOf(parts)


def scope_filter(by: Caller, interaction: str, type_: str, *, public: frozenset[str] = frozenset()) -> Filter:
    """What the scopes of the caller's token let through for this interaction on this type (`*` for a system-wide one).

    `public` are the types of the space that a patient's scope lets read outside of the compartment, see `DIRECTORY`.
    """
    return _remembered(by.scopes, by.kind, by.patient or by.context, interaction, type_, public)


@lru_cache(maxsize=4096)
def _remembered(
    scopes: frozenset[str], kind: Kind, patient: str, interaction: str, type_: str, public: frozenset[str]
) -> Filter:
    needed = _NEEDED.get(interaction, "r")
    shown = public if interaction in _LOOKING else frozenset[str]()
    opened = [
        _filter(scope, patient, shown)
        for scope in parse_scopes(scopes)
        if needed in scope.letters and (scope.type == "*" or scope.type == type_)
    ]
    if not opened:
        return Nothing(
            f"Votre jeton n’ouvre pas cette opération : il y faut une portée comme « {_example(kind)}/{type_}.{needed} ».",
            "scope.missing",
        )
    if any(isinstance(part, Everything) for part in opened):
        return Everything()
    return opened[0] if len(opened) == 1 else AnyOf(opened)


def _example(kind: Kind) -> str:
    return {"software": "system", "citizen": "patient"}.get(kind, "user")
