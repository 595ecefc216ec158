"""Validation of resources: every finding with its place, in words that say how to mend.

`check` walks the structure (always); profiles and invariants come on top when profiles are asked for.
"""

from collections.abc import Sequence
from typing import Any

from virage.core.errors import Issue
from virage.core.fhir.validation.report import Enough, Report
from virage.core.fhir.validation.structure import resource as _resource

__all__ = ["Issue", "check"]

MAX_DEPTH_TEXT = "La ressource est imbriquée trop profondément pour être contrôlée : aplatissez-la."


def check(resource: dict[str, Any], *, profiles: Sequence[str] = ()) -> list[Issue]:
    """Every structural finding of a resource, in document order; empty when it is sound. Never raises on bad input."""
    report = Report()
    name = resource.get("resourceType") if isinstance(resource, dict) else None
    try:
        _resource(resource, (None, name if isinstance(name, str) and name.isalpha() else "Resource", -1), report)
    except Enough:
        pass
    except RecursionError:
        report.issues.append(Issue("too-costly", MAX_DEPTH_TEXT))
    return report.issues
