"""Compiled expressions: what the rest of the engine calls."""

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from typing import Any

from virage.core.fhir.fhirpath.compiler import build
from virage.core.fhir.fhirpath.errors import FhirPathError, TooDear
from virage.core.fhir.fhirpath.evaluation import MAX_STEPS, Conforms, Evaluation, Resolver, Terminology
from virage.core.fhir.fhirpath.parser import parse
from virage.core.fhir.fhirpath.semantics import check
from virage.core.fhir.fhirpath.syntax import Tree
from virage.core.fhir.fhirpath.values import NONE, Item, Items, Node, described, plain, root, truth


class Compiled:
    """An expression ready to run on any number of resources, in any thread.

    `focus` is the JSON of a resource, or of an element of the type named at compilation; None to run on nothing. `resource` is the resource that
    the element stands in (`%resource`), `root` the one that contains it (`%rootResource`); both default to the focus.
    `env` holds further `%` variables: a JSON value, or a list of them. `resolver` gives the resource of a reference,
    `terminology` answers for value sets, `conforms` for profiles. `moment` is what `now()` tells,
    `steps` how much may be done before TooDear; `spent` is told how much was.
    """

    __slots__ = ("_closure", "expression", "strict", "tree", "type")

    def __init__(self, expression: str, type: str | None, strict: bool) -> None:
        self.expression = expression
        self.type = type
        self.strict = strict
        self.tree: Tree = parse(expression)
        self._closure = build(self.tree, strict)
        if strict and type is not None:
            check(self.tree, type)

    def nodes(
        self,
        focus: Any,
        /,
        *,
        resource: Mapping[str, Any] | None = None,
        root: Mapping[str, Any] | None = None,
        env: Mapping[str, Any] | None = None,
        resolver: Resolver | None = None,
        terminology: Terminology | None = None,
        conforms: Conforms | None = None,
        moment: datetime | None = None,
        steps: int = MAX_STEPS,
        spent: Callable[[int], None] | None = None,
        bundles: dict[int, dict[str, Any]] | None = None,
    ) -> Items:
        """The results as the evaluator has them: Nodes with their place in the resource, and computed values."""
        if focus is None:
            start, items = _NOTHING, NONE
        else:
            start = focus if focus.__class__ is Node else _root(focus, self.type)
            items = [start]
        holder = start if resource is None else _root(resource)
        top = holder if root is None else _root(root)
        evaluation = Evaluation(start, holder, top)
        evaluation.resolver = resolver
        evaluation.terminology = terminology
        evaluation.conforms = conforms
        evaluation.moment = moment
        evaluation.steps = steps
        evaluation.bundles = bundles
        if env:
            evaluation.variables = {name: _items(value) for name, value in env.items()}
        try:
            return self._run(items, evaluation)
        finally:
            if spent is not None:
                spent(steps - evaluation.steps)

    def _run(self, items: Items, evaluation: Evaluation) -> Items:
        try:
            return self._closure(items, evaluation)
        except RecursionError:
            raise TooDear("Expression ou ressource trop imbriquée.") from None

    def __call__(self, focus: Any, /, **options: Any) -> list[Any]:
        """The results as plain JSON values (see `nodes` for the options). A primitive without value gives nothing."""
        if options or focus.__class__ is not dict:
            found = self.nodes(focus, **options)
        else:
            start = _root(focus, self.type)
            found = self._run([start], Evaluation(start, start, start))
        values = [each.value if each.__class__ is Node else plain(each) for each in found]
        return [each for each in values if each is not None] if None in values else values

    def typed(self, focus: Any, /, **options: Any) -> list[Item]:
        """The results, each with its type and its path."""
        return [described(each) for each in self.nodes(focus, **options)]

    def truth(self, focus: Any, /, **options: Any) -> bool:
        """Whether the expression holds: an empty result does not."""
        return truth(self.nodes(focus, **options)) is True


_root = root
# What `%resource` is when an expression runs on nothing.
_NOTHING = root({"resourceType": "Basic"})


def _items(value: Any) -> Items:
    if isinstance(value, list):
        return [_item(each) for each in value]
    return [_item(value)]


def _item(value: Any) -> Any:
    if isinstance(value, float):
        return Decimal(repr(value))
    return root(value) if isinstance(value, Mapping) and "resourceType" in value else value


@lru_cache(8192)
def _compiled(expression: str, type: str | None, strict: bool) -> Compiled:
    return Compiled(expression, type, strict)


def compile(expression: str, type: str | None = None, *, strict: bool = False) -> Compiled:
    """An expression compiled, from a cache. `type` names the type of the focus when it is no resource.

    `strict` refuses what the type of the focus makes meaningless (unknown members, several items before `as`); without it
    such a path gives nothing. FhirPathError for an expression that is wrong.
    """
    if not isinstance(expression, str):
        raise FhirPathError("Une expression FHIRPath est un texte.")
    return _compiled(expression, type, strict)
