"""Each value sought, by parameter type, as a condition on the row `r` of a resource whose bucket is `{b}`."""

import re
from typing import Any

from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import keys, paths
from virage.core.fhir.index.dates import date_range
from virage.core.fhir.index.forms import REFERENCE, number_range
from virage.core.fhir.index.strings import after, fold
from virage.core.fhir.search.errors import bad_modifier, bad_value
from virage.core.fhir.search.sql import FALSE, Sql, no, some

MAX_VALUES = 1000
PREFIXES = frozenset(["eq", "ne", "gt", "lt", "ge", "le", "sa", "eb", "ap"])
_PREFIXED = re.compile(r"(eq|ne|gt|lt|ge|le|sa|eb|ap)?(.*)", re.DOTALL)
_COMMA = re.compile(r"(?<!\\),")
_ESCAPE = re.compile(r"\\([\\,$|])")

# The bucket of the row, as each plan of a query names it.
BUCKET = "{b}"
ROW_BUCKET = "((r.compartment >> 58) & 63)"


def split(value: str) -> list[str]:
    """The alternatives of a value, at its commas; those written `\\,` do not count."""
    return _COMMA.split(value)


def unescape(value: str) -> str:
    """A value without its escapes."""
    return _ESCAPE.sub(r"\1", value) if "\\" in value else value


def bars(value: str) -> list[str]:
    """A value split at its bars; those written `\\|` do not count."""
    return [unescape(part) for part in re.split(r"(?<!\\)\|", value)]


class Context:
    """Where a condition holds: the number of the space, the resource type, the parameter."""

    __slots__ = ("key", "param", "space", "type")

    def __init__(self, space: int, type_: str, param: SearchParam) -> None:
        self.space, self.type, self.param = space, type_, param
        self.key = keys.param_hash(space, type_, param.code)

    @property
    def name(self) -> str:
        return self.param.code


def has(tokens: list[int]) -> Sql:
    """The row holds one of these tokens (given without bucket)."""
    if not tokens:
        return FALSE
    unique = sorted(set(tokens))
    if len(unique) == 1:
        return Sql(f"r.tokens @> ARRAY[%s::bigint | {BUCKET}]", (unique[0],), True)
    return Sql(f"r.tokens && fhir_in_bucket(%s::bigint[], {BUCKET})", (unique,), True)


def token_of(key: int, form: str) -> int:
    return (key ^ keys.value_hash(form)) & keys.MASK


def missing(context: Context, value: str) -> Sql:
    """`:missing`."""
    if value not in ("true", "false"):
        raise bad_value(context.name, "« :missing » attend « true » ou « false ».")
    present = has([token_of(context.key, keys.PRESENT)])
    return present if value == "false" else no(present)


# ── token ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def token(context: Context, value: str, modifier: str) -> Sql:
    if modifier == "not":
        return no(has(token_keys(context, value)))
    if modifier == "of-type":
        return has([token_of(context.key, _of_type(context, each)) for each in _alternatives(context, value)])
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing, :not, :of-type")
    return has(token_keys(context, value))


def _of_type(context: Context, value: str) -> str:
    parts = bars(value)
    if len(parts) != 3 or not parts[1] or not parts[2]:
        raise bad_value(context.name, "« :of-type » attend « système|code|valeur ».")
    return keys.of_type(*parts)


def token_keys(context: Context, value: str) -> list[int]:
    """The tokens, without bucket, that any of the alternatives stands for."""
    found = []
    for each in _alternatives(context, value):
        parts = bars(each)
        if len(parts) > 2:
            raise bad_value(context.name, "un code s'écrit « code », « système|code », « |code » ou « système| ».")
        if len(parts) == 1:
            found.append(token_of(context.key, keys.any_system(parts[0])))
        elif not parts[1]:
            found.append(token_of(context.key, keys.of_system(parts[0])))
        else:
            system = parts[0]
            if system and system in code_systems(context):
                # An element of type `code` has its system by its binding, not in the resource.
                found.append(token_of(context.key, keys.coded("", parts[1])))
            found.append(token_of(context.key, keys.coded(system, parts[1])))
    return found


def code_systems(context: Context) -> frozenset[str]:
    """The systems that the elements of type `code` of this parameter draw from, by their required binding."""
    from virage.core.fhir import definitions

    try:
        read = paths.read(context.type, context.param.expression)
    except paths.Unreadable:
        return frozenset()
    found: set[str] = set()
    for path in read:
        if path.type == "code" and path.binding:
            found.update(system for system, _ in definitions.codes(path.binding) or ())
    return frozenset(found)


