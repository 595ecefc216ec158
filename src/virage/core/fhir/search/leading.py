"""Which condition leads a query, and which are checked on the rows that it finds. Pure."""

from collections.abc import Iterable

from virage.core.fhir.index import calendar, keys
from virage.core.fhir.search.context import has
from virage.core.fhir.search.sql import FALSE, LEADS, TRUE, Sql, every, fenced, some


def assemble(parts: Iterable[Sql], placed: bool = False) -> Sql:
    """All the parts as one condition, ready but for its bucket.

    The best kind leads; dates then join the tokens by their months, so that one index answers for both. `placed`: the rows
    are known by other means, all parts are checks.
    """
    kept = [part for part in parts if part is not TRUE]
    if any(part is FALSE for part in kept):
        return FALSE
    if placed:
        return every([fenced(part) for part in kept])
    lead = next((kind for kind in LEADS if any(part.kind == kind for part in kept)), "")
    if lead == "token":
        ways = [part for part in kept if part.alternatives]
        if len(ways) == 1:
            # Each alternative meets the tokens in the index.
            others = [part for part in kept if part is not ways[0]]
            return _union([assemble([*each, *others]) for each in ways[0].alternatives])
        kept += _windows(kept)
    if lead in ("chain", "either"):
        ahead = [part.lead for part in kept if part.kind == lead and part.lead is not None]
        if ahead:
            return every([*ahead, *(fenced(part) for part in kept)])
    return every([fenced(part, lead) for part in kept])


def either(alternatives: list[list[Sql]]) -> Sql:
    """At least one of several conjunctions. When an index finds the rows of each, they lead together, each by its own."""
    whole = some([every(parts) for parts in alternatives])
    if whole.kind == "token" or whole is TRUE or whole is FALSE:
        return whole
    checked = some([every([fenced(part) for part in parts]) for parts in alternatives])
    found = [each for each in map(assemble, alternatives) if each is not FALSE]
    if not all(each.selective for each in found):
        return Sql(checked.text, checked.values)
    ways = tuple(tuple(each) for each in alternatives)
    return Sql(checked.text, checked.values, "either", lead=_union(found), alternatives=ways)


def _union(found: Iterable[Sql]) -> Sql:
    """The rows that one of these conditions finds, each by its own index."""
    kept = [each for each in found if each is not FALSE]
    if not kept:
        return FALSE
    source = " UNION ALL ".join(f"SELECT r.compartment, r.rid FROM fhir_resource r WHERE {each.text}" for each in kept)
    return Sql(
        f"(r.compartment, r.rid) IN ({source})", tuple(value for each in kept for value in each.values), "either"
    )


def _windows(parts: Iterable[Sql]) -> list[Sql]:
    """The months, years and decades of the conditions on dates: those on one date that has one value, together."""
    found = []
    spans: dict[tuple[int, ...], tuple[int | None, int | None]] = {}
    for part in parts:
        if part.span is not None:
            own, low, high = part.span
            known = spans.get(own, (None, None))
            lows = [each for each in (low, known[0]) if each is not None]
            highs = [each for each in (high, known[1]) if each is not None]
            spans[own] = (max(lows, default=None), min(highs, default=None))
        elif part.window:
            found.append(has(list(part.window)))
    for own, (low, high) in spans.items():
        months = calendar.forms_within(low, high)
        found.append(has([(key ^ keys.value_hash(form)) & keys.MASK for key in own for form in months]))
    return found
