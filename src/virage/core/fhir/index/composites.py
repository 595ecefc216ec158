"""Composite parameters: values that must hold together, in one element. Pure.

The codes among the components become part of the key; a date, number or string among them becomes a row under that key.
A row is kept under the code alone; the code with its system is asked of the component's own parameter.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from virage.core.fhir import definitions, json
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import forms, keys, paths
from virage.core.fhir.recent import LONGEST, Recent

ROWS = frozenset(["date", "string", "number", "quantity"])
_SEPARATOR = "\x1f"


@dataclass(frozen=True, slots=True)
class Part:
    """A component: the parameter that it follows, and its paths below the composite's element."""

    param: SearchParam
    paths: tuple[paths.Path, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A composite on one element: codes first, then at most one component that becomes a row."""

    base: paths.Path
    codes: tuple[Part, ...]
    row: Part | None

    @property
    def gate(self) -> frozenset[str]:
        """The properties of which one holds the row's value: most often another than the composite's."""
        return frozenset(_first_names((self.row,))) if self.row else frozenset()


def joined(found: tuple[str, ...] | list[str]) -> str:
    """The form of several codes together."""
    return "&" + _SEPARATOR.join(found)


def plans(type_: str, param: SearchParam) -> list[Plan]:
    """The plans of a composite parameter. Raises Unreadable when we do not serve it."""
    found = []
    for base in paths.read(type_, param.expression):
        root = element_type(type_, base)
        below = [
            tuple(paths.read(type_, each.expression, root) if base.steps else paths.read(type_, each.expression))
            for each in param.components
        ]
        parts = []
        for place, component in enumerate(param.components):
            follows = definitions.search_parameter_by_url(component.definition)
            if follows is None:
                raise paths.Unreadable(component.definition)
            if not all(path.steps for each in below for path in each):
                raise paths.Unreadable(param.expression)
            parts.append(Part(follows, _own_paths(type_, base, follows, place, below)))
        rows = [part for part in parts if part.param.type in ROWS]
        if len(rows) > 1 or any(part.param.type not in ROWS | {"token", "reference", "uri"} for part in parts):
            raise paths.Unreadable(param.expression)
        codes = tuple(part for part in parts if part.param.type not in ROWS)
        found.append(Plan(base, codes, rows[0] if rows else None))
    return found


def _own_paths(
    type_: str, base: paths.Path, follows: SearchParam, place: int, below: list[tuple[paths.Path, ...]]
) -> tuple[paths.Path, ...]:
    """The paths of a component. R4 has a composite whose two expressions are crossed (DocumentReference `relationship`): the
    parameter that a component follows says which is its own.
    """
    at = {path.steps for path in paths.read(type_, follows.expression)}
    for each in (below[place], *below):
        if any((*base.steps, *path.steps) in at for path in each):
            return each
    return below[place]


def element_type(type_: str, base: paths.Path) -> str:
    """The name of the type at the end of a path, as `definitions.element` takes it."""
    current = type_
    for step in base.steps:
        definition, ref = definitions.element(current).properties[step.name]
        current = definition.type_name(ref.code)
    return current


def code_forms(part: Part, element: dict[str, Any]) -> Iterator[str]:
    """The forms of a code component in an element."""
    for path in part.paths:
        for value in paths.values(path, element):
            if part.param.type == "reference":
                match = forms.REFERENCE.fullmatch(value.get("reference", "")) if type(value) is dict else None
                if match:
                    yield f"{match[1]}/{match[2]}"
            elif part.param.type == "uri":
                yield from forms.uri(value)
            elif path.type in forms.TOKENS:
                yield from (form for form in forms.TOKENS[path.type](value) if form[0] in "=|")


def row_values(part: Part, element: dict[str, Any]) -> list[Any]:
    """The ranges, numbers or texts of a row component in an element."""
    table: dict[str, Callable[[Any], Any]] = {
        "date": forms.DATES,
        "string": forms.STRINGS,
        "number": forms.NUMBERS,
        "quantity": forms.NUMBERS,
    }[part.param.type]  # type: ignore[assignment]
    found: list[Any] = []
    for path in part.paths:
        take = table.get(path.type)
        if take is not None:
            for value in paths.values(path, element):
                found += take(value)
    return found


class Reader:
    """The entries of a composite, element by element; what the codes of an element gave is remembered."""

    def __init__(self, plan: Plan, key: int) -> None:
        self._plan = plan
        self._key = key
        self._recent: Recent[tuple[int, ...]] = Recent()
        self._coded = tuple(dict.fromkeys(_first_names(plan.codes)))
        self._gate = plan.gate

    def read(self, element: dict[str, Any]) -> Iterator[tuple[int, Any]]:
        """(key without bucket, row value or None) for one element."""
        plan = self._plan
        values: list[Any] = [None]
        if plan.row:
            if self._gate.isdisjoint(element):
                return
            values = row_values(plan.row, element)
            if not values:
                return
        for own in self._keys(element):
            for value in values:
                yield own, value

    def _keys(self, element: dict[str, Any]) -> tuple[int, ...]:
        given = [element.get(name) for name in self._coded]
        mark = json.dumps(given)
        known = self._recent.get(mark)
        if known is None:
            known = tuple(self._made(element))
            if len(mark) <= LONGEST:
                self._recent.keep(mark, known)
        return known

    def _made(self, element: dict[str, Any]) -> Iterator[int]:
        choices: list[list[str]] = []
        for part in self._plan.codes:
            found = list(dict.fromkeys(code_forms(part, element)))
            if self._plan.row:
                found = [form for form in found if form[0] != "|"]
            choices.append(found)
        for together in product(*choices):
            yield (self._key ^ keys.value_hash(joined(together))) & keys.MASK


def _first_names(parts: tuple[Part, ...]) -> Iterator[str]:
    for part in parts:
        for path in part.paths:
            yield path.steps[0].name