def _alternatives(context: Context, value: str) -> list[str]:
    found = [each for each in split(value) if each]
    if not found:
        raise bad_value(context.name, "la valeur est vide.")
    if len(found) > MAX_VALUES:
        raise bad_value(context.name, f"{len(found)} valeurs, {MAX_VALUES} au plus.")
    return found


# ── string ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _strings(context: Context, condition: str, *values: Any) -> Sql:
    return Sql(
        "EXISTS (SELECT FROM fhir_string s WHERE s.compartment = r.compartment AND s.rid = r.rid"
        f" AND s.k = (%s::bigint | {BUCKET}) AND {condition})",
        (context.key & keys.MASK, *values),
        True,
    )


def string(context: Context, value: str, modifier: str) -> Sql:
    if modifier not in ("", "exact", "contains", "text"):
        raise bad_modifier(context.name, modifier, ":missing, :exact, :contains")
    found = []
    for each in _alternatives(context, value):
        text = unescape(each)
        folded = fold(text)
        if modifier == "exact":
            found.append(_strings(context, "s.folded = %s::text AND s.exact = %s::text", folded, text[:500]))
        elif modifier == "contains":
            found.append(_strings(context, "position(%s::text IN s.folded) > 0", folded))
        else:
            limit = after(folded)
            found.append(
                _strings(context, "s.folded >= %s::text AND s.folded < %s::text", folded, limit)
                if limit
                else _strings(context, "s.folded >= %s::text", folded)
            )
    return some(found)


# ── uri ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def uri(context: Context, value: str, modifier: str) -> Sql:
    alternatives = [unescape(each) for each in _alternatives(context, value)]
    if modifier == "below":
        return some(
            _strings(context, "s.folded >= %s::text AND s.folded < %s::text", each, after(each) or each)
            for each in alternatives
        )
    if modifier == "above":
        return has([token_of(context.key, keys.address(each[:end])) for each in alternatives for end in _ends(each)])
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing, :above, :below")
    return has([token_of(context.key, keys.address(each)) for each in alternatives])


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


def date_bounds(name: str, value: str) -> tuple[str, int, int]:
    prefix, text = prefixed(value)
    try:
        low, high = date_range(text.replace(" ", "+"))
    except ValueError:
        if re.match(r"[a-z]{2}\d", value):
            raise bad_value(name, "ce préfixe n'existe pas ; admis : eq, ne, gt, lt, ge, le, sa, eb, ap.") from None
        raise bad_value(
            name, "une date s'écrit AAAA, AAAA-MM, AAAA-MM-JJ ou AAAA-MM-JJThh:mm:ss avec son fuseau."
        ) from None
    return prefix, low, high


def range_condition(
    prefix: str, low: Any, high: Any, columns: tuple[str, str], cast: str
) -> tuple[str, tuple[Any, ...]]:
    """How the range sought, [low, high), stands to that of the value: FHIR R4, « Prefixes »."""
    start, end = columns
    at = f"%s::{cast}"
    if prefix == "eq":
        # The upper bound of the start is implied; written out, it bounds the index scan.
        return f"{start} >= {at} AND {start} <= {at} AND {end} <= {at}", (low, high, high)
    if prefix == "ne":
        return f"({start} < {at} OR {end} > {at})", (low, high)
    if prefix == "gt":
        return f"{end} > {at}", (high,)
    if prefix == "lt":
        return f"{start} < {at}", (low,)
    if prefix == "ge":
        return f"({start} >= {at} OR {end} > {at})", (low, high)
    if prefix == "le":
        return f"({start} < {at} OR {end} <= {at})", (low, high)
    if prefix == "sa":
        return f"{start} >= {at}", (high,)
    if prefix == "eb":
        return f"{end} <= {at}", (low,)
    return f"{start} < {at} AND {end} > {at}", (high, low)


