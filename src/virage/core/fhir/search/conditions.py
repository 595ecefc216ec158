"""Each value sought, by parameter type, as a condition on the row `r` of a resource whose bucket is `{b}`."""

import re
from collections.abc import Callable
from fractions import Fraction
from typing import Any

from virage.core.fhir.index import calendar, keys, phonetics
from virage.core.fhir.index.dates import date_range
from virage.core.fhir.index.forms import CANONICAL, REFERENCE, UCUM, canonical, in_canonical, number_range
from virage.core.fhir.index.strings import after, fold, unmarked, words
from virage.core.fhir.references import local
from virage.core.fhir.search import vocabulary
from virage.core.fhir.search.context import Context, bars, has, own_base, row_exists, split, unescape
from virage.core.fhir.search.errors import await_revision, bad_modifier, bad_value
from virage.core.fhir.search.sql import FALSE, Sql, every, no, some

_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_ID = re.compile(r"[A-Za-z0-9.\-]{1,64}")

Checks = list[tuple[str, tuple[Any, ...]]]
"""Alternatives: SQL text on a row `x`, with its values."""


def _either(checks: Checks) -> tuple[str, tuple[Any, ...]]:
    if len(checks) == 1:
        return checks[0]
    return "(" + " OR ".join(f"({text})" for text, _ in checks) + ")", tuple(v for _, values in checks for v in values)


# ── token ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


_ADMITTED = ":missing, :not, :text, :in, :not-in, :above, :below, :of-type"


def token(context: Context, value: str, modifier: str) -> Sql:
    """`code`, `system|code`, `|code`, `system|`; the modifiers are `_ADMITTED`."""
    if modifier == "not":
        return no(_coded(context, value))
    if modifier == "text":
        return text(context, value)
    if modifier in ("in", "not-in"):
        found = has(vocabulary.within(context, value))
        return found if modifier == "in" else no(found)
    if modifier in ("above", "below"):
        return has(vocabulary.around(context, value, above=modifier == "above"))
    if modifier == "of-type":
        return has([key for each in context.alternatives(value) for key in context.tokens(_of_type(context, each))])
    if modifier:
        raise bad_modifier(context.name, modifier, _ADMITTED)
    return _coded(context, value)


def _coded(context: Context, value: str) -> Sql:
    """Any of the alternatives. « false » of what is true by being there (`deceased`) is found by its not being so."""
    if not context.is_truth:
        return has(token_keys(context, value))
    true = has(context.tokens(keys.any_system("true")))
    found = []
    for each in context.alternatives(value):
        form = token_form(context, each)
        found.append(true if form == "=true" else no(true) if form == "=false" else FALSE)
    return some(found)


def text(context: Context, value: str) -> Sql:
    """`:text`: every word is in what people read beside the code or the reference, whatever the case and accents."""
    found = []
    for each in context.alternatives(value):
        sought = words(unescape(each))
        if not sought:
            raise bad_value(context.name, "« :text » attend au moins un mot.")
        found.append(every([has(context.tokens(keys.word(word))) for word in sought]))
    return _of_target(context, some(found))


def _of_type(context: Context, value: str) -> str:
    parts = bars(value)
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise bad_value(context.name, "« :of-type » attend « système|code|valeur ».")
    return keys.of_type(*parts)


def token_keys(context: Context, value: str) -> list[int]:
    """The tokens, without bucket, that any of the alternatives stands for."""
    return [key for each in context.alternatives(value) for key in one_token(context, each)]


def one_token(context: Context, value: str) -> list[int]:
    """The tokens of one alternative; none when no resource can hold it."""
    form = token_form(context, value)
    return context.tokens(form) if form else []


def token_form(context: Context, value: str) -> str:
    """The form under which one alternative is indexed; "" when no resource can hold it."""
    parts = bars(value)
    if len(parts) > 2 or not any(parts):
        raise bad_value(context.name, "un code s'écrit « code », « système|code », « |code » ou « système| ».")
    return keys.any_system(parts[0]) if len(parts) == 1 else vocabulary.coded_form(context, *parts)


