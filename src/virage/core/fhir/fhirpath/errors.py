"""The one refusal of the engine: an expression that cannot be read, or that cannot be evaluated on this input."""

from virage.core.errors import VirageError


class FhirPathError(VirageError):
    """An expression that is wrong, or wrong for its input. Never carries a value of the resource.

    `position` counts characters from the start of the expression (0 first), or is None where no place can be named.
    """

    code = "FHIR.FHIRPATH_INVALID"
    status = 422
    issue = "invalid"

    def __init__(self, text: str, position: int | None = None, *, issue: str | None = None) -> None:
        self.reason = text
        self.position = position
        super().__init__(text if position is None else f"{text} (caractère {position + 1})", issue=issue)

    def at(self, position: int) -> "FhirPathError":
        """The same refusal with its place, unless it already has one."""
        return self if self.position is not None else type(self)(self.reason, position, issue=self.issue)


class TooDear(FhirPathError):
    """An evaluation stopped because it would take too many steps or too much memory."""

    code = "FHIR.FHIRPATH_TOO_DEAR"
    issue = "too-costly"
