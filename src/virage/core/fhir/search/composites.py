"""`code-value-quantity=http://loinc.org|8480-6$gt140`: a composite parameter as a condition."""

import re
from itertools import product

from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import composites, forms, keys, pairs, params_of, paths
from virage.core.fhir.index.strings import after, fold
from virage.core.fhir.search.conditions import date_bounds, date_check, number_check
from virage.core.fhir.search.context import Context, bars, has, row_exists, split, unescape
from virage.core.fhir.search.errors import BadSearch, bad_modifier, bad_value
from virage.core.fhir.search.sql import FALSE, Sql, every, some

_DOLLAR = re.compile(r"(?<!\\)\$")


def composite(context: Context, value: str, modifier: str, now: int) -> Sql:
    """Each alternative gives one value a component, separated by `$`."""
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    try:
        plans = composites.plans(context.type, context.read_by)
    except paths.Unreadable:
        pair = pairs.plan(context.type, context.read_by)
        if pair is not None:
            return some([_pair(context, pair, each) for each in split(value)])
        raise BadSearch(
            f"Paramètre « {context.name} » : cette combinaison n'est pas servie.",
            code="FHIR.SEARCH_UNSERVED",
            path=context.name,
        ) from None
    if not plans:
        return FALSE
    return some([_one(context, plans[0], _values(context, each), now) for each in split(value)])


def _values(context: Context, value: str) -> list[str]:
    values = _DOLLAR.split(value)
    count = len(context.param.components)
    if len(values) != count or not all(values):
        raise bad_value(context.name, f"{count} valeurs sont attendues, séparées par « $ ».")
    return values


def _pair(context: Context, pair: pairs.Pair, value: str) -> Sql:
    """Codes and two numbers, each number at its end of one row."""
    choices: list[list[str]] = []
    also: list[Sql] = []
    checks: list[tuple[str, tuple[object, ...]]] = []
    parts = {part.param.url: part for part, _ in pair.codes}
    for component, each in zip(context.param.components, _values(context, value), strict=True):
        part = parts.get(component.definition)
        if part is None:
            text, given = number_check(context.name, each, quantity=False)
            end = "x.low" if component.definition == pair.numbers[0].param.url else "x.high"
            checks.append((text.replace("x.low", end).replace("x.high", end), given))
            continue
        choices.append(_forms(context, part, each, True))
        if "|" in each:
            also.append(_own(context, part.param, each))
    together = [composites.joined(each) for each in product(*choices)]
    condition = " AND ".join(text for text, _ in checks)
    given = tuple(value for _, values in checks for value in values)
    return every([row_exists(context, "number", condition, given, sorted(set(context.tokens(*together)))), *also])


def _one(context: Context, plan: composites.Plan, values: list[str], now: int) -> Sql:
    choices: list[list[str]] = []
    also: list[Sql] = []
    row = ""
    # Codes come first in the plan whatever their place in the parameter.
    remaining = list(plan.codes)
    for asked, component, value in zip(context.param.components, context.read_by.components, values, strict=True):
        if plan.row is not None and component.definition == plan.row.param.url:
            row = value
            continue
        part = remaining.pop(0)
        choices.append(_forms(context, part, value, bool(plan.row)))
        if plan.row is not None and "|" in value:
            # The asked parameter's own component: it may stand for the same code in several places.
            own = definitions.search_parameter_by_url(asked.definition)
            also.append(_own(context, own or part.param, value))
    together = [composites.joined(each) for each in product(*choices)]
    if plan.row is None:
        return has(context.tokens(*together))
    return every([_row(context, plan.row.param, together, row, now), *also])


def _own(context: Context, param: SearchParam, value: str) -> Sql:
    """The code with its system, by the component's own parameter (or those that together make it up)."""
    from virage.core.fhir.search.conditions import token_keys

    own = params_of(context.space, context.type).get(param.code)
    return has(token_keys(Context(context.space, context.type, own), value)) if own else FALSE


def _forms(context: Context, part: composites.Part, value: str, with_row: bool) -> list[str]:
    if part.param.type == "reference":
        if not forms.REFERENCE.fullmatch(value):
            raise bad_value(context.name, "une référence s'écrit « Type/id ».")
        return [value]
    if part.param.type == "uri":
        return [keys.address(unescape(value))]
    found = bars(value)
    plain = all(path.type in forms.PLAIN for path in part.paths)
    if len(found) > 2 or not found[-1]:
        raise bad_value(context.name, "un code s'écrit « code » ou « système|code ».")
    if len(found) == 1 or with_row or plain:
        return [keys.any_system(found[-1])]
    return [keys.coded(*found)]


def _row(context: Context, param: SearchParam, together: list[str], value: str, now: int) -> Sql:
    kind = {"quantity": "number"}.get(param.type, param.type)
    if kind == "date":
        check, given = date_check(*date_bounds(context.name, value, now), ("x.low", "x.high"))
    elif kind == "number":
        check, given = number_check(context.name, value, param.type == "quantity")
    else:
        folded = fold(unescape(value))
        limit = after(folded)
        check, given = "x.folded >= %s::text", (folded,)
        if limit is not None:
            check, given = check + " AND x.folded < %s::text", (folded, limit)
    return row_exists(context, kind, check, given, sorted(set(context.tokens(*together))))
