"""Codes by what a terminology says of them: `:in`, `:not-in` (value sets), `:above`, `:below` (hierarchies).

Value sets and code systems are those of R4 and those that the base and the shared store hold at this very moment.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virage.core.fhir import definitions
from virage.core.fhir.index import keys
from virage.core.fhir.search.context import Context, bars, code_systems, unescape
from virage.core.fhir.search.errors import BadSearch, TooDear, bad_value
from virage.core.fhir.validation import Registry

if TYPE_CHECKING:
    from virage.core.fhir.store import Store

MAX_CODES = 5000
_MOST_SETS = 100


class UnknownTerms(BadSearch):
    """The value set or code system is not here, or cannot be listed."""

    code = "FHIR.SEARCH_TERMS"
    issue = "not-found"


def coded_form(context: Context, system: str, code: str) -> str:
    """The form under which a code of a system is indexed (any code of it when `code` is empty); "" when none can be."""
    # An element of type `code` has its system by its binding, not in the resource.
    own = code_systems(context.space, context.type, context.param.code)
    if own is not None:
        return keys.any_system(code) if code and (not system or system in own) else ""
    return keys.coded(system, code) if code else keys.of_system(system)


def within(context: Context, value: str) -> list[int]:
    """The tokens of the codes of a value set, given by its canonical address or as `ValueSet/id`."""
    stores = _stores(context.space)
    known = _known(stores)
    codes: set[tuple[str, str]] = set()
    for each in context.alternatives(value):
        codes |= _listed(context.name, known, _canonical(stores, known, unescape(each)))
    return _tokens(context, codes)


def around(context: Context, value: str, above: bool) -> list[int]:
    """The tokens of a code and of those above it, or below it, in its code system."""
    known = _known(_stores(context.space))
    codes: set[tuple[str, str]] = set()
    for each in context.alternatives(value):
        parts = bars(each)
        own = code_systems(context.space, context.type, context.param.code) or frozenset()
        if len(parts) == 1 and len(own) == 1:
            parts = [*own, parts[0]]
        if len(parts) != 2 or not all(parts):
            raise bad_value(context.name, "« :above » et « :below » attendent « système|code ».")
        codes |= {(parts[0], code) for code in _related(context.name, known, parts[0], parts[1], above)}
    return _tokens(context, codes)


def _tokens(context: Context, codes: set[tuple[str, str]]) -> list[int]:
    if len(codes) > MAX_CODES:
        raise TooDear(
            f"Ce sont {len(codes)} codes à chercher, {MAX_CODES} au plus : prenez un jeu de valeurs plus étroit.",
            path=context.name,
        )
    return context.tokens(*{form for system, code in codes if (form := coded_form(context, system, code))})


def _stores(space: int) -> list["Store"]:
    """The base's own store, and the shared one."""
    from virage.core.fhir.store import Store
    from virage.core.fhir.store.space import by_code

    return [Store(by_code(each)) for each in dict.fromkeys((keys.outside(space), 0))]


def _known(stores: list["Store"]) -> Registry:
    # What validation knows stands on the store, which stands on this search.
    from virage.core.fhir.known import Held

    # Of two resources with one address, the last asked for stays: the base's own.
    return Held(*reversed(stores))


def _canonical(stores: list["Store"], known: Registry, value: str) -> str:
    """The address of a value set that is given as `ValueSet/id`."""
    from virage.core.fhir import json

    type_, slash, id_ = value.partition("/")
    if type_ != "ValueSet" or not slash:
        return value
    version = next((found for store in stores if (found := store.read("ValueSet", id_)) and found.body), None)
    if version is None:
        return value
    resource = {"url": value, **json.loads(version.body)}
    known.add(resource)
    return str(resource["url"])


def _value_set(name: str, known: Registry, canonical: str) -> Mapping[str, Any]:
    found = known.value_set(canonical)
    if found is None:
        raise UnknownTerms(
            f"Paramètre « {name} » : ce jeu de valeurs n'est pas connu ici ; donnez son adresse canonique, après l'avoir publié.",
            path=name,
        )
    return found


def _listed(name: str, known: Registry, canonical: str) -> set[tuple[str, str]]:
    """The codes of a value set; ("system", "") stands for a whole system that is not listed here."""
    source = _value_set(name, known, canonical)
    listed = definitions.expand(source, known.value_set, known.code_system)
    return set(listed) if listed is not None else _told(name, known, source, set())


def _told(name: str, known: Registry, source: Mapping[str, Any], opened: set[str]) -> set[tuple[str, str]]:
    """The codes of a value set with parts that cannot be listed but are whole systems; what was opened adds nothing again."""
    compose = source.get("compose", {})
    codes: set[tuple[str, str]] = set()
    # Each part is listed by itself: together they cost what one may.
    steps = definitions.MAX_STEPS // (1 + sum(len(compose.get(side, ())) for side in ("include", "exclude")))
    for part in compose.get("include", ()):
        system, sets = part.get("system", ""), part.get("valueSet", ())
        if not system and len(sets) == 1 and isinstance(sets[0], str):
            if sets[0] not in opened:
                opened.add(sets[0])
                if len(opened) > _MOST_SETS:
                    raise _unlistable(name)
                codes |= _told(name, known, _value_set(name, known, sets[0]), opened)
        elif system and not sets and "concept" in part:
            codes |= {(system, each["code"]) for each in part["concept"] if "code" in each}
        elif system and not sets and not part.get("filter"):
            codes.add((system, ""))
        else:
            codes |= _include(name, known, part, steps)
    if compose.get("exclude"):
        out = {code for part in compose["exclude"] for code in _include(name, known, part, steps)}
        if any(not code and any(each[0] == system for each in out) for system, code in codes):
            raise _unlistable(name)
        codes -= out
    return codes


def _include(name: str, known: Registry, part: Mapping[str, Any], steps: int) -> frozenset[tuple[str, str]]:
    listed = definitions.expand({"compose": {"include": [part]}}, known.value_set, known.code_system, steps)
    if listed is None:
        raise _unlistable(name)
    return listed


def _unlistable(name: str) -> BadSearch:
    return UnknownTerms(
        f"Paramètre « {name} » : ce jeu de valeurs ne peut pas être énuméré ici, il manque un système de codes ou un filtre n'est "
        "pas calculable.",
        path=name,
    )


def _related(name: str, known: Registry, system: str, code: str, above: bool) -> set[str]:
    source = known.code_system(system)
    if source is None or source.get("content") != "complete":
        raise UnknownTerms(
            f"Paramètre « {name} » : ce système de codes n'est pas connu ici avec sa hiérarchie ; publiez-le, ou cherchez le code seul.",
            path=name,
        )
    if above:
        return {code, *definitions.ancestors(source, code)}
    found = definitions.concepts(source, [{"property": "concept", "op": "is-a", "value": code}]) or ()
    return {code, *(each for _, each in found)}
