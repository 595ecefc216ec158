"""What the client wishes about its answer: Accept, `_format`, `_pretty`, `_summary`, `_elements`, `Prefer`."""

import re
from typing import NamedTuple

from virage.core.errors import Malformed, VirageError
from virage.core.fhir.request import JSON, XML, FhirRequest, media

SUMMARIES = ("true", "text", "data", "count", "false")
_NAME = re.compile(r"[A-Za-z0-9_.:\[\]-]+")
RESULT_PARAMETERS = frozenset({"_format", "_pretty", "_summary", "_elements"})


class NotAcceptable(VirageError):
    """The client only takes formats that are not made here."""

    code = "FHIR.ACCEPT"
    status = 406
    issue = "not-supported"


def as_path(name: str) -> str:
    """The name of a parameter as the place of what is wrong with it: what cannot be a name is not repeated."""
    return name[:64] if _NAME.fullmatch(name[:64]) else ""


class Prefer(NamedTuple):
    """The `Prefer` header: what to return after a write, and what to do with unknown search parameters."""

    returns: str = "representation"
    lenient: bool = False
    wait: bool = True


def prefer(request: FhirRequest) -> Prefer:
    """Read `Prefer`; preferences that nobody knows are ignored, as RFC 7240 asks."""
    header = request.headers.get("prefer")
    if not header:
        return _USUAL
    wishes: dict[str, str] = {}
    for part in header.replace(",", ";").split(";"):
        name, _, value = part.strip().partition("=")
        wishes.setdefault(name.strip().lower(), value.strip().strip('"'))
    returns = wishes.get("return", "representation")
    if returns not in ("minimal", "representation", "OperationOutcome"):
        returns = "representation"
    return Prefer(returns, wishes.get("handling") == "lenient", "respond-async" not in wishes)


_USUAL = Prefer()


def wanted_format(request: FhirRequest) -> str:
    """`json` or `xml`. `_format` wins over Accept. Raises NotAcceptable (406)."""
    accept = request.headers.get("accept", "")
    if "_format" in request.query or request.parsed_params:
        given = request.param("_format")
        if given is not None:
            # A plus sign that the client did not encode has become a space.
            found = media(given.replace("fhir ", "fhir+"))
            if found is None:
                raise NotAcceptable(
                    "Le format demandé par « _format » n'est pas produit ici : json ou xml.", path="_format"
                )
            return found
    if accept in PLAIN_JSON or _browses(accept):
        return JSON
    return _negotiate(accept)


def is_browsing(request: FhirRequest) -> bool:
    """Whether someone looks at this in a browser: it takes pages, and no format was asked for."""
    return _browses(request.headers.get("accept", "")) and request.param("_format") is None


def _browses(accept: str) -> bool:
    # Pages first, then any XML, which browsers keep as a file of that size; a client of FHIR names its formats.
    return "text/html" in accept and "fhir" not in accept


PLAIN_JSON = frozenset({"", "*/*", "application/fhir+json", "application/json"})
"""What `Accept` says when JSON is meant and nothing else needs to be weighed."""


def _negotiate(accept: str) -> str:
    best, weight = "", 0.0
    for part in accept.split(","):
        name, _, rest = part.partition(";")
        name = name.strip().lower()
        found = JSON if name in ("*/*", "application/*", "text/*") else media(part)
        quality = _quality(rest)
        if found and quality > weight:
            best, weight = found, quality
    if not best:
        raise NotAcceptable(
            "Aucun des formats acceptés n'est produit ici : application/fhir+json, application/fhir+xml.", path="Accept"
        )
    return best


def _quality(parameters: str) -> float:
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "q":
            try:
                return float(value)
            except ValueError:
                return 0.0
    return 1.0


def wants_pretty(request: FhirRequest) -> bool:
    """Whether `_pretty=true` was asked."""
    return "_pretty" in request.query and request.param("_pretty") == "true"


class View(NamedTuple):
    """Which part of each resource to send: a `_summary` code or ``""``, and the `_elements` named."""

    summary: str = ""
    elements: tuple[str, ...] = ()

    @property
    def whole(self) -> bool:
        """True when resources leave as they are."""
        return not self.summary and not self.elements


WHOLE = View()


def wanted_view(request: FhirRequest) -> View:
    """Read `_summary` and `_elements`. Raises Malformed for an unknown `_summary`."""
    if not request.query and request.parsed_params is None and not request.path.endswith("_search"):
        return WHOLE
    summary = request.param("_summary") or ""
    if summary and summary not in SUMMARIES:
        raise Malformed(
            "« _summary » vaut true, text, data, count ou false.", code="FHIR.SUMMARY", issue="value", path="_summary"
        )
    elements = tuple(
        name.strip() for key, value in request.params if key == "_elements" for name in value.split(",") if name.strip()
    )
    if summary == "false":
        summary = ""
    return View(summary, elements) if summary or elements else WHOLE


__all__ = [
    "JSON",
    "XML",
    "NotAcceptable",
    "Prefer",
    "View",
    "is_browsing",
    "prefer",
    "wanted_format",
    "wanted_view",
    "wants_pretty",
]
