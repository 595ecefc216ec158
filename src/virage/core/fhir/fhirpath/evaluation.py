"""One evaluation: its variables, its hooks, and the steps it may still take."""

from collections.abc import Callable, Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol

from virage.core.fhir.fhirpath import temporal
from virage.core.fhir.fhirpath.errors import FhirPathError, TooDear
from virage.core.fhir.fhirpath.values import Items, Node

# Steps of one evaluation, a few microseconds each; the second bound is for expressions that come from outside.
MAX_STEPS = 1_000_000
GUEST_STEPS = 200_000
MAX_TEXT = 1_000_000

Closure = Callable[[Items, "Evaluation"], Items]
Conforms = Callable[[Any, str], bool | None]
Resolver = Callable[[str], Mapping[str, Any] | None]


class Terminology(Protocol):
    """What `memberOf`, `subsumes` and `%terminologies` ask of a terminology service. None: cannot be told."""

    def member_of(self, value: Any, type: str, valueset: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set."""
        ...

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        """Whether a code subsumes another."""
        ...


class Evaluation:
    """What closures share while one expression runs on one focus."""

    # Defaults stand on the class: an evaluation without options sets three attributes and no more.
    variables: Mapping[str, Items] = MappingProxyType({})
    resolver: Resolver | None = None
    terminology: Terminology | None = None
    conforms: Conforms | None = None
    moment: datetime | None = None
    #: by identity of a Bundle, its resources by what references call them; kept from one evaluation to the next by who shares it
    bundles: dict[int, dict[str, Any]] | None = None
    steps = MAX_STEPS
    index = 0
    total: Items = []  # noqa: RUF012 (never changed: collections are not)

    def __init__(self, start: Node, resource: Node, root: Node) -> None:
        self.start = start
        self.resource = resource
        self.root = root

    def spend(self, steps: int) -> None:
        """Count steps; TooDear when none is left."""
        self.steps -= steps
        if self.steps < 0:
            raise TooDear("Expression trop coûteuse sur cette ressource : réduisez ce qu’elle parcourt.")

    def now(self) -> datetime:
        """The moment of the evaluation, the same wherever the expression asks."""
        if self.moment is None:
            self.moment = temporal.here()
        return self.moment

    def text(self, value: str) -> str:
        """A text made by a function, refused when it grows without measure."""
        if len(value) > MAX_TEXT:
            raise TooDear("Texte trop long produit par l’expression.")
        self.spend(1 + len(value) // 16)
        return value


_URLS = {"ucum": "http://unitsofmeasure.org", "sct": "http://snomed.info/sct", "loinc": "http://loinc.org"}


def variable(name: str, position: int) -> Closure:
    """`%name`: one that FHIR fixes, or one of the evaluation. FhirPathError when it has none of this name."""
    fixed = _URLS.get(name)
    if fixed is None and name.startswith("vs-"):
        fixed = "http://hl7.org/fhir/ValueSet/" + name[3:]
    if fixed is None and name.startswith("ext-"):
        fixed = "http://hl7.org/fhir/StructureDefinition/" + name[4:]
    if fixed is not None:
        constant: Items = [fixed]
        return lambda focus, env: constant
    if name == "resource":
        return lambda focus, env: [env.resource]
    if name == "rootResource":
        return lambda focus, env: [env.root]
    if name == "context":
        return lambda focus, env: [env.start]

    def run(focus: Items, env: Evaluation) -> Items:
        found = env.variables.get(name)
        if found is None:
            raise FhirPathError(f"Variable inconnue : %{name}.", position)
        return found

    return run


RESERVED = frozenset({"resource", "rootResource", "context", "terminologies", "factory", *_URLS})
