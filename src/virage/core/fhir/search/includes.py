"""`_include` and `_revinclude`: what the matches point at, and what points at them, within the caller's rights."""

from collections.abc import Iterable
from typing import Any

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.fhir.index import forms, keys, param_of, params_of, paths, remembered
from virage.core.fhir.search import canonicals
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.conditions import target_keys
from virage.core.fhir.search.context import Context, has
from virage.core.fhir.search.errors import BadSearch
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.request import Include
from virage.core.fhir.search.sql import FALSE
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import present_types, read_many, version_of
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Entry, Version

MAX_INCLUDED = 2000
_ROUNDS = 10


def included(space: Space, matches: list[Entry], asked: list[Include], rule: Filter) -> list[Entry]:
    """The resources to add to these matches, each once."""
    known = {entry.version.reference for entry in matches}
    found: list[Entry] = []
    fresh = [entry.version for entry in matches]
    for turn in range(_ROUNDS):
        added: list[Version] = []
        for each in asked:
            if turn and not each.iterate:
                continue
            new = _reverse(space, each, fresh, rule) if each.reverse else _forward(space, each, fresh, rule)
            for version in new:
                if version.reference not in known:
                    known.add(version.reference)
                    added.append(version)
                    if len(known) > MAX_INCLUDED:
                        raise BadSearch(
                            f"Plus de {MAX_INCLUDED} ressources à joindre : demandez des pages plus courtes (_count).",
                            code="FHIR.SEARCH_COST",
                            issue="too-costly",
                            path="_revinclude" if each.reverse else "_include",
                        )
        found += [Entry(version, "include") for version in added]
        if not added or not any(each.iterate for each in asked):
            break
        fresh = added
    return found


def _forward(space: Space, asked: Include, versions: Iterable[Version], rule: Filter) -> list[Version]:
    wanted: dict[tuple[str, str], None] = {}
    addresses: dict[str, None] = {}
    types: dict[str, None] = {}
    for version in versions:
        if asked.source not in ("*", version.type):
            continue
        by_address = canonicals.targets(space.code, version.type, asked.param)
        types |= dict.fromkeys(each for each in by_address if asked.target in ("", each))
        for path in reference_paths(space.code, version.type, asked.param):
            for value in paths.values(path, version.resource):
                target = referred(value)
                if target and asked.target in ("", target[0]):
                    wanted[target] = None
                elif by_address and path.type == "canonical" and type(value) is str and not target:
                    addresses[value] = None
    named = canonicals.designated(space, addresses, types, rule, MAX_INCLUDED) if addresses else []
    if not wanted:
        return named
    found = read_many(space, wanted)
    kept = [*named, *(found[key] for key in wanted if key in found)]
    if isinstance(rule, Everything):
        return kept
    from virage.core.fhir.search.facts import facts

    return [version for version in kept if rule.admits(facts(space.code, version.resource)).allowed]


@remembered(4096)
def reference_paths(space: int, type_: str, code: str) -> tuple[paths.Path, ...]:
    """The paths of a reference parameter of a type, of all of them for `*`. Raises BadSearch when it has none."""
    params = params_of(space, type_)
    if code == "*":
        wanted = [param for param in params.values() if param.type == "reference"]
    else:
        param = param_of(space, type_, code)
        if param is None or param.type != "reference":
            raise BadSearch(
                f"« {type_}:{code} » n'est pas un paramètre de type référence.",
                code="FHIR.SEARCH_PARAM",
                path="_include",
            )
        wanted = [param]
    found: list[paths.Path] = []
    for param in wanted:
        try:
            found += paths.read(type_, param.expression)
        except paths.Unreadable:
            continue
    return tuple(dict.fromkeys(found))


def referred(value: Any) -> tuple[str, str] | None:
    """The (type, id) that a Reference or canonical points at in this base."""
    text = value.get("reference") if type(value) is dict else value
    match = forms.REFERENCE.fullmatch(text) if type(text) is str else None
    return (match[1], match[2]) if match else None


def check(space: Space, asked: Iterable[Include]) -> None:
    """Raises BadSearch for an include that names no type or no reference, whether anything matches or not."""
    for each in asked:
        if each.source == "*":
            continue
        wrong = [name for name in (each.source, each.target or each.source) if name not in places.TYPE_CODES]
        if wrong:
            raise BadSearch(
                f"« {wrong[0][:40]} » n'est pas un type de ressource FHIR R4.",
                code="FHIR.SEARCH_PARAM",
                path="_revinclude" if each.reverse else "_include",
            )
        reference_paths(space.code, each.source, each.param)


def _reverse(space: Space, asked: Include, versions: list[Version], rule: Filter) -> list[Version]:
    if asked.source != "*":
        return _pointing(space, asked.source, asked, versions, rule)
    found: list[Version] = []
    for code in present_types(space):
        found += _pointing(space, places.TYPES[code], asked, versions, rule)
        if len(found) > MAX_INCLUDED:
            break
    return found


def _pointing(space: Space, source: str, asked: Include, versions: list[Version], rule: Filter) -> list[Version]:
    """The resources of a type that point at these."""
    params = params_of(space.code, source)
    names = [name for name, each in params.items() if each.type == "reference"] if asked.param == "*" else [asked.param]
    tokens = []
    addressed = set()
    for name in names:
        param = param_of(space.code, source, name)
        if param is None or param.type != "reference":
            continue  # `check` refused it where it was asked for by name
        targets = param.targets
        context = Context(space.code, source, param)
        for version in versions:
            if asked.target in ("", version.type) and (not targets or version.type in targets):
                tokens += target_keys(context, version.type, version.id)
                if version.type in canonicals.targets(space.code, source, name):
                    addressed |= set(canonicals.names(version))
        tokens += context.tokens(*map(keys.address, addressed))
    condition = assemble([has(tokens), access_condition(rule, space.code, source)])
    if condition is FALSE:
        return []
    statement = Query(space.code, (places.type_code(source),), condition).page(MAX_INCLUDED + 1, None)
    with db.cursor() as cursor:
        cursor.execute(statement.text, statement.values)
        found = [version_of(row[:6]) for row in cursor]
    if not addressed:
        return found
    # An address with a version is also indexed without it: what names another version was found too.
    known = {(version.type, version.id) for version in versions}
    ways = [path for name in names for path in reference_paths(space.code, source, name)]
    return [
        each
        for each in found
        if any(_points(value, known, addressed) for way in ways for value in paths.values(way, each.resource))
    ]


def _points(value: Any, known: set[tuple[str, str]], addressed: set[str]) -> bool:
    target = referred(value)
    return target in known if target else type(value) is str and value in addressed
