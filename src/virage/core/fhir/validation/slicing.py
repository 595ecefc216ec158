"""Which slice an element belongs to: the five kinds of discriminators, over the paths R4 allows."""

import re
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.validation.items import Item, children, equal, matches
from virage.core.fhir.validation.session import Session
from virage.core.fhir.validation.shapes import STRUCTURE, BadProfile, Shape, shape_of

_STEP = re.compile(
    r"(\$this|resolve\(\)|extension\('([^']*)'\)|ofType\(([A-Za-z]+)\)|as\(([A-Za-z]+)\)|([A-Za-z]\w*(?:\[x\])?))(?:\.|$)"
)


def steps_of(path: str) -> list[tuple[str, str]]:
    """A discriminator path as steps (kind, name): this, resolve, extension, type, child. ValueError if it is not one."""
    found: list[tuple[str, str]] = []
    place = 0
    path = path.replace('"', "'").replace(" ", "")
    while place < len(path):
        match = _STEP.match(path, place)
        if match is None:
            raise ValueError(path)
        if match[1] == "resolve()":
            found.append(("resolve", ""))
        elif match[2] is not None:
            found.append(("extension", match[2]))
        elif match[3] or match[4]:
            found.append(("type", match[3] or match[4]))
        elif match[5]:
            found.append(("child", match[5].removesuffix("[x]")))
        place = match.end()
    return found


def values_at(item: Item, steps: list[tuple[str, str]], session: Session) -> list[Item]:
    """The elements of an instance that a discriminator path reaches."""
    current = [item]
    for kind, name in steps:
        following: list[Item] = []
        for each in current:
            if kind == "child":
                following += children(each, name)
            elif kind == "extension":
                following += [child for child in children(each, "extension") if child.value.get("url") == name]
            elif kind == "type":
                following += [each] if definitions.is_a(each.type, name) else []
            else:
                reference = each.value.get("reference") if type(each.value) is dict else each.value
                found = session.resolve(reference, each.frame) if type(reference) is str else None
                if found is not None and is_typed(found[0]):
                    following.append(Item(found[0], None, found[0]["resourceType"], each.place, found[1]))
        current = following
    return current


def is_typed(value: Mapping[str, Any]) -> bool:
    """Whether a resource names a type of R4."""
    return definitions.kind(str(value.get("resourceType"))) == "resource"


def shapes_at(shape: Shape, steps: list[tuple[str, str]], session: Session) -> list[Shape]:
    """What a slice demands at the end of a discriminator path, through the profiles of the types on the way."""
    current = [shape]
    for kind, name in steps:
        following: list[Shape] = []
        for each in current:
            if kind == "resolve":
                following += _profiles(each, "targetProfile", session)
            elif kind == "type":
                narrowed = [one for one in each.slices.values() if _codes(one) == {name}]
                following += narrowed or [each]
            else:
                wanted = "extension" if kind == "extension" else name
                following += _below(each, wanted, name if kind == "extension" else "")
                for profiled in _profiles(each, "profile", session):
                    following += _below(profiled, wanted, name if kind == "extension" else "")
        current = following
    return current


def _below(shape: Shape, name: str, url: str) -> list[Shape]:
    child = shape.children.get(name)
    if child is None:
        return []
    if url:
        return [each for each in _all_slices(child) if url in _urls(each)]
    return [child, *child.slices.values()]


def _all_slices(shape: Shape) -> list[Shape]:
    found = list(shape.slices.values())
    for each in found:
        found.extend(each.slices.values())
    return found


def _urls(shape: Shape) -> set[str]:
    found = {str(each).partition("|")[0] for line in shape.types or () for each in line.get("profile", ())}
    inner = shape.children.get("url")
    if inner is not None and inner.fixed:
        found.add(inner.fixed[1])
    return found


def _profiles(shape: Shape, key: str, session: Session) -> list[Shape]:
    found = []
    for line in shape.types or ():
        for canonical in line.get(key, ()):
            try:
                found.append(shape_of(canonical, session.registry))
            except BadProfile:
                continue
    return found


