"""Choosing, projecting, folding and sorting: functions that run their argument on each item."""

import functools
from typing import Any

from virage.core.fhir.fhirpath.equality import key, order
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import RESERVED, Closure, Evaluation
from virage.core.fhir.fhirpath.functions.registry import Runner, form, plain
from virage.core.fhir.fhirpath.syntax import Call, SortKey, Unary
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, computed, one, text, truth


@form("where", 1)
def where(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`where(criteria)`"""
    criteria = arguments[0]

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(len(items))
        out: Items = []
        outer = env.index
        try:
            for env.index, item in enumerate(items):
                answer = criteria([item], env)
                if answer is TRUE or (answer is not FALSE and truth(answer)):
                    out.append(item)
        finally:
            env.index = outer
        return out

    return run


@form("select", 1)
def select(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`select(projection)`"""
    projection = arguments[0]

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(len(items))
        out: Items = []
        outer = env.index
        try:
            for env.index, item in enumerate(items):
                out.extend(projection([item], env))
        finally:
            env.index = outer
        env.spend(len(out))
        return out

    return run


@form("repeat", 1)
def repeat(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`repeat(projection)`: what the projection gives, and what it gives on that, each once."""
    return _repeating(arguments[0], once=True)


@form("repeatAll", 1)
def repeat_all(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`repeatAll(projection)`: the same, repetitions kept."""
    return _repeating(arguments[0], once=False)


def _repeating(projection: Closure, *, once: bool) -> Runner:
    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        out: Items = []
        seen: set[object] = set()
        waiting = items
        outer = env.index
        try:
            while waiting:
                found: Items = []
                for env.index, item in enumerate(waiting):
                    env.spend(1)
                    for each in projection([item], env):
                        env.spend(1)
                        if once:
                            mark = key(each)
                            if mark in seen:
                                continue
                            seen.add(mark)
                        found.append(each)
                out.extend(found)
                waiting = found
        finally:
            env.index = outer
        return out

    return run


@form("aggregate", 1, 2)
def aggregate(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`aggregate(aggregator[, init])`"""
    aggregator = arguments[0]
    initial = arguments[1] if len(arguments) > 1 else None

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(len(items))
        outer, total = env.index, env.total
        try:
            start = NONE if initial is None else initial(focus, env)
            env.total = start
            for env.index, item in enumerate(items):
                env.total = aggregator([item], env)
                env.spend(len(env.total))
            return env.total
        finally:
            env.index, env.total = outer, total

    return run


@form("iif", 2, 3)
def iif(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`iif(criterion, true-result[, otherwise-result])`: only the branch taken is evaluated."""
    criterion, then = arguments[:2]
    otherwise = arguments[2] if len(arguments) > 2 else None

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        if strict and len(items) > 1:
            raise FhirPathError("iif() porte sur une seule valeur, plusieurs trouvées.")
        value = one(criterion(items, env))
        if value is not None and value.__class__ is not bool:
            raise FhirPathError("La condition de iif() doit être un booléen.")
        if value:
            return then(items, env)
        return NONE if otherwise is None else otherwise(items, env)

    return run


@form("trace", 1, 2)
def trace(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`trace(name[, projection])`: its input. Nothing is written anywhere: resources hold health data."""
    name = arguments[0]

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        text(name(focus, env))
        return items

    return run


@form("defineVariable", 1, 2)
def define_variable(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`defineVariable(name[, expression])`: `%name` for the rest of the chain."""
    name = arguments[0]
    expression = arguments[1] if len(arguments) > 1 else None

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        label = text(name(focus, env))
        if label is None:
            raise FhirPathError("defineVariable() demande un nom.")
        if label in RESERVED or label in env.variables or label.startswith(("vs-", "ext-")):
            raise FhirPathError(f"La variable %{label} existe déjà.")
        value = items if expression is None else expression(items, env)
        env.variables = {**env.variables, label: value}
        return items

    return run


@form("sort", 0, 10)
def sort(call: Call, arguments: list[Closure], strict: bool) -> Runner:
    """`sort([key…])`: a key behind `-` or before `desc` sorts downwards. Items without key count as the highest."""
    keys: list[tuple[Closure, bool]] = []
    for tree, closure in zip(call.arguments, arguments, strict=True):
        if isinstance(tree, SortKey):
            keys.append((closure, tree.descending))
        elif isinstance(tree, Unary) and tree.operator == "-":
            keys.append((closure, True))
        else:
            keys.append((closure, False))
    downwards = [descending for _, descending in keys] or [False]

    def compare(left: tuple[list[Any], Any], right: tuple[list[Any], Any]) -> int:
        for a, b, descending in zip(left[0], right[0], downwards, strict=True):
            found = (a is None) - (b is None) if a is None or b is None else order(a, b) or 0
            if found:
                return -found if descending else found
        return 0

    def run(items: Items, focus: Items, env: Evaluation) -> Items:
        env.spend(4 * len(items))
        outer = env.index
        ranked: list[tuple[list[Any], Any]] = []
        try:
            for env.index, item in enumerate(items):
                ranked.append(([one(closure([item], env)) for closure, _ in keys] or [computed(item)], item))
        finally:
            env.index = outer
        ranked.sort(key=functools.cmp_to_key(compare))
        return [item for _, item in ranked]

    return run


@plain("coalesce", 1, 20)
def coalesce(items: Items, env: Evaluation, *choices: Items) -> Items:
    """`coalesce(value…)`: the first that is not empty."""
    return next((each for each in choices if each), NONE)
