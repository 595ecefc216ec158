"""What the definitions alone say is wrong in an expression, before any resource is seen.

Types are followed as far as they are certain: where they are not (None), nothing is refused.
"""

from virage.core.fhir.fhirpath import model
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.functions.types import specifier
from virage.core.fhir.fhirpath.model import Type
from virage.core.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Index,
    Member,
    SortKey,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
)

Types = frozenset[Type] | None

# Functions that give back (some of) their input.
_KEEP = frozenset(
    "where first last tail skip take single distinct trace exclude intersect checkModifiers sort defineVariable".split()  # noqa: SIM905
)
# Functions whose argument runs on each item of the input.
_EACH = frozenset({"where", "select", "exists", "all", "sort", "trace"})
_ORDERED = frozenset({"first", "last", "tail", "skip", "take"})
# Their argument names a type.
_TYPED = frozenset({"ofType", "as", "is"})
# What runs again on its own results, or on a collection: not followed.
_LOOSE = frozenset({"repeat", "repeatAll", "aggregate", "iif", "defineVariable"})


def check(tree: Tree, type: str) -> None:
    """FhirPathError with its position when the expression means nothing on a focus of this type."""
    try:
        start = model.fhir_type(type)
    except KeyError:
        raise FhirPathError("Type inconnu de FHIR R4.") from None
    _Checker(frozenset({start})).of(tree, frozenset({start}))


class _Checker:
    def __init__(self, start: Types) -> None:
        self.start = start

    def of(self, tree: Tree, focus: Types) -> Types:
        match tree:
            case Member(None, name) if name[:1].isupper() and model.known(name):
                return self.type_at_start(name, focus, tree.position)
            case Member(base, name):
                return self.member(focus if base is None else self.of(base, focus), name, tree.position)
            case Call():
                return self.call(tree, focus)
            case Index(base, index):
                self.of(index, focus)
                return self.of(base, focus)
            case Special("this"):
                return focus
            case Variable(name):
                return self.start if name in ("context", "resource") else None
            case Binary(operator, left, right):
                a, b = self.of(left, focus), self.of(right, focus)
                return a | b if operator == "|" and a is not None and b is not None else None
            case TypeTest(operator, operand, (_, name)):
                self.of(operand, focus)
                return self.named(name) if operator == "as" else None
            case Unary(_, operand) | SortKey(operand, _):
                self.of(operand, focus)
        return None

    def named(self, name: str) -> Types:
        return frozenset({model.fhir_type(name)}) if model.known(name) else None

    def type_at_start(self, name: str, focus: Types, position: int) -> Types:
        if focus is None:
            return None
        found = frozenset(each for each in focus if each.is_a(name))
        if found:
            return found
        if any(each.dynamic for each in focus):
            return self.named(name)
        raise FhirPathError(f"{name} n’est pas le type de ce qui est évalué.", position, issue="not-found")

    def member(self, base: Types, name: str, position: int) -> Types:
        if base is None:
            return None
        found: set[Type] = set()
        known = False
        for each in base:
            member = each.members[name]
            if member is not None:
                known = True
                found.update(step.type for step in member.steps.values())
            elif each.dynamic:
                return None
        if base and not known:
            raise FhirPathError(f"Élément inconnu ici : {name}.", position, issue="not-found")
        return None if any(each.dynamic for each in found) else frozenset(found)

    def call(self, tree: Call, focus: Types) -> Types:
        base = focus if tree.base is None else self.of(tree.base, focus)
        name = tree.name
        if name in _ORDERED and isinstance(tree.base, Call) and tree.base.name in ("children", "descendants"):
            raise FhirPathError(f"{name}() demande un ordre que {tree.base.name}() ne donne pas.", tree.position)
        if name in _TYPED:
            return self.named(specifier(tree.arguments[0])[1]) if name != "is" else None
        arguments: list[Types] = []
        for argument in tree.arguments:
            inner = None if name in _LOOSE else base if name in _EACH else focus
            arguments.append(self.of(argument, inner))
        if name in _KEEP:
            return base
        if name == "select":
            return arguments[0]
        if name == "extension":
            return self.named("Extension")
        if name in ("union", "combine") and base is not None and arguments[0] is not None:
            return base | arguments[0]
        return None
