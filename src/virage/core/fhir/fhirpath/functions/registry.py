"""How a function of the language is declared.

A plain function gets its input and its arguments as collections already computed, these on the focus around the call.
A form gets its arguments as closures and decides itself when, how often and on what they run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from virage.core.fhir.fhirpath.evaluation import Closure, Evaluation
from virage.core.fhir.fhirpath.syntax import Call
from virage.core.fhir.fhirpath.values import Items

# input, focus around the call, evaluation
Runner = Callable[[Items, Items, Evaluation], Items]
Builder = Callable[[Call, list[Closure], bool], Runner]


@dataclass(frozen=True, slots=True)
class Function:
    """`least` to `most` arguments; `plain` or `form`. `raw` forms read their arguments from the tree, uncompiled."""

    least: int
    most: int
    plain: Callable[..., Items] | None = None
    form: Builder | None = None
    raw: bool = False


FUNCTIONS: dict[str, Function] = {}


def plain(name: str, least: int = 0, most: int | None = None) -> Callable[[Any], Any]:
    """Declare a plain function: `f(items, env, *arguments) -> items`."""

    def declare(function: Callable[..., Items]) -> Callable[..., Items]:
        FUNCTIONS[name] = Function(least, least if most is None else most, plain=function)
        return function

    return declare


def form(name: str, least: int = 0, most: int | None = None, *, raw: bool = False) -> Callable[[Any], Any]:
    """Declare a form: `f(call, arguments, strict) -> Runner`."""

    def declare(builder: Builder) -> Builder:
        FUNCTIONS[name] = Function(least, least if most is None else most, form=builder, raw=raw)
        return builder

    return declare
