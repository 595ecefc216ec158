"""Composites of codes and two numbers, as those of MolecularSequence: a place on a chromosome from here to there. Pure.

Both numbers are one row under the key of the codes, the first as its low end, the second as its high end.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import composites, keys, paths

_RESOURCE = "%resource."


@dataclass(frozen=True, slots=True)
class Pair:
    """Codes (with whether each is read from the resource rather than from the element), and the two numbers."""

    base: paths.Path
    codes: tuple[tuple[composites.Part, bool], ...]
    numbers: tuple[composites.Part, composites.Part]


def plan(type_: str, param: SearchParam) -> Pair | None:
    """The plan of a composite that is of this kind."""
    bases = paths.read(type_, param.expression)
    if len(bases) != 1:
        return None
    root = composites.element_type(type_, bases[0])
    codes: list[tuple[composites.Part, bool]] = []
    numbers: list[composites.Part] = []
    for component in param.components:
        follows = definitions.search_parameter_by_url(component.definition)
        outside = component.expression.startswith(_RESOURCE)
        try:
            below = paths.read(type_, component.expression.removeprefix(_RESOURCE), "" if outside else root)
        except paths.Unreadable:
            return None
        if follows is None:
            return None
        part = composites.Part(follows, tuple(below))
        if follows.type == "number" and not outside:
            numbers.append(part)
        elif follows.type in ("token", "reference", "uri"):
            codes.append((part, outside))
        else:
            return None
    return Pair(bases[0], tuple(codes), (numbers[0], numbers[1])) if len(numbers) == 2 else None


def entries(pair: Pair, key: int, resource: dict[str, Any]) -> Iterator[tuple[int, float, float]]:
    """(key without bucket, first number, second number) for each element."""
    for element in paths.values(pair.base, resource):
        if type(element) is not dict:
            continue
        choices = [
            [form for form in composites.code_forms(part, resource if outside else element) if form[0] != "|"]
            for part, outside in pair.codes
        ]
        first, second = (composites.row_values(part, element) for part in pair.numbers)
        for together in product(*choices):
            own = (key ^ keys.value_hash(composites.joined(together))) & keys.MASK
            for one, other in product(first, second):
                yield own, one[0], other[0]
