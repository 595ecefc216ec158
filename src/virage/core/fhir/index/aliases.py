"""Parameters that need no entries of their own, because those of others answer for them. Pure.

`patient` is most often `subject` where it is a Patient; `combo-code` is `code` and `component-code` together. Leaving them out
of the index spares a fifth of its entries.
"""

from dataclasses import dataclass

from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import paths, phonetics

# Beyond so many target types a bare id is indexed as such rather than sought under each type.
WIDE = 12


@dataclass(frozen=True, slots=True)
class Alias:
    """The parameters that answer (several: any of them), and the type their references must have ("" : any)."""

    codes: tuple[str, ...]
    target: str = ""


def widely(param: SearchParam) -> bool:
    """Whether a reference parameter may point at too many types to name them all."""
    return not 0 < len(param.targets) <= WIDE


def aliases(type_: str, params: list[SearchParam]) -> dict[str, Alias]:
    """The parameters of a type that others answer for."""
    read: dict[str, frozenset[paths.Path]] = {}
    kinds = {param.code: param.type for param in params}
    for param in params:
        if param.type != "special" and param.code[0] != "_" and param.code != phonetics.CODE:
            # Composites answer for each other when their components are at the same places.
            parts = tuple(component.expression for component in param.components)
            kinds[param.code] += "&".join(parts)
            try:
                read[param.code] = frozenset(paths.read(type_, param.expression))
            except paths.Unreadable:
                continue
    found: dict[str, Alias] = {}
    owners = {code: each for code, each in read.items() if len(each) > 0}
    for code, own in owners.items():
        alias = _narrower(code, own, owners, kinds) or _union(code, own, owners, kinds)
        if alias and not any(each in found for each in alias.codes):
            found[code] = alias
    return found


def _narrower(
    code: str, own: frozenset[paths.Path], owners: dict[str, frozenset[paths.Path]], kinds: dict[str, str]
) -> Alias | None:
    """`subject.where(resolve() is Patient)`, where `subject` is a parameter and has one value."""
    if kinds[code] != "reference" or len(own) != 1:
        return None
    path = next(iter(own))
    if not path.steps or not path.steps[-1].target or not path.is_single:
        return None
    last = path.steps[-1]
    wider = paths.Path((*path.steps[:-1], paths.Step(last.name, last.is_list, last.where, "", last.first)), path.type)
    for other, steps in owners.items():
        if kinds[other] == "reference" and {(each.steps, each.type) for each in steps} == {(wider.steps, wider.type)}:
            return Alias((other,), last.target)
    return None


def _union(
    code: str, own: frozenset[paths.Path], owners: dict[str, frozenset[paths.Path]], kinds: dict[str, str]
) -> Alias | None:
    """Exactly the paths of several others together."""
    parts = [other for other, each in owners.items() if other != code and kinds[other] == kinds[code] and each < own]
    chosen: list[str] = []
    covered: set[paths.Path] = set()
    for other in sorted(parts, key=lambda each: -len(owners[each])):
        if not owners[other] & covered:
            chosen.append(other)
            covered |= owners[other]
    return Alias(tuple(chosen)) if covered == own and len(chosen) > 1 else None
