"""`_filter` as a condition: each test becomes the condition of a parameter, chains those of `chains`."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from virage.core.fhir.index import calendar, param_of, phonetics
from virage.core.fhir.index.strings import after, fold
from virage.core.fhir.search import conditions, filters
from virage.core.fhir.search.context import Context, missing, row_exists
from virage.core.fhir.search.errors import BadSearch
from virage.core.fhir.search.leading import either
from virage.core.fhir.search.sql import FALSE, Sql, every, fenced, no

Inner = Callable[[bool, str], list[Sql] | None]
"""The conditions on a resource of this type, contained in another or not; None when a name is not known there."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a filter needs of the compiler: one parameter's condition, a chain, and the moment of the search."""

    space: int
    now: int
    condition: Callable[[str, str, str, int], list[Sql] | None]
    chain: Callable[[str, str, Inner, int], Sql | None]
    of: Callable[[bool], "Tools"]


def filtered(tools: Tools, type_: str, text: str, depth: int) -> list[Sql]:
    """The conditions of a filter on a type. Raises BadSearch when it cannot be read or names an unknown parameter."""
    try:
        return _tree(tools, type_, filters.parse(text), depth)
    except BadSearch as error:
        # What was sent is `_filter`, whichever parameter inside it the words are about.
        error.path, error.issues = "_filter", tuple(replace(one, path="_filter") for one in error.issues)
        raise


def _tree(tools: Tools, type_: str, tree: filters.Tree, depth: int) -> list[Sql]:
    """What all must hold: `and` is what several parameters of a search are."""
    match tree:
        case filters.Both(word="and"):
            return [*_tree(tools, type_, tree.left, depth), *_tree(tools, type_, tree.right, depth)]
        case filters.Both():
            return [either([_tree(tools, type_, each, depth) for each in (tree.left, tree.right)])]
        case filters.Negated():
            return [no(_checked(_tree(tools, type_, tree.inner, depth)))]
    return [_test(tools, type_, tree.steps, tree, depth)]


def _test(tools: Tools, type_: str, steps: tuple[filters.Step, ...], test: filters.Comparison, depth: int) -> Sql:
    head = steps[0]
    if len(steps) == 1:
        return _one(tools, type_, head.name, test, depth)

    def inner(contained: bool, far: str) -> list[Sql] | None:
        own = tools.of(contained)
        code = steps[1].name.partition(":")[0]
        if param_of(own.space, far, code) is None and code not in ("_id", "_lastUpdated"):
            return None
        parts = [] if head.inside is None else _tree(own, far, head.inside, depth + 1)
        return [*parts, _test(own, far, steps[1:], test, depth + 1)]

    found = tools.chain(type_, head.name, inner, depth)
    if found is None:
        raise _unknown(f"{head.name}.{steps[1].name}")
    return found


def _checked(parts: list[Sql]) -> Sql:
    return every([fenced(part) for part in parts])


def _unknown(name: str) -> BadSearch:
    return BadSearch(
        f"« _filter » : « {name[:64]} » n'est pas un paramètre d'ici, ou n'est pas une référence qui mène plus loin.",
        code="FHIR.SEARCH_FILTER",
        path="_filter",
    )


def _unfit(name: str, operator: str, kind: str) -> BadSearch:
    return BadSearch(
        f"« _filter » : l'opérateur « {operator} » ne s'applique pas à « {name} », qui est de type {kind}.",
        code="FHIR.SEARCH_FILTER",
        path="_filter",
    )