# ── string, uri ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def string(context: Context, value: str, modifier: str) -> Sql:
    """Begins with, whatever the case, accents and punctuation; :exact, :contains."""
    if modifier not in ("", "exact", "contains"):
        raise bad_modifier(context.name, modifier, ":missing, :exact, :contains")
    checks: Checks = []
    for each in context.alternatives(value):
        text = unescape(each)
        folded = fold(text)
        if modifier == "exact":
            checks.append(("x.folded = %s::text AND x.exact = %s::text", (folded, text[:500])))
            continue
        for form in (folded, *unmarked(folded)):
            checks.append(("position(%s::text IN x.folded) > 0", (form,)) if modifier else _begins(form))
    return row_exists(context, "string", *_either(checks))


def sounding(context: Context, value: str, modifier: str) -> Sql:
    """`phonetic`: every word sounds like one of the name."""
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    await_revision(context.name, 7)
    found = []
    for each in context.alternatives(value):
        codes = phonetics.sounds(unescape(each))
        if not codes:
            raise bad_value(context.name, "donnez au moins un mot.")
        found.append(every([has(context.tokens(keys.sound(code))) for code in codes]))
    return some(found)


def _begins(prefix: str) -> tuple[str, tuple[Any, ...]]:
    limit = after(prefix)
    if limit is None:
        return "x.folded >= %s::text", (prefix,)
    return "x.folded >= %s::text AND x.folded < %s::text", (prefix, limit)


def uri(context: Context, value: str, modifier: str) -> Sql:
    """The very address; :below, :above by path segments."""
    wanted = [unescape(each) for each in context.alternatives(value)]
    if modifier == "below":
        return row_exists(context, "uri", *_either([_begins(each) for each in wanted]))
    if modifier == "above":
        return has(context.tokens(*(keys.address(each[:end]) for each in wanted for end in _ends(each))))
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing, :above, :below")
    return has(context.tokens(*map(keys.address, wanted)))


def _ends(url: str) -> list[int]:
    """Where the addresses above this one end, itself included."""
    start = url.find("://") + 3 if "://" in url else 0
    return [match.start() for match in re.finditer(r"/", url) if match.start() >= start] + [len(url)]


# ── date ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def prefixed(value: str) -> tuple[str, str]:
    """The prefix of a date, number or quantity (`eq` when there is none), and the rest."""
    match = _PREFIXED.fullmatch(value)
    assert match
    return match[1] or "eq", match[2]


