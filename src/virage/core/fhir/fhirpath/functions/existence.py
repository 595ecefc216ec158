"""Is there something, how much of it, and is it true."""

from virage.core.fhir.fhirpath.equality import key
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Closure, Evaluation
from virage.core.fhir.fhirpath.functions.registry import Runner, form, plain
from virage.core.fhir.fhirpath.operators import distinct
from virage.core.fhir.fhirpath.syntax import Call
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, computed, truth


@plain("empty")
def empty(items: Items, env: Evaluation) -> Items:
    """`empty()`"""
    return FALSE if items else TRUE


@plain("not")
def negation(items: Items, env: Evaluation) -> Items:
    """`not()`"""
    value = truth(items)
    return NONE if value is None else FALSE if value else TRUE


@plain("count")
def count(items: Items, env: Evaluation) -> Items:
    """`count()`"""
    return [len(items)]


@form("exists", 0, 1)
def exists(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`exists([criteria])`"""
    if not arguments:
        return lambda items, focus, env: TRUE if items else FALSE
    criteria = arguments[0]

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(len(items))
        outer = env.index
        try:
            for env.index, item in enumerate(items):
                if truth(criteria([item], env)):
                    return TRUE
        finally:
            env.index = outer
        return FALSE

    return run


@form("all", 1)
def all_meet(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`all(criteria)`"""
    criteria = arguments[0]

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(len(items))
        outer = env.index
        try:
            for env.index, item in enumerate(items):
                if not truth(criteria([item], env)):
                    return FALSE
        finally:
            env.index = outer
        return TRUE

    return run


def _booleans(items: Items) -> list[bool]:
    values = [computed(each) for each in items]
    if not all(each.__class__ is bool for each in values):
        raise FhirPathError("Une collection de booléens est attendue ici.")
    return values


@plain("allTrue")
def all_true(items: Items, env: Evaluation) -> Items:
    """`allTrue()`"""
    return TRUE if all(_booleans(items)) else FALSE


@plain("anyTrue")
def any_true(items: Items, env: Evaluation) -> Items:
    """`anyTrue()`"""
    return TRUE if any(_booleans(items)) else FALSE


@plain("allFalse")
def all_false(items: Items, env: Evaluation) -> Items:
    """`allFalse()`"""
    return FALSE if any(_booleans(items)) else TRUE


@plain("anyFalse")
def any_false(items: Items, env: Evaluation) -> Items:
    """`anyFalse()`"""
    return FALSE if all(_booleans(items)) else TRUE


def _within(items: Items, others: Items, env: Evaluation) -> Items:
    env.spend(len(items) + len(others))
    known = {key(each) for each in others}
    return TRUE if all(key(each) in known for each in items) else FALSE


@plain("subsetOf", 1)
def subset_of(items: Items, env: Evaluation, others: Items) -> Items:
    """`subsetOf(other)`"""
    return _within(items, others, env)


@plain("supersetOf", 1)
def superset_of(items: Items, env: Evaluation, others: Items) -> Items:
    """`supersetOf(other)`"""
    return _within(others, items, env)


@plain("distinct")
def unique(items: Items, env: Evaluation) -> Items:
    """`distinct()`"""
    return distinct(items, env)


@plain("isDistinct")
def is_distinct(items: Items, env: Evaluation) -> Items:
    """`isDistinct()`"""
    return TRUE if len(distinct(items, env)) == len(items) else FALSE
