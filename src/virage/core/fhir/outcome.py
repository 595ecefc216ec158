"""The one function that turns a refusal into what FHIR clients read: an OperationOutcome."""

from collections.abc import Iterable
from typing import Any

from virage.core.errors import Issue, VirageError

ERROR_SYSTEM = "urn:virage:erreur"


def of_error(error: VirageError) -> dict[str, Any]:
    """The OperationOutcome of a refusal: every issue with its FHIR code, its path, its French sentence."""
    return of_issues(error.issues, error.code)


def of_issues(issues: Iterable[Issue], code: str = "") -> dict[str, Any]:
    """An OperationOutcome with one entry an issue; `code` is the stable code of the refusal, if there is one."""
    entries = [_entry(issue, code) for issue in issues]
    return {"resourceType": "OperationOutcome", "issue": entries or [_entry(ALL_WELL, "")]}


def _entry(issue: Issue, code: str) -> dict[str, Any]:
    details: dict[str, Any] = {"text": issue.text}
    entry: dict[str, Any] = {"severity": issue.severity, "code": issue.code, "details": details}
    if code:
        details["coding"] = [{"system": ERROR_SYSTEM, "code": code}]
        # Developers look at `diagnostics` first; it says what a program can test, never what the data was.
        entry["diagnostics"] = f"{code} at {issue.path}" if issue.path else code
    if issue.path:
        entry["expression"] = [issue.path]
    return entry


ALL_WELL = Issue("informational", "Aucune anomalie.", severity="information")