def _codes(shape: Shape) -> set[str]:
    return {str(line.get("code", "")).removeprefix(STRUCTURE) for line in shape.types or ()}


def belongs(item: Item, piece: Shape, discriminators: list[Mapping[str, Any]], session: Session) -> bool:
    """Whether an element is of a slice: every discriminator agrees. Raises Enough: elements times slices has no end."""
    session.spend()
    answers = [_agrees(item, piece, each, session) for each in discriminators]
    return False not in answers and True in answers


def _agrees(item: Item, piece: Shape, discriminator: Mapping[str, Any], session: Session) -> bool | None:
    """Whether one discriminator agrees; None when the slice says nothing of it."""
    from virage.core.fhir.validation.conformance import conforms_to

    kind = discriminator.get("type", "value")
    try:
        steps = steps_of(discriminator.get("path", "$this"))
    except ValueError:
        return False
    if kind == "value" and steps == [("child", "url")] and item.type == "Extension":
        urls = _urls(piece)
        if urls:
            return item.value.get("url") in urls
    values = values_at(item, steps, session)
    shapes = shapes_at(piece, steps, session)
    whole = piece.fixed or piece.pattern
    if kind in ("value", "pattern") and whole and steps and all(step[0] == "child" for step in steps):
        wanted: Any = whole[1]
        for _, name in steps:
            wanted = wanted.get(name) if type(wanted) is dict else None
        if wanted is not None:
            return any(matches(value.value, wanted) for value in values)
    if kind == "exists":
        return all(
            (bool(values) if each.min > 0 else True) and (not values if each.max == 0 else True) for each in shapes
        )
    if kind == "type":
        wanted = set().union(*(_codes(each) for each in shapes)) if shapes else set()
        if not wanted and shapes:
            wanted = {each.type_name for each in shapes if each.type_name}
        return any(
            value.type == code
            or (definitions.is_a(value.type, code) and definitions.kind(value.type) != "primitive-type")
            for value in values
            for code in wanted
        )
    if kind == "profile":
        canonicals = [
            canonical
            for each in shapes
            for line in each.types or ()
            for canonical in (line.get("profile") or line.get("targetProfile") or ())
        ]
        if steps and steps[-1][0] == "resolve":
            canonicals += [
                canonical
                for each in shapes_at(piece, steps[:-1], session)
                for line in each.types or ()
                for canonical in line.get("targetProfile", ())
            ]
        return any(conforms_to(value, canonical, session) for value in values for canonical in canonicals)
    return _by_value(values, shapes, session)


def _by_value(values: list[Item], shapes: list[Shape], session: Session) -> bool | None:
    """Value and pattern discriminators: what the slice fixes at the path, wherever below it is fixed."""
    told = False
    for shape in shapes:
        demands = demand(shape)
        if not demands:
            continue
        told = True
        if not any(_meets(value, shape, session) for value in values):
            return False
    return True if told else None


def demand(shape: Shape) -> bool:
    """Whether a shape fixes something, itself or below."""
    if shape.fixed or shape.pattern or (shape.binding and shape.binding.get("strength") == "required"):
        return True
    return any(demand(each) for each in shape.children.values())


def _meets(item: Item, shape: Shape, session: Session) -> bool:
    if shape.fixed and not equal(item.value, shape.fixed[1]):
        return False
    if shape.pattern and not matches(item.value, shape.pattern[1]):
        return False
    if shape.binding and shape.binding.get("strength") == "required" and not (shape.fixed or shape.pattern):
        answer = session.terminology.member_of(item.value, item.type, shape.binding.get("valueSet", ""))
        if not answer:
            return False
    for name, child in shape.children.items():
        if demand(child) and not any(_meets(each, child, session) for each in children(item, name)):
            return False
        for piece in child.slices.values():
            if piece.min and demand(piece) and not any(_meets(each, piece, session) for each in children(item, name)):
                return False
    return True
