"""The tree of an expression: what the parser builds, the compiler reads, and `unparse` writes back."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.temporal import Temporal, Time


@dataclass(frozen=True, slots=True)
class Tree:
    """Any node; `position` is its first character (or that of its operator) in the expression."""

    position: int = field(default=0, compare=False, kw_only=True)


@dataclass(frozen=True, slots=True)
class Literal(Tree):
    """A constant: bool, int, Decimal, str, Date, DateTime, Time or Quantity."""

    value: Any


@dataclass(frozen=True, slots=True)
class Empty(Tree):
    """`{}`."""


@dataclass(frozen=True, slots=True)
class Variable(Tree):
    """`%name`."""

    name: str


@dataclass(frozen=True, slots=True)
class Special(Tree):
    """`$this`, `$index` or `$total`, named without the sign."""

    name: str


@dataclass(frozen=True, slots=True)
class Member(Tree):
    """`base.name`, or `name` at the start of a path (base None)."""

    base: Tree | None
    name: str


@dataclass(frozen=True, slots=True)
class Call(Tree):
    """`base.name(arguments)`, or `name(arguments)` on the current focus (base None)."""

    base: Tree | None
    name: str
    arguments: tuple[Tree, ...]


@dataclass(frozen=True, slots=True)
class Index(Tree):
    """`base[index]`."""

    base: Tree
    index: Tree


@dataclass(frozen=True, slots=True)
class Unary(Tree):
    """`+x` or `-x`."""

    operator: str
    operand: Tree


@dataclass(frozen=True, slots=True)
class Binary(Tree):
    """Two operands and their operator."""

    operator: str
    left: Tree
    right: Tree


@dataclass(frozen=True, slots=True)
class TypeTest(Tree):
    """`x is Type` or `x as Type`; the type as (namespace or "", name)."""

    operator: str
    operand: Tree
    type: tuple[str, str]


@dataclass(frozen=True, slots=True)
class SortKey(Tree):
    """An argument of `sort` followed by `asc` or `desc`."""

    operand: Tree
    descending: bool


def children(tree: Tree) -> Iterator[Tree]:
    """The direct parts of a node."""
    if isinstance(tree, Member):
        if tree.base is not None:
            yield tree.base
    elif isinstance(tree, Call):
        if tree.base is not None:
            yield tree.base
        yield from tree.arguments
    elif isinstance(tree, Index):
        yield tree.base
        yield tree.index
    elif isinstance(tree, Binary):
        yield tree.left
        yield tree.right
    elif isinstance(tree, Unary | TypeTest | SortKey):
        yield tree.operand


def walk(tree: Tree) -> Iterator[Tree]:
    """Every node, the root first."""
    waiting = [tree]
    while waiting:
        each = waiting.pop()
        yield each
        waiting.extend(children(each))


_ESCAPES = {"'": "\\'", "\\": "\\\\", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\f": "\\f"}


def quote(text: str) -> str:
    """A string literal."""
    return "'" + "".join(_ESCAPES.get(each, each) for each in text) + "'"


def _name(text: str) -> str:
    if text.isascii() and text.isidentifier() and text not in _WORDS:
        return text
    return "`" + "".join("\\`" if c == "`" else _ESCAPES.get(c, c) if c != "'" else c for c in text) + "`"


_WORDS = frozenset(
    [
        "and",
        "or",
        "xor",
        "implies",
        "div",
        "mod",
        "in",
        "contains",
        "is",
        "as",
        "true",
        "false",
        "year",
        "years",
        "month",
        "months",
        "week",
        "weeks",
        "day",
        "days",
        "hour",
        "hours",
        "minute",
        "minutes",
        "second",
        "seconds",
        "millisecond",
        "milliseconds",
        "asc",
        "desc",
    ]
)


def unparse(tree: Tree) -> str:
    """An expression that parses to the same tree, with every operator in parentheses."""
    match tree:
        case Literal(value):
            if isinstance(value, bool):
                return "true" if value else "false"
            if isinstance(value, str):
                return quote(value)
            if isinstance(value, Temporal):
                return "@" + ("T" if isinstance(value, Time) else "") + value.literal()
            if isinstance(value, Quantity):
                return f"{value.value:f} {value.unit if value.calendar else quote(value.unit)}"
            return f"{value:f}" if not isinstance(value, int) else str(value)
        case Empty():
            return "{}"
        case Variable(name):
            return "%" + _name(name)
        case Special(name):
            return "$" + name
        case Member(base, name):
            return _name(name) if base is None else f"{_operand(base)}.{_name(name)}"
        case Call(base, name, arguments):
            call = f"{_name(name)}({', '.join(map(unparse, arguments))})"
            return call if base is None else f"{_operand(base)}.{call}"
        case Index(base, index):
            return f"{_operand(base)}[{unparse(index)}]"
        case Unary(operator, operand):
            return f"{operator}{_operand(operand)}"
        case Binary(operator, left, right):
            return f"{_operand(left)} {operator} {_operand(right)}"
        case TypeTest(operator, operand, (namespace, name)):
            return f"{_operand(operand)} {operator} {_name(namespace) + '.' if namespace else ''}{_name(name)}"
        case SortKey(operand, descending):
            return f"{unparse(operand)} {'desc' if descending else 'asc'}"
    raise TypeError(type(tree).__name__)


def _operand(tree: Tree) -> str:
    text = unparse(tree)
    return f"({text})" if isinstance(tree, Unary | Binary | TypeTest | SortKey) else text
