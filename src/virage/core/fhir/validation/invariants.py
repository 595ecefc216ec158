"""Invariants: rules in FHIRPath, compiled once, run where they stand."""

from functools import lru_cache
from typing import Any

from virage.core.fhir import fhirpath
from virage.core.fhir.fhirpath.evaluation import GUEST_STEPS, MAX_STEPS
from virage.core.fhir.fhirpath.parser import parse
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session

# Said by the structural walk or by the walk of extensions, which do it faster and with better words.
ELSEWHERE = frozenset({"ele-1", "ext-1", "txt-1", "txt-2", "dom-2", "dom-3", "ref-1"})

# Rules of every resource that speak of one element alone: nothing to evaluate where it is absent.
ABOUT = {"dom-4": "contained", "dom-5": "contained"}

# Rules that hold at a glance: where these names are absent, or, after the bar, where one of these is there.
_AT_A_GLANCE: dict[str, tuple[str, str]] = {
    "att-1": ("data", "contentType"),
    "cpt-2": ("value", "system"),
    "per-1": ("start", ""),
    "qty-3": ("code", "system"),
}

# Advice rather than a rule: R4 itself calls it a best practice, and no program keeps it.
ADVICE = frozenset({"dom-6"})

# Published expressions that say something else than their own words: que-12 says « > 2 » for « more than one », and que-7 names
# the type of FHIRPath where the element has that of FHIR.
MENDED = {
    "que-7": "operator = 'exists' implies (answer is boolean)",
    "que-12": "enableWhen.count() > 1 implies enableBehavior.exists()",
}


def is_elsewhere(key: str) -> bool:
    """Whether a rule is told by another part of validation, or by none."""
    return key in ELSEWHERE or key in ADVICE


def run(key: str, severity: str, expression: str, item: Item, session: Session, source: str = "") -> None:
    """Evaluate one invariant on one element, and write a finding when it does not hold."""
    session.spend()
    if is_elsewhere(key):
        return
    value = item.value
    if not source and type(value) is dict:
        needed = ABOUT.get(key)
        if needed is not None and needed not in value:
            return
        glance = _AT_A_GLANCE.get(key)
        if glance is not None:
            absent, present = glance
            if (absent not in value and "_" + absent not in value) or present in value:
                return
            if key == "per-1" and "end" not in value and "_end" not in value:
                return
    expression = MENDED.get(key, expression)
    try:
        holds = holds_on(expression, item, session, MAX_STEPS if not source else GUEST_STEPS)
    except fhirpath.FhirPathError:
        text = f"La règle {key} n'a pu être évaluée ici : son expression n'est pas comprise."
        session.add("processing", text, item.place, "error" if source and not _reads(expression) else "information")
        return
    if not holds:
        where = f" (profil {source})" if source else ""
        level = "error" if severity == "error" else "warning"
        session.add("invariant", f"La règle {key} n'est pas respectée{where} : {expression}", item.place, level)


@lru_cache(1024)
def _reads(expression: str) -> bool:
    """Whether an expression follows the grammar of FHIRPath, known or not what it names: else nothing can conform to it."""
    try:
        parse(expression)
    except fhirpath.FhirPathError:
        return False
    return True


def holds_on(expression: str, item: Item, session: Session, steps: int = GUEST_STEPS) -> bool:
    """Whether an expression is true on an element. Raises FhirPathError when it cannot be evaluated."""
    frame = item.frame
    value: Any = item.value
    if value is None and item.twin is not None:
        value = item.twin
        compiled = fhirpath.compile(expression, "Element")
    else:
        compiled = fhirpath.compile(expression, item.type)

    def find(reference: str) -> Any:
        found = session.resolve(reference, frame)
        return found[0] if found else None

    def conforms(value: Any, canonical: str) -> bool | None:
        from virage.core.fhir.validation.conformance import conforms_to

        if type(value) is not dict or "resourceType" not in value:
            return None
        inner = Item(value, None, value["resourceType"], item.place, frame)
        return conforms_to(inner, canonical, session)

    return compiled.truth(
        value,
        resource=None if frame.resource is value else frame.resource,
        root=None if frame.root is frame.resource else frame.root,
        resolver=find,
        terminology=session.terminology,
        conforms=conforms,
        steps=steps,
        bundles=session.named,
        spent=session.charge if steps == GUEST_STEPS else None,
    )