def widened(low: int, high: int, now: int) -> tuple[int, int]:
    """The range of an approximate date: a tenth of its distance from now on both sides."""
    gap = abs(now - (low + high) // 2) // 10
    return low - gap, high + gap


def date(context: Context, value: str, modifier: str, now: int) -> Sql:
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    found = []
    for each in _alternatives(context, value):
        prefix, low, high = date_bounds(context.name, each)
        if prefix == "ap":
            low, high = widened(low, high, now)
        text, values = range_condition(prefix, low, high, ("d.low", "d.high"), "bigint")
        found.append(
            Sql(
                "EXISTS (SELECT FROM fhir_date d WHERE d.compartment = r.compartment AND d.rid = r.rid"
                f" AND d.k = (%s::bigint | {BUCKET}) AND {text})",
                (context.key & keys.MASK, *values),
                True,
            )
        )
    return some(found)


def updated(value: str, modifier: str, now: int) -> Sql:
    """`_lastUpdated`, on the row itself."""
    if modifier:
        raise bad_modifier("_lastUpdated", modifier, "aucun")
    found = []
    for each in split(value):
        prefix, low, high = date_bounds("_lastUpdated", each)
        if prefix == "ap":
            low, high = widened(low, high, now)
        # A version is dated to the millisecond.
        text, values = range_condition(prefix, low, high, ("r.updated", "(r.updated + 1000)"), "bigint")
        found.append(Sql(text, values))
    return some(found)


# ── number, quantity ─────────────────────────────────────────────────────────────────────────────────────────────────────


def number(context: Context, value: str, modifier: str) -> Sql:
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    found = []
    for each in _alternatives(context, value):
        parts = bars(each)
        if len(parts) not in ((1,) if context.param.type == "number" else (1, 2, 3)):
            raise bad_value(context.name, "une quantité s'écrit « nombre » ou « nombre|système|code ».")
        prefix, text = prefixed(parts[0])
        try:
            exact, low, high = number_range(text)
        except ValueError:
            raise bad_value(context.name, "un nombre est attendu, avec un point pour les décimales.") from None
        condition, values = _number_condition(prefix, exact, low, high)
        if len(parts) == 3 and parts[1]:
            condition += " AND n.unit = %s::bigint"
            values += (keys.value_hash(f"{parts[1]}|{parts[2]}"),)
        elif len(parts) > 1 and parts[-1]:
            condition += " AND n.code = %s::bigint"
            values += (keys.value_hash(parts[-1]),)
        found.append(
            Sql(
                "EXISTS (SELECT FROM fhir_number n WHERE n.compartment = r.compartment AND n.rid = r.rid"
                f" AND n.k = (%s::bigint | {BUCKET}) AND {condition})",
                (context.key & keys.MASK, *values),
                True,
            )
        )
    return some(found)


def _number_condition(prefix: str, exact: float, low: float, high: float) -> tuple[str, tuple[Any, ...]]:
    """Equality looks at the precision given; the comparisons take the number as it is."""
    at = "%s::float8"
    if prefix == "eq":
        return f"n.low >= {at} AND n.low < {at} AND n.high < {at}", (low, high, high)
    if prefix == "ne":
        return f"(n.low < {at} OR n.high >= {at})", (low, high)
    if prefix in ("gt", "sa"):
        return (f"n.high > {at}" if prefix == "gt" else f"n.low > {at}"), (exact,)
    if prefix in ("lt", "eb"):
        return (f"n.low < {at}" if prefix == "lt" else f"n.high < {at}"), (exact,)
    if prefix == "ge":
        return f"n.high >= {at}", (exact,)
    if prefix == "le":
        return f"n.low <= {at}", (exact,)
    gap = abs(exact) / 10
    return f"n.low <= {at} AND n.high >= {at}", (exact + gap, exact - gap)


# ── reference ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def reference(context: Context, value: str, modifier: str) -> Sql:
    if modifier == "identifier":
        found = []
        for each in _alternatives(context, value):
            parts = bars(each)
            if len(parts) != 2 or not parts[1]:
                raise bad_value(context.name, "« :identifier » attend « système|valeur ».")
            found.append(token_of(context.key, keys.identified(*parts)))
        return has(found)
    if modifier and modifier not in context.param.targets and context.param.targets:
        raise bad_modifier(context.name, modifier, ":missing, :identifier, " + ", ".join(context.param.targets[:10]))
    return has([_reference(context, each, modifier) for each in _alternatives(context, value)])


def _reference(context: Context, value: str, type_: str) -> int:
    value = unescape(value)
    match = REFERENCE.fullmatch(value)
    if match:
        if type_ and match[1] != type_:
            raise bad_value(context.name, f"la référence n'est pas de type {type_}.")
        return (context.key ^ keys.row_id(context.space, match[1], match[2])) & keys.MASK
    if re.fullmatch(r"[A-Za-z0-9.\-]{1,64}", value):
        if type_:
            return (context.key ^ keys.row_id(context.space, type_, value)) & keys.MASK
        return token_of(context.key, keys.bare(value))
    if ":" in value:
        return token_of(context.key, keys.address(value))
    raise bad_value(context.name, "une référence s'écrit « Type/id », « id » ou une adresse complète.")
