"""Types: `is`, `as`, `ofType`, `type()`."""

from collections.abc import Callable
from typing import Any

from virage.core.fhir.fhirpath import model
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Closure, Evaluation
from virage.core.fhir.fhirpath.functions.registry import Runner, form, plain
from virage.core.fhir.fhirpath.syntax import Call, Member, Tree
from virage.core.fhir.fhirpath.values import FALSE, NONE, SYSTEM, TRUE, Items, Node, type_info

_SYSTEM = frozenset(SYSTEM.values()) | {"Any", "Long"}


def specifier(tree: Tree) -> tuple[str, str]:
    """The type that an argument names. FhirPathError when it is no name."""
    if isinstance(tree, Member):
        if tree.base is None:
            return "", tree.name
        if isinstance(tree.base, Member) and tree.base.base is None:
            return tree.base.name, tree.name
    raise FhirPathError("Un nom de type est attendu ici.", tree.position)


def _check(type: tuple[str, str]) -> tuple[bool, bool]:
    """Whether the type may be of FHIR, and whether it may be of System."""
    namespace, name = type
    if namespace not in ("", "FHIR", "System"):
        raise FhirPathError("Espace de types inconnu : FHIR ou System.")
    fhir = namespace != "System" and model.known(name)
    system = namespace != "FHIR" and name in _SYSTEM
    if not fhir and not system and namespace != "System":
        raise FhirPathError(f"Type inconnu : {name}.")
    return fhir, system


def matcher(type: tuple[str, str]) -> Callable[[Any], bool]:
    """Whether an item is of the type or of one that derives from it."""
    fhir, system = _check(type)
    name = type[1]

    def accept(item: Any) -> bool:
        if item.__class__ is Node:
            return fhir and name in item.type.ancestors
        return system and (name == "Any" or SYSTEM.get(item.__class__) == name)

    return accept


def exact(type: tuple[str, str]) -> Callable[[Any], bool]:
    """The same, but a primitive must be of the very type: a code is a string, yet none for `ofType(string)`."""
    fhir, _ = _check(type)
    accept = matcher(type)
    name = type[1]

    def run(item: Any) -> bool:
        if item.__class__ is Node and item.type.primitive:
            return fhir and bool(item.type.name == name)
        return accept(item)

    return run


def caster(type: tuple[str, str], strict: bool) -> Callable[[Items], Items]:
    """`as`: the item when it is of the type. Several items are an error in the strict reading; else each is tried."""
    accept = exact(type)

    def cast(items: Items) -> Items:
        if strict and len(items) > 1:
            raise FhirPathError("« as » porte sur une seule valeur, plusieurs trouvées : utilisez ofType().")
        return [each for each in items if accept(each)]

    return cast


@form("ofType", 1, raw=True)
def of_type(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`ofType(type)`"""
    accept = exact(specifier(call.arguments[0]))
    return lambda items, focus, env: [each for each in items if accept(each)]


@form("as", 1, raw=True)
def as_type(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`as(type)`"""
    cast = caster(specifier(call.arguments[0]), strict)
    return lambda items, focus, env: cast(items)


@form("is", 1, raw=True)
def is_type(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`is(type)`"""
    accept = matcher(specifier(call.arguments[0]))

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        if not items:
            return NONE
        if len(items) > 1:
            raise FhirPathError("« is » porte sur une seule valeur, plusieurs trouvées.")
        return TRUE if accept(items[0]) else FALSE

    return run


@plain("type")
def types(items: Items, env: Evaluation) -> Items:
    """`type()`: namespace and name of each item's type."""
    return [type_info(each) for each in items]
