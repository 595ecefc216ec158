"""What validation finds, with the place of each finding, bounded in number."""

from virage.core.errors import Issue

# A place is a linked list (place above, name, index or -1): it costs one tuple on the way down, and becomes text only
# when there is something to report.
Place = tuple[object, str, int]

MAX_ISSUES = 500


class Enough(Exception):
    """Raised when MAX_ISSUES findings are written: whoever sent this has enough to mend."""


def text_of(place: Place) -> str:
    """The FHIRPath of a place, such as `Patient.name[0].use`."""
    parts: list[str] = []
    current: object = place
    while isinstance(current, tuple):
        current, name, index = current
        parts.append(f"{name}[{index}]" if index >= 0 else name)
    return ".".join(reversed(parts))


class Report:
    """Findings in the order they are met. `contained` maps the ids of the resource's contained resources to their types."""

    __slots__ = ("contained", "inside", "issues")

    def __init__(self) -> None:
        self.issues: list[Issue] = []
        self.contained: dict[str, str] = {}
        self.inside = False

    def add(self, code: str, text: str, place: Place, name: str = "", index: int = -1, severity: str = "error") -> None:
        """Write a finding at `place`, or at its child `name` (and `index`) when given. Raises Enough at the limit."""
        where = text_of((place, name, index) if name else place)
        self.issues.append(Issue(code, text, where, severity))
        if len(self.issues) >= MAX_ISSUES:
            self.issues.append(
                Issue(
                    "too-costly",
                    f"Plus de {MAX_ISSUES} anomalies : le contrôle s'arrête là. Corrigez celles-ci puis recommencez.",
                    where,
                    "information",
                )
            )
            raise Enough
