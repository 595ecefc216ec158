"""`:above` and `:below` on references. R4, search, « Modifiers » and « Searching Hierarchies ».

A reference to a Location, an Organization and the like stands for those that are parts of it, or that it is part of. A canonical stands
for its versions that are more precise (`url|1` for `url|1.2`).
"""

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.fhir.index import forms, keys, param_of, params_of, paths, remembered
from virage.core.fhir.search import canonicals
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.context import Context, has, unescape
from virage.core.fhir.search.errors import BadSearch, TooDear, await_revision, bad_value
from virage.core.fhir.search.facts import facts
from virage.core.fhir.search.includes import reference_paths, referred
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE, Sql
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import read_many
from virage.core.fhir.store.space import by_code

MAX_PARTS = 5000
MAX_LEVELS = 50


def around(context: Context, value: str, modifier: str, rule: Filter) -> Sql:
    """The references to these resources and to those above them, or below. Only what the caller may see is gone through.

    Raises BadSearch, TooDear.
    """
    tokens: list[int] = []
    for each in context.alternatives(value):
        wanted = unescape(each)
        match = forms.REFERENCE.fullmatch(wanted)
        if match or places.ID.fullmatch(wanted):
            ends = [(match[1], match[2])] if match else [(type_, wanted) for type_ in _hierarchies(context)]
            rows = {row for type_, id_ in ends for row in _related(context, type_, id_, modifier, rule)}
            tokens += [(key ^ row) & keys.MASK for key in context.keys for row in rows]
        else:
            tokens += _versions(context, wanted, modifier)
    return has(tokens)


def _hierarchies(context: Context) -> list[str]:
    targets = [context.target] if context.target else list(context.param.targets)
    found = [each for each in targets if _part_of(context.space, each)]
    if not found:
        raise _flat(context.name)
    return found


def _flat(name: str) -> BadSearch:
    return BadSearch(
        f"Paramètre « {name} » : « :above » et « :below » s'appliquent aux références vers ce qui a un « partOf » de son propre type "
        "(Location, Organization, …), et « :below » aux versions d'une adresse (url|version).",
        code="FHIR.SEARCH_MODIFIER",
        path=name,
    )


@remembered()
def _part_of(space: int, type_: str) -> str:
    """The parameter by which resources of a type say which of them they are a part of; "" when they do not."""
    for code, param in params_of(space, type_).items():
        if param.type == "reference" and type_ in param.targets and not param.key:
            try:
                read = paths.read(type_, param.expression)
            except paths.Unreadable:
                continue
            if read and all(path.steps and len(path.steps) == 1 and path.steps[0].name == "partOf" for path in read):
                return code
    return ""


def _related(context: Context, type_: str, id_: str, modifier: str, rule: Filter) -> set[int]:
    code = _part_of(context.space, type_)
    if not code or (context.param.targets and type_ not in context.param.targets):
        raise _flat(context.name)
    if modifier == "above":
        return _above(context, type_, code, id_, rule)
    return _below(context, type_, code, id_, rule)


def _below(context: Context, type_: str, code: str, id_: str, rule: Filter) -> set[int]:
    space = keys.outside(context.space)
    param = param_of(space, type_, code)
    assert param is not None
    way = Context(space, type_, param)
    allowed = access_condition(rule, space, type_)
    found = fresh = {keys.row_id(space, type_, id_)}
    for _ in range(MAX_LEVELS):
        condition = assemble([has([(key ^ row) & keys.MASK for key in way.keys for row in fresh]), allowed])
        if condition is FALSE:
            return found
        statement = Query(space, (places.type_code(type_),), condition).keys(MAX_PARTS + 1)
        with db.cursor() as cursor:
            cursor.execute(statement.text, statement.values)
            fresh = {row[1] for row in cursor} - found
        if not fresh:
            return found
        found = found | fresh
        if len(found) > MAX_PARTS:
            break
    raise _too_many(context.name)


def _above(context: Context, type_: str, code: str, id_: str, rule: Filter) -> set[int]:
    space = by_code(context.space)
    ways = reference_paths(space.code, type_, code)
    found: dict[tuple[str, str], None] = {}
    fresh = [(type_, id_)]
    for _ in range(MAX_LEVELS):
        found |= dict.fromkeys(fresh)
        seen = [
            version
            for version in read_many(space, fresh).values()
            if isinstance(rule, Everything) or rule.admits(facts(space.code, version.resource)).allowed
        ]
        parents = [referred(value) for each in seen for way in ways for value in paths.values(way, each.resource)]
        fresh = [each for each in parents if each and each[0] == type_ and each not in found]
        if not fresh:
            return {keys.row_id(space.code, *each) for each in found}
    raise _too_many(context.name)


def _too_many(name: str) -> TooDear:
    return TooDear(
        f"« {name} » : la hiérarchie compte plus de {MAX_PARTS} ressources ou de {MAX_LEVELS} niveaux ; partez de plus près.",
        path=name,
    )


def _versions(context: Context, canonical: str, modifier: str) -> list[int]:
    if modifier != "below" or not canonicals.targets(context.space, context.type, context.param.code):
        raise _flat(context.name)
    url, _, version = canonical.partition("|")
    if ":" not in url:
        raise bad_value(context.name, "une référence s'écrit « Type/id », « id » ou une adresse complète.")
    if not version:
        return context.tokens(keys.address(url))
    await_revision(context.name, 4)
    return context.tokens(keys.of_version(url, version.removesuffix(".")))
