"""The algebra of access rules. Pure: no clock, database or network."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Decision:
    """Yes or no, and why: `reason` is a French sentence for the person refused, `rule` the stable name of the rule."""

    allowed: bool
    reason: str = ""
    rule: str = ""


YES = Decision(True)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a rule may know of a resource: its type and id, the patients in whose compartments it is, its index tokens.

    A token is `(search parameter, value)`, the value being `system|code`, `|code`, or a reference `Type/id`, as the search
    index holds them.
    """

    type: str
    id: str = ""
    patients: frozenset[str] = frozenset()
    tokens: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Filter:
    """A rule. Subclasses say what they ask; `reason` and `rule` are given with a refusal."""

    def admits(self, facts: Facts) -> Decision:
        """Whether the rule lets this resource through, with the reason where it does not."""
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Everything(Filter):
    """No limit."""

    def admits(self, facts: Facts) -> Decision:
        return YES


@dataclass(frozen=True, slots=True)
class Nothing(Filter):
    """Refused whatever the resource."""

    reason: str = "Vous n’avez pas accès à cette ressource."
    rule: str = "nothing"

    def admits(self, facts: Facts) -> Decision:
        return Decision(False, self.reason, self.rule)


@dataclass(frozen=True, slots=True)
class InPatient(Filter):
    """Only what is in the compartment of this patient (logical id)."""

    patient: str
    reason: str = "Cette ressource ne concerne pas le patient pour lequel vous êtes autorisé."
    rule: str = "in-patient"

    def admits(self, facts: Facts) -> Decision:
        return YES if self.patient in facts.patients else Decision(False, self.reason, self.rule)


@dataclass(frozen=True, slots=True)
class OfType(Filter):
    """Only these resource types."""

    types: frozenset[str]
    reason: str = "Vos droits ne couvrent pas ce type de ressource."
    rule: str = "of-type"

    def admits(self, facts: Facts) -> Decision:
        return YES if facts.type in self.types else Decision(False, self.reason, self.rule)


@dataclass(frozen=True, slots=True)
class Has(Filter):
    """Only resources that the search parameter `param` finds by `value` (`system|code`, `|code`, `Type/id`)."""

    param: str
    value: str
    reason: str = "Vos droits ne couvrent pas cette ressource."
    rule: str = "has"

    def admits(self, facts: Facts) -> Decision:
        return YES if (self.param, self.value) in facts.tokens else Decision(False, self.reason, self.rule)


@dataclass(frozen=True, slots=True)
class AllOf(Filter):
    """Every part must hold; the reason is that of the first that does not."""

    parts: Sequence[Filter]

    def admits(self, facts: Facts) -> Decision:
        for part in self.parts:
            decision = part.admits(facts)
            if not decision.allowed:
                return decision
        return YES


@dataclass(frozen=True, slots=True)
class AnyOf(Filter):
    """One part is enough; when none holds the reason is ours if given, that of the last part otherwise."""

    parts: Sequence[Filter]
    reason: str = ""
    rule: str = "any-of"

    def admits(self, facts: Facts) -> Decision:
        decision = Decision(False, self.reason, self.rule)
        for part in self.parts:
            decision = part.admits(facts)
            if decision.allowed:
                return decision
        return Decision(False, self.reason, self.rule) if self.reason else decision


@dataclass(frozen=True, slots=True)
class ByType(Filter):
    """To each resource type its own rule: for what a search meets beyond its own type (chains, includes)."""

    of: Callable[[str], Filter]

    def admits(self, facts: Facts) -> Decision:
        return self.of(facts.type).admits(facts)


@dataclass(frozen=True, slots=True)
class Not(Filter):
    """Whatever the part does not let through."""

    part: Filter
    reason: str = "Cette ressource vous est masquée."
    rule: str = field(default="not")

    def admits(self, facts: Facts) -> Decision:
        return Decision(False, self.reason, self.rule) if self.part.admits(facts).allowed else YES
