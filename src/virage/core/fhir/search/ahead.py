"""Looking ahead where many rows match: the page is there before all matches were gathered. Pure.

Each is one statement with the plan that gathers: PostgreSQL does not begin it when what was looked at first has filled the page.
"""

from typing import Any

from virage.core.fhir.search.context import BUCKET, ROW_BUCKET
from virage.core.fhir.search.sorting import SortKey
from virage.core.fhir.search.sql import Sql

# How many rows are looked at, in the order of pages, by what leads. Few for tokens, of which most find few rows in a bucket.
WALKED = {"date": 400, "number": 400, "token": 150}
# Where these found a third of the page, so many times as many rows are likely to find it all, which costs less than to gather a bucket.
FURTHER = {"date": 4, "number": 4}

# The latest of each of these buckets give the time from which the page can be.
SORTED_KINDS = ("", "token", "either", "date", "number")
_SAMPLED = 16
_SAMPLE = 40
# Where these found a few, so many times as many are looked at.
_FEW = 4
_MORE = 4


def walked(
    space: int,
    types: tuple[int, ...],
    checks: Sql,
    kind: str,
    limit: int,
    after: list[Any] | None,
    found: tuple[str, list[Any]],
) -> tuple[str, str, list[Any]]:
    """What comes before the statement, the (compartment, rid) of its page, and the values of both.

    Those of the first rows that meet the checks, when they fill the page; otherwise `found`.
    """
    rows = WALKED[kind]
    where = " WHERE (w.compartment, w.rid) > (%s, %s)" if after else ""
    sought = f"SELECT w.* FROM fhir_resource w{where} ORDER BY w.compartment, w.rid LIMIT %s"
    text = checks.text.replace(BUCKET, ROW_BUCKET)

    def walk(rows: int, when: str = "") -> tuple[str, list[Any]]:
        return (
            f"SELECT r.compartment, r.rid FROM ({sought}) r WHERE {when}r.space = %s AND r.type = ANY(%s)"
            f" AND r.tokens IS NOT NULL AND {text} ORDER BY r.compartment, r.rid LIMIT %s",
            [*(after or ()), rows, *([limit // 3, limit] if when else []), space, list(types), *checks.values, limit],
        )

    near, values = walk(rows)
    first = f"WITH w AS MATERIALIZED ({near})"
    source, given = found
    either = "SELECT * FROM w WHERE (SELECT count(*) FROM w) >= %s"
    either_values: list[Any] = [limit]
    none = "(SELECT count(*) FROM w) < %s"
    if kind in FURTHER:
        far, more = walk(rows * FURTHER[kind], "(SELECT count(*) FROM w) >= %s AND (SELECT count(*) FROM w) < %s AND ")
        first, values = f"{first}, v AS MATERIALIZED ({far})", [*values, *more]
        either += " UNION ALL SELECT * FROM v WHERE (SELECT count(*) FROM v) >= %s"
        either_values.append(limit)
        none += " AND (SELECT count(*) FROM v) < %s"
    either += f" UNION ALL SELECT * FROM ({source}) f WHERE {none}"
    return f"{first} ", either, [*values, *either_values, *given, *([limit] * none.count("%s"))]


def by_date(
    key: SortKey, checks: Sql, buckets: list[int], limit: int, after: list[Any] | None, later: tuple[str, list[Any]]
) -> tuple[str, str, list[Any], list[Any]]:
    """What comes before the statement, the matches among which the page is, and the values of each.

    Any `limit` matches tell how far the page can reach: the worst of them is the limit. So a sample of the first dates does,
    and what reaches the limit is read down the index of dates. No row comes when too few of the sample match (`cut` is empty);
    `whole` then tells whether there were no more dates than the sample would hold. `later` is the condition on `m` of coming after
    the cursor, with its values.
    """
    order, sign, back = ("DESC", ">=", "<=") if key.descending else ("ASC", "<=", ">=")
    bound = f" AND x.low {back} %s" if after else ""
    past = after[:1] if after else []
    text = checks.text.replace(BUCKET, "b.n")

    def near(reach: str, when: str = "") -> str:
        # The sort value of a resource is the low end of one of its dates; several may be met. The fence keeps each row's
        # checks behind its date.
        return (
            f"SELECT DISTINCT m.* FROM (SELECT r.compartment, r.rid, {key.text.replace(BUCKET, 'b.n')} AS s0"
            " FROM unnest(%s::bigint[]) b(n) CROSS JOIN LATERAL (SELECT x.compartment, x.rid FROM fhir_date x"
            f" WHERE x.k = (%s::bigint | b.n){bound}{reach}) d CROSS JOIN LATERAL (SELECT r.* FROM fhir_resource r"
            " WHERE r.compartment = d.compartment AND r.rid = d.rid OFFSET 0) r"
            f" WHERE {when}r.tokens IS NOT NULL AND {text}) m{later[0]}"
        )

    def values(among: list[int], *reach: int) -> list[Any]:
        return [*key.values, among, key.row_key, *past, *reach, *checks.values, *later[1]]

    reach = f" ORDER BY x.low {order} LIMIT %s"
    seeds = "(SELECT count(*) FROM seed)"
    first = (
        f"WITH seed AS MATERIALIZED ({near(reach)}),"
        f" more AS MATERIALIZED ({near(reach, f'{seeds} >= %s AND {seeds} < %s AND ')}),"
        f" cut AS MATERIALIZED (SELECT s0 FROM (SELECT s0 FROM seed WHERE {seeds} >= %s UNION ALL SELECT s0 FROM more) e"
        f" ORDER BY s0 {order} OFFSET %s LIMIT 1),"
        f" whole AS (SELECT FROM {_edges(bound, order)} HAVING count(*) < %s) "
    )
    sampled = sample(buckets)
    return (
        first,
        near(f" AND x.low {sign} (SELECT s0 FROM cut) OFFSET 0"),
        [
            *values(sampled, _SAMPLE),
            *values(sampled, _SAMPLE * _MORE, _FEW, limit),
            limit,
            limit - 1,
            *[sampled, key.row_key, *past, max(_SAMPLE - 1, 0)],
            _SAMPLED,
        ],
        values(buckets),
    )


def sample(buckets: list[int]) -> list[int]:
    """Some of the buckets, spread over all."""
    return buckets[:: max(len(buckets) // _SAMPLED, 1)][:_SAMPLED]


def _edges(bound: str, order: str) -> str:
    """The date at the end of the sample in each of its buckets that holds so many; values: buckets, key, bound, how many before."""
    return (
        "unnest(%s::bigint[]) b(n) CROSS JOIN LATERAL (SELECT x.low FROM fhir_date x"
        f" WHERE x.k = (%s::bigint | b.n){bound} ORDER BY x.low {order} OFFSET %s LIMIT 1) d"
    )


def edge(key: SortKey, buckets: list[int], after: list[Any] | None) -> tuple[str, list[Any]]:
    """A statement for how far the sample reaches, and in how many of its buckets it is full."""
    order, back, worst = ("DESC", "<=", "min") if key.descending else ("ASC", ">=", "max")
    bound = f" AND x.low {back} %s" if after else ""
    text = f"SELECT {worst}(d.low), count(*) = %s FROM {_edges(bound, order)}"
    return text, [_SAMPLED, sample(buckets), key.row_key, *(after[:1] if after else []), max(_SAMPLE - 1, 0)]