def date_bounds(name: str, value: str, now: int) -> tuple[str, int, int]:
    """Prefix and range of a date sought. Raises BadSearch."""
    prefix, text = prefixed(value)
    try:
        low, high = date_range(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        if re.match(r"[a-z]{2}\d", value) and prefix == "eq":
            raise bad_value(name, "ce préfixe n'existe pas ; admis : eq, ne, gt, lt, ge, le, sa, eb, ap.") from None
        raise bad_value(
            name, "une date s'écrit AAAA, AAAA-MM, AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss avec son fuseau."
        ) from None
    if prefix == "ap":
        # Around it, a tenth of its distance from now.
        gap = abs(now - (low + high) // 2) // 10
        low, high = low - gap, high + gap
    return prefix, low, high


def date_check(prefix: str, low: int, high: int, columns: tuple[str, str]) -> tuple[str, tuple[Any, ...]]:
    """How the range sought, [low, high), stands to that of the value: FHIR R4, « Prefixes »."""
    start, end = columns
    at = "%s::bigint"
    match prefix:
        case "eq":
            # The upper bound of the start is implied; written out, it bounds the index scan.
            return f"{start} >= {at} AND {start} <= {at} AND {end} <= {at}", (low, high, high)
        case "ne":
            return f"({start} < {at} OR {end} > {at})", (low, high)
        case "gt":
            return f"{end} > {at}", (high,)
        case "lt":
            return f"{start} < {at}", (low,)
        case "ge":
            return f"({start} >= {at} OR {end} > {at})", (low, high)
        case "le":
            return f"({start} < {at} OR {end} <= {at})", (low, high)
        case "sa":
            return f"{start} >= {at}", (high,)
        case "eb":
            return f"{end} <= {at}", (low,)
    return f"{start} < {at} AND {end} > {at}", (high, low)


def _window(prefix: str, low: int, high: int) -> tuple[int | None, int | None] | None:
    """The range in which a value that lies within one month must begin, None when it may be anywhere."""
    match prefix:
        case "eq" | "ap":
            return low, high
        case "gt" | "sa":
            return high, None
        case "ge":
            return low, None
        case "lt" | "eb":
            return None, low
        case "le":
            return None, high
    return None


def date(context: Context, value: str, modifier: str, now: int) -> Sql:
    """A date, dateTime, instant or Period by its range."""
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    checks: Checks = []
    window: set[str] | None = set()
    span = None
    alternatives = context.alternatives(value)
    for each in alternatives:
        prefix, low, high = date_bounds(context.name, each, now)
        checks.append(date_check(prefix, low, high, ("x.low", "x.high")))
        bounds = _window(prefix, low, high)
        if bounds is None or window is None:
            window = None
        else:
            window.update(calendar.forms_within(*bounds))
            if len(alternatives) == 1 and context.is_single:
                span = (context.keys, *bounds)
    found = row_exists(context, "date", *_either(checks))
    tokens = tuple(context.tokens(*sorted(window))) if window else ()
    return Sql(found.text, found.values, found.kind, tokens, span)


def updated(value: str, modifier: str, now: int) -> Sql:
    """`_lastUpdated`, on the row itself."""
    if modifier:
        raise bad_modifier("_lastUpdated", modifier, "aucun")
    # A version is dated to the millisecond.
    columns = ("r.updated", "(r.updated + 1000)")
    return Sql(*_either([date_check(*date_bounds("_lastUpdated", each, now), columns) for each in split(value)]))


# ── number, quantity ─────────────────────────────────────────────────────────────────────────────────────────────────────


def number(context: Context, value: str, modifier: str) -> Sql:
    """`number` with its prefix; a quantity as `number|system|code` or `number||code`."""
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    quantity = context.param.type == "quantity"
    checks = [number_check(context.name, each, quantity) for each in context.alternatives(value)]
    return row_exists(context, "number", *_either(checks))


def number_check(name: str, value: str, quantity: bool) -> tuple[str, tuple[Any, ...]]:
    """The check of one alternative on a row of numbers; UCUM units are compared in base units. Raises BadSearch."""
    parts = bars(value)
    if len(parts) not in ((1, 2, 3) if quantity else (1,)):
        raise bad_value(name, "une quantité s'écrit « nombre » ou « nombre|système|code ».")
    prefix, text = prefixed(parts[0])
    try:
        bounds = number_range(text)
    except ValueError:
        raise bad_value(name, "un nombre est attendu, avec un point pour les décimales.") from None
    if prefix == "ap":
        # A tenth of it, in the unit asked: of 37 °C, not of 310 K.
        gap = abs(bounds[0]) / 10
        bounds = (bounds[0], bounds[0] - gap, bounds[0] + gap)
    same = canonical(parts[2]) if len(parts) == 3 and parts[1] == UCUM else None
    if same is not None:
        await_revision(name)
        condition, values = _compared(prefix, *(in_canonical(each, same) for each in bounds))
        units = [keys.value_hash(CANONICAL + same[2]), keys.value_hash(f"{UCUM}|{same[2]}")]
        return condition + " AND x.unit = ANY(%s::bigint[])", (*values, units)
    condition, values = _compared(prefix, *map(_float, bounds))
    if len(parts) == 3 and parts[1]:
        return condition + " AND x.unit = %s::bigint", (*values, keys.value_hash(f"{parts[1]}|{parts[2]}"))
    if len(parts) > 1 and parts[-1]:
        return condition + " AND x.code = %s::bigint", (*values, keys.value_hash(parts[-1]))
    if quantity:
        return condition + " AND x.code <> %s::bigint", (*values, keys.value_hash(CANONICAL))
    return condition, values


def _float(exact: Fraction) -> float:
    try:
        return float(exact)
    except OverflowError:
        return float("inf") if exact > 0 else float("-inf")


def _compared(prefix: str, exact: float, low: float, high: float) -> tuple[str, tuple[Any, ...]]:
    """Equality looks at the precision given; the comparisons take the number as it is."""
    at = "%s::float8"
    match prefix:
        case "eq":
            return f"x.low >= {at} AND x.low < {at} AND x.high < {at}", (low, high, high)
        case "ne":
            return f"(x.low < {at} OR x.high >= {at})", (low, high)
        case "gt":
            return f"x.high > {at}", (exact,)
        case "sa":
            return f"x.low > {at}", (exact,)
        case "lt":
            return f"x.low < {at}", (exact,)
        case "eb":
            return f"x.high < {at}", (exact,)
        case "ge":
            return f"x.high >= {at}", (exact,)
        case "le":
            return f"x.low <= {at}", (exact,)
    return f"x.low <= {at} AND x.high >= {at}", (high, low)


# ── reference ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reference(context: Context, value: str, modifier: str) -> Sql:
    """`Type/id`, `id`, an address; `:Type`, `:identifier`."""
    if modifier == "identifier":
        found = []
        for each in context.alternatives(value):
            found += context.tokens(_identifier(context.name, bars(each)))
        return _of_target(context, has(found))
    if modifier == "text":
        return text(context, value)
    targets = context.param.targets
    if modifier and targets and modifier not in targets:
        raise bad_modifier(
            context.name,
            modifier,
            ":missing, :identifier, :text, :above, :below, " + ", ".join(f":{each}" for each in targets[:10]),
        )
    tokens = [key for each in context.alternatives(value) for key in reference_keys(context, each, modifier)]
    return has(tokens)


def _identifier(name: str, parts: list[str]) -> str:
    """The form of what `:identifier` asks, written as a token. Raises BadSearch, NotYetIndexed."""
    match parts:
        case [system, value] if value:
            return keys.identified(system, value)
        case [value] if value:
            form = keys.any_system(value)
        case [system, ""] if system:
            form = keys.of_system(system)
        case _:
            raise bad_value(name, "« :identifier » attend « système|valeur », « |valeur », « système| » ou « valeur ».")
    await_revision(name, 3)
    return form


def _of_target(context: Context, found: Sql) -> Sql:
    """For a parameter such as `patient`, the reference (there is only one) must also be to that type."""
    return every([found, has(context.tokens(keys.present(context.target)))]) if context.target else found


def target_keys(context: Context, type_: str, id_: str) -> list[int]:
    """The tokens of a reference to a resource of this base."""
    if context.target and type_ != context.target:
        return []
    row = keys.row_id(context.space, type_, id_)
    return [(key ^ row) & keys.MASK for key in context.keys]


def reference_keys(context: Context, value: str, type_: str) -> list[int]:
    """The tokens of one alternative. Raises BadSearch."""
    from virage.core.fhir.index.aliases import widely

    value = unescape(value)
    match = REFERENCE.fullmatch(value)
    if match:
        if type_ and match[1] != type_:
            raise bad_value(context.name, f"la référence n'est pas de type {type_}.")
        return target_keys(context, match[1], match[2])
    if _ID.fullmatch(value):
        wanted = type_ or context.target
        if wanted:
            return target_keys(context, wanted, value)
        if widely(context.read_by):
            return context.tokens(keys.bare(value))
        return [key for each in context.read_by.targets for key in target_keys(context, each, value)]
    if ":" in value:
        own = local(value, own_base())
        found = reference_keys(context, own, type_) if own != value else []
        return [*found, *context.tokens(keys.address(value))]
    raise bad_value(context.name, "une référence s'écrit « Type/id », « id » ou une adresse complète.")


CONDITIONS: dict[str, Callable[[Context, str, str], Sql]] = {
    "token": token,
    "string": string,
    "reference": reference,
    "uri": uri,
    "number": number,
    "quantity": number,
}