def _one(tools: Tools, type_: str, name: str, test: filters.Comparison, depth: int) -> Sql:
    operator, value = test.operator, test.value
    code = name
    if code in ("_id", "_lastUpdated"):
        return _own(tools, type_, code, operator, value, depth)
    param = param_of(tools.space, type_, code)
    if param is None or param.type == "special":
        raise _unknown(name)
    context = Context(tools.space, type_, param)
    kind = param.type
    if operator == "pr":
        if value.lower() not in ("true", "false"):
            raise BadSearch("« _filter » : « pr » attend true ou false.", code="FHIR.SEARCH_FILTER", path="_filter")
        return missing(context, "false" if value.lower() == "true" else "true")
    prefix, modifier = _TOLD.get(kind, {}).get(operator, ("?", ""))
    if code == phonetics.CODE and not param.key:
        if operator != "eq":
            raise _unfit(name, operator, "string, par la sonorité")
        return conditions.sounding(context, value.replace(",", "\\,"), "")
    if kind == "string" and operator in _STRINGS:
        return _string(context, operator, value)
    if kind == "token" and operator == "ne":
        # There is a value, and it is not this one.
        other = conditions.token(context, value.replace(",", "\\,"), "not")
        return every([missing(context, "false"), other])
    if kind == "date" and operator == "po":
        return _overlapping(context, value, tools.now)
    if prefix == "?":
        raise _unfit(name, operator, kind)
    sought = value if kind in ("token", "quantity", "reference", "composite") else _escaped(value)
    found = tools.condition(
        type_, f"{code}:{modifier}" if modifier else code, prefix + sought.replace(",", "\\,"), depth
    )
    if found is None:
        raise _unknown(name)
    return every(found)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace("|", "\\|").replace("$", "\\$")


def _own(tools: Tools, type_: str, code: str, operator: str, value: str, depth: int) -> Sql:
    if code == "_lastUpdated" and operator in _COMPARED:
        return conditions.updated(_COMPARED[operator][0] + value, "", tools.now)
    if code == "_id" and operator in ("eq", "ne"):
        found = every(tools.condition(type_, "_id", value.replace(",", "\\,"), depth) or [FALSE])
        return found if operator == "eq" else no(fenced(found))
    raise _unfit(code, operator, "date" if code == "_lastUpdated" else "id")


def _overlapping(context: Context, value: str, now: int) -> Sql:
    """`po`: the periods have a moment in common."""
    _, low, high = conditions.date_bounds(context.name, "eq" + value, now)
    found = row_exists(context, "date", *conditions.date_check("ap", low, high, ("x.low", "x.high")))
    tokens = tuple(context.tokens(*calendar.forms_within(low, high)))
    return Sql(found.text, found.values, found.kind, tokens)


_STRINGS = frozenset(["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le"])


def _string(context: Context, operator: str, value: str) -> Sql:
    """Texts are compared whatever the case and the accents."""
    folded = fold(value)
    if operator == "co":
        return row_exists(context, "string", "position(%s::text IN x.folded) > 0", (folded,))
    if operator == "ew":
        return row_exists(context, "string", "right(x.folded, %s) = %s::text", (len(folded), folded))
    if operator == "sw":
        limit = after(folded)
        if limit is None:
            return row_exists(context, "string", "x.folded >= %s::text", (folded,))
        return row_exists(context, "string", "x.folded >= %s::text AND x.folded < %s::text", (folded, limit))
    # The forms without punctuation have no text of their own: they are no values to be compared.
    sign = {"eq": "=", "ne": "<>", "gt": ">", "lt": "<", "ge": ">=", "le": "<="}[operator]
    return row_exists(context, "string", f"x.folded {sign} %s::text AND x.exact <> ''", (folded,))


_COMPARED = {each: (each, "") for each in ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")}
# By the type of the parameter: operator → prefix, modifier of the search that says the same.
_TOLD: dict[str, dict[str, tuple[str, str]]] = {
    "date": _COMPARED,
    "number": _COMPARED,
    "quantity": _COMPARED,
    "token": {
        "eq": ("", ""),
        "in": ("", "in"),
        "ni": ("", "not-in"),
        # The value subsumes what is held: what is held is below it.
        "ss": ("", "below"),
        "sb": ("", "above"),
    },
    "reference": {"eq": ("", ""), "re": ("", "")},
    "uri": {"eq": ("", ""), "sw": ("", "below"), "re": ("", "")},
    "composite": {"eq": ("", "")},
}
