"""Reads and judges a document in one call."""

from dataclasses import dataclass

from virage.core.errors import Invalid, Issue
from virage.trust.interop import rules
from virage.trust.interop.header import metadata
from virage.trust.interop.reader import read
from virage.trust.interop.values import CdaMetadata, Traits


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found: every issue with its path, and what the header says."""

    issues: tuple[Issue, ...]
    metadata: CdaMetadata

    @property
    def errors(self) -> tuple[Issue, ...]:
        """The findings that refuse the document."""
        return tuple(issue for issue in self.issues if issue.severity == "error")

    @property
    def sound(self) -> bool:
        """Whether nothing refuses the document."""
        return not self.errors

    def require(self) -> "Report":
        """Itself when sound; raises `Invalid` (`INTEROP.NOT_SOUND`, 422) with every finding otherwise."""
        if self.errors:
            ordered = sorted(self.issues, key=lambda issue: issue.severity != "error")
            raise Invalid(self.errors[0].text, code="INTEROP.NOT_SOUND", path=self.errors[0].path, issues=ordered)
        return self


def check(document: bytes, identity: Traits | None = None) -> Report:
    """Reads a CDA, checks its header, and against an identity when given.

    Raises `Malformed` (`INTEROP.EMPTY`, `.TOO_LARGE`, `.XML_UNSAFE`, `.XML_MALFORMED`, `.NOT_CDA`) when there is no
    document to judge.
    """
    tree = read(document)
    facts = metadata(tree)
    issues = list(rules.header_issues(tree.root, facts))
    if identity is not None:
        issues += rules.identity_issues(facts.traits, identity)
    return Report(tuple(issues), facts)
