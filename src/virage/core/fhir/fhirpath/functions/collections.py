"""Parts of collections and collections put together."""

from virage.core.fhir.fhirpath.equality import key
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.operators import distinct
from virage.core.fhir.fhirpath.operators import union as united
from virage.core.fhir.fhirpath.values import NONE, Items, integer


@plain("first")
def first(items: Items, env: Evaluation) -> Items:
    """`first()`"""
    return items[:1]


@plain("last")
def last(items: Items, env: Evaluation) -> Items:
    """`last()`"""
    return items[-1:]


@plain("tail")
def tail(items: Items, env: Evaluation) -> Items:
    """`tail()`"""
    return items[1:]


@plain("single")
def single(items: Items, env: Evaluation) -> Items:
    """`single()`"""
    if len(items) > 1:
        raise FhirPathError("single() porte sur une seule valeur, plusieurs trouvées.")
    return items


@plain("skip", 1)
def skip(items: Items, env: Evaluation, count: Items) -> Items:
    """`skip(num)`"""
    number = integer(count)
    if number is None:
        return NONE
    return items[number:] if number > 0 else items


@plain("take", 1)
def take(items: Items, env: Evaluation, count: Items) -> Items:
    """`take(num)`"""
    number = integer(count)
    return NONE if number is None or number <= 0 else items[:number]


@plain("intersect", 1)
def intersect(items: Items, env: Evaluation, others: Items) -> Items:
    """`intersect(other)`"""
    env.spend(len(items) + len(others))
    known = {key(each) for each in others}
    return distinct([each for each in items if key(each) in known], env)


@plain("exclude", 1)
def exclude(items: Items, env: Evaluation, others: Items) -> Items:
    """`exclude(other)`: order and repetitions kept."""
    env.spend(len(items) + len(others))
    known = {key(each) for each in others}
    return [each for each in items if key(each) not in known]


@plain("union", 1)
def union(items: Items, env: Evaluation, others: Items) -> Items:
    """`union(other)`"""
    return united(items, others, env)


@plain("combine", 1, 2)
def combine(items: Items, env: Evaluation, others: Items, order: Items = NONE) -> Items:
    """`combine(other[, preserveOrder])`: repetitions kept."""
    env.spend(len(items) + len(others))
    return items + others
