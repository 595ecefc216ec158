"""Validation of resources: every finding with its place, in words that say how to mend.

`check` walks the structure, in some tens of microseconds; it is what every write goes through. `validate` adds what
`$validate` promises: invariants, profiles, codes, extensions, references, bundles, questionnaires.
"""

from collections.abc import Sequence
from typing import Any

from virage.core.errors import Issue
from virage.core.fhir.validation.registry import KEPT, BadPackage, Registry, conformance_of
from virage.core.fhir.validation.report import Enough, Report
from virage.core.fhir.validation.session import Options
from virage.core.fhir.validation.structure import resource as _resource
from virage.core.fhir.validation.syntax import read
from virage.core.fhir.validation.terminology import BuiltIn, Terminology

__all__ = [
    "KEPT",
    "BadPackage",
    "BuiltIn",
    "Issue",
    "Options",
    "Registry",
    "Terminology",
    "check",
    "conformance_of",
    "is_draft",
    "read",
    "validate",
]

# What a definition under construction may still lack, and the types that others are validated against.
_DRAFTS = frozenset(
    {"CodeSystem", "ConceptMap", "Library", "Measure", "Questionnaire", "StructureDefinition", "ValueSet"}
)
_UNFINISHED = frozenset({"code-invalid", "required", "value"})

_TOO_DEEP = "La ressource est imbriquée trop profondément pour être contrôlée : aplatissez-la."
_base = Registry()


def check(resource: dict[str, Any], *, profiles: Sequence[str] = (), registry: Registry | None = None) -> list[Issue]:
    """Every finding of a resource, in document order; empty when it is sound. Never raises on bad input.

    Without profiles and registry: the structure alone. With either: as `validate`.
    """
    if profiles or registry is not None:
        return validate(resource, profiles=profiles, registry=registry)
    report = Report()
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    try:
        _resource(resource, (None, name if isinstance(name, str) and name.isalpha() else "Resource", -1), report)
    except Enough:
        pass
    except RecursionError:
        report.issues.append(Issue("too-costly", _TOO_DEEP))
    return report.issues


def is_draft(resource: dict[str, Any], issues: Sequence[Issue]) -> bool:
    """Whether these findings leave a definition usable: it has an address; elements are missing or oddly written, none is strange."""
    return (
        resource.get("resourceType") in _DRAFTS
        and isinstance(resource.get("url"), str)
        and all(each.severity != "error" or each.code in _UNFINISHED for each in issues)
    )


def validate(
    resource: dict[str, Any],
    *,
    profiles: Sequence[str] = (),
    registry: Registry | None = None,
    terminology: Terminology | None = None,
    options: Options | None = None,
) -> list[Issue]:
    """Structure first; where it stands, then invariants, declared and asked profiles, codes, extensions, references.

    A resource whose structure is broken gets the structural findings and whatever else can still be told.
    """
    from virage.core.fhir.validation import deep, order
    from virage.core.fhir.validation.conformance import check_profile, subject
    from virage.core.fhir.validation.items import top
    from virage.core.fhir.validation.session import Session

    found = check(resource)
    if not isinstance(resource, dict) or any(each.code == "too-costly" for each in found):
        return found
    unread = {each for each in found if each.code == "structure"}
    options = options or Options()
    session = Session(registry or _base, options, terminology)  # type: ignore[arg-type]
    session.issues = found
    session.seen = {(each.code, each.text, each.path) for each in found}
    item = top(resource)
    try:
        if not any(each.path in ("", item.type) and each.code in ("structure", "invalid") for each in found[:1]):
            deep.resource(item, session)
            for canonical in profiles:
                check_profile(subject(item, canonical, session), canonical, session)
    except Enough:
        pass
    except RecursionError:
        session.issues.append(Issue("too-costly", _TOO_DEEP))
    except (AttributeError, TypeError, KeyError, ValueError):
        # Where the structure is broken, what stands on it may be unreadable; the structural findings say why.
        if not any(each.severity == "error" for each in found):
            raise
    if not options.contained:
        session.issues = [each for each in session.issues if ".contained[" not in each.path]
    return order.by_place(session.issues, resource, unread, session.late, session.closed)
