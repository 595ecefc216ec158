"""Search-parameter expressions as paths over the JSON of a resource. Pure.

Nearly all expressions of R4 are paths with a few filters. Those become `Path`s, which the index walks without evaluating
FHIRPath; `Unreadable` is raised for the rest, which `core.fhir.fhirpath` evaluates.
"""

import re
from dataclasses import dataclass, replace
from typing import Any

from virage.core.fhir import definitions


@dataclass(frozen=True, slots=True)
class Step:
    """One JSON property to enter. `where` keeps objects whose property has a value, `target` references to a type."""

    name: str
    is_list: bool
    where: tuple[str, str] | None = None
    target: str = ""
    first: bool = False


@dataclass(frozen=True, slots=True)
class Path:
    """A way from the root to values of one FHIR type; `truth` asks only whether there is a value other than false."""

    steps: tuple[Step, ...]
    type: str
    truth: bool = False
    binding: str = ""

    @property
    def is_single(self) -> bool:
        """Whether a resource has at most one value there."""
        return not any(step.is_list and not step.first for step in self.steps)


class Unreadable(Exception):
    """The expression is not a plain path."""


_CAST = re.compile(r"\s+as\s+([A-Za-z.]+)")
_TRUTH = re.compile(r"([A-Z]\w+(?:\.\w+)+)\.exists\(\) and \1 != false")
_CALL = re.compile(r"(ofType|as)\((?:FHIR\.)?(\w+)\)$")
_RESOLVE = re.compile(r"where\(\s*resolve\(\) is (\w+)\s*\)$")
_EQUAL = re.compile(r"where\(\s*(\w+)\s*=\s*'([^']*)'\s*\)$")
_INDEX = re.compile(r"(\w+)\[0\]$")


def read(type_: str, expression: str, root: str = "") -> list[Path]:
    """The paths of an expression for a resource type; `root` is the type that it starts from when it is not the resource's.

    Parts for other types are left out. Raises Unreadable.
    """
    found: list[Path] = []
    for part in _split(expression, "|"):
        match = _TRUTH.fullmatch(part)
        if match:
            found += [Path(path.steps, path.type, True) for path in _read(type_, match[1], root)]
        else:
            found += _read(type_, part, root)
    return list(dict.fromkeys(found))


def _split(text: str, separator: str) -> list[str]:
    parts, depth, quoted, start = [], 0, False, 0
    for place, char in enumerate(text):
        if char == "'":
            quoted = not quoted
        elif quoted:
            continue
        elif char == "(":
            depth += 1
        elif char == ")":
            depth -= 1
        elif char == separator and not depth:
            parts.append(text[start:place].strip())
            start = place + 1
    parts.append(text[start:].strip())
    if depth or quoted:
        raise Unreadable(text)
    return [part for part in parts if part]


def _unwrapped(text: str) -> str:
    text = _CAST.sub(r".ofType(\1)", text.strip())
    while text.startswith("("):
        depth = 0
        for place, char in enumerate(text):
            depth += (char == "(") - (char == ")")
            if not depth:
                text = text[1:place] + text[place + 1 :]
                break
        text = text.strip()
    return text


@dataclass(slots=True)
class _Place:
    type: str
    steps: tuple[Step, ...]
    code: str
    binding: str = ""


def _read(type_: str, expression: str, root: str) -> list[Path]:
    segments = _split(_unwrapped(expression), ".")
    start = root or type_
    if segments and segments[0][:1].isupper():
        first = segments.pop(0)
        if first != type_ and not definitions.is_a(type_, first):
            return []
        start = type_
    places = [_Place(start, (), start)]
    for segment in segments:
        places = _step(places, segment)
    return [Path(place.steps, place.code, False, place.binding) for place in places]


def _step(places: list[_Place], segment: str) -> list[_Place]:
    if match := _CALL.fullmatch(segment):
        wanted = match[2].lower()
        return [place for place in places if place.code.lower() == wanted]
    if match := _RESOLVE.fullmatch(segment):
        target = match[1]
        return [
            _Place(place.type, (*place.steps[:-1], _with(place.steps[-1], target=target)), place.code)
            for place in places
            if place.code in ("Reference", "canonical", "uri")
        ]
    if match := _EQUAL.fullmatch(segment):
        where = (match[1], match[2])
        return [
            _Place(place.type, (*place.steps[:-1], _with(place.steps[-1], where=where)), place.code) for place in places
        ]
    first = False
    if match := _INDEX.fullmatch(segment):
        segment, first = match[1], True
    if not segment.isidentifier():
        raise Unreadable(segment)
    found = []
    for place in places:
        try:
            child = definitions.element(place.type).children.get(segment)
        except KeyError:
            child = None
        if child is None:
            continue
        for name, ref in child.json.items():
            step = Step(name, child.is_list, first=first)
            binding = child.binding.valueset if child.binding and child.binding.strength == "required" else ""
            found.append(_Place(child.type_name(ref.code), (*place.steps, step), ref.code, binding))
    return found


def _with(step: Step, target: str = "", where: tuple[str, str] | None = None) -> Step:
    return Step(step.name, step.is_list, where or step.where, target or step.target, step.first)


def untargeted(path: Path) -> Path:
    """The same path to references, whatever type they point at: one that is not resolved yet does not say."""
    return replace(path, steps=tuple(replace(step, target="") for step in path.steps))


def values(path: Path, resource: dict[str, Any]) -> list[Any]:
    """The values of a resource at a path, in order."""
    found: list[Any] = [resource]
    for step in path.steps:
        below: list[Any] = []
        for item in found:
            value = item.get(step.name) if type(item) is dict else None
            if type(value) is list:
                below += value[:1] if step.first else value
            elif value is not None:
                below.append(value)
        found = [item for item in below if item is not None and kept(item, step.where, step.target)]
    return found


def kept(item: Any, where: tuple[str, str] | None, target: str) -> bool:
    """Whether a value passes the filters of a step."""
    if where is not None and (type(item) is not dict or item.get(where[0]) != where[1]):
        return False
    return not target or reference_type(item) == target


_TYPED = re.compile(r"(?:^|/)([A-Z][A-Za-z]+)/[A-Za-z0-9.\-]{1,64}(?:/_history/[A-Za-z0-9.\-]{1,64})?$")


def reference_type(item: Any) -> str:
    """The type that a reference points at, as far as it says so itself; "" otherwise."""
    text = item.get("reference") if type(item) is dict else item
    if type(text) is str:
        match = _TYPED.search(text)
        if match:
            return match[1]
    return str(item.get("type", "")) if type(item) is dict else ""
