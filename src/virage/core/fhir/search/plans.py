"""How the rows that meet the conditions are gone through: four plans, each with its order and its cursor."""

from dataclasses import dataclass
from typing import Any

from virage.core.fhir.index import keys
from virage.core.fhir.search.context import BUCKET, ROW_BUCKET
from virage.core.fhir.search.sorting import SortKey
from virage.core.fhir.search.sql import TRUE, Rows, Sql
from virage.core.fhir.store.writing import now

SELECTED = "r.type, r.id, r.version, r.updated, r.body, r.compartment, r.rid"
_SETTLED = 60_000_000
"""How long (µs) a write may take from its time to its commit without disturbing the pages of others."""
_NEAR = 4000
_NEAR_EACH = 100
"""Dates walked through at most before an index is asked: in all, and for each row of a large page."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement ready to run; each row begins with the columns of `SELECTED`, the values of its place after them."""

    text: str
    values: list[Any]


def _bound(part: Sql, bucket: str) -> str:
    return part.text.replace(BUCKET, bucket)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: a condition, perhaps confined to one compartment or to some rows."""

    space: int
    types: tuple[int, ...]
    condition: Sql
    compartment: int | None = None
    rows: tuple[tuple[int, int], ...] | None = None
    sort: tuple[SortKey, ...] = ()

    @property
    def cursor_kinds(self) -> list[type | tuple[type, ...]]:
        """The types of the values of a cursor."""
        if self.sort:
            return [*(key.kind for key in self.sort), int, int]
        return [int, int, int, int] if self.by_time else [int, int]

    @property
    def by_time(self) -> bool:
        """Whether no index leads: the rows of the type are walked, latest first."""
        return not self.sort and self.compartment is None and self.rows is None and not self.condition.selective

    def cursor_values(self, row: Any) -> list[Any]:
        """The values of the cursor that stands after a row."""
        return [*row[7:], row[5], row[6]]

    def _one_place(self) -> tuple[str, list[Any]] | None:
        """The condition when it concerns one compartment or a few rows."""
        if self.rows is not None:
            text = "(r.compartment, r.rid) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[]))"
            values: list[Any] = [[row[0] for row in self.rows], [row[1] for row in self.rows]]
        elif self.compartment is not None:
            text, values = "r.compartment = %s", [self.compartment]
        else:
            return None
        text += (
            f" AND r.space = %s AND r.type = ANY(%s) AND r.tokens IS NOT NULL AND {_bound(self.condition, ROW_BUCKET)}"
        )
        return text, [*values, self.space, list(self.types), *self.condition.values]

    def _walked(self) -> tuple[str, list[Any]]:
        return (
            f"r.space = %s AND r.type = ANY(%s) AND r.tokens IS NOT NULL AND {_bound(self.condition, ROW_BUCKET)}",
            [self.space, list(self.types), *self.condition.values],
        )

    def _looked_up(self) -> str:
        text = _bound(self.condition, "b.n")
        # What is deleted has no tokens, nor rows beside it; but others may still refer to it.
        return f"{text} AND r.tokens IS NOT NULL" if self.condition.kind == "chain" else text

    def page(self, limit: int, after: list[Any] | None) -> Statement:
        """The statement of a page of `limit` rows after a cursor."""
        if self.sort:
            return self._sorted(limit, after)
        placed = self._one_place()
        if placed is not None:
            text, values = placed
            if after:
                text += " AND (r.compartment, r.rid) > (%s, %s)"
                values += after
            return Statement(
                f"SELECT {SELECTED} FROM fhir_resource r WHERE {text} ORDER BY r.compartment, r.rid LIMIT %s",
                [*values, limit],
            )
        if self.by_time:
            return self._latest(limit, after)
        buckets = list(keys.ORDERED)
        text = self._looked_up()
        values = list(self.condition.values)
        if after:
            buckets = buckets[buckets.index(keys.bucket(after[0])) :]
            text += " AND (r.compartment, r.rid) > (%s, %s)"
            values += after
        # Bucket after bucket until the page is full. The `+ 0` keeps the planner, which does not know how rare `key | bucket`
        # is, from walking the primary key in order.
        inner = (
            f"SELECT r.compartment, r.rid FROM fhir_resource r WHERE {text}"
            " ORDER BY r.compartment + 0, r.rid + 0 LIMIT %s"
        )
        found = f"SELECT p.compartment, p.rid FROM unnest(%s::bigint[]) b(n) CROSS JOIN LATERAL ({inner}) p LIMIT %s"
        values = [buckets, *values, limit, limit]
        if self.condition.rows is not None:
            found, values = self._unless_near(self.condition.rows, found, values, limit, after)
        return Statement(
            f"SELECT {SELECTED} FROM ({found}) k JOIN fhir_resource r ON r.compartment = k.compartment AND r.rid = k.rid"
            " ORDER BY r.compartment, r.rid",
            values,
        )

    def _unless_near(
        self, rows: Rows, found: str, values: list[Any], limit: int, after: list[Any] | None
    ) -> tuple[str, list[Any]]:
        """What is found, unless the next dates in the order of the page fill it already.

        A wide range of dates holds for more rows the more there are, and all of a bucket would be sorted to keep a few. Where it holds
        for so many, the page is full after a short walk; where it does not, few are left to be looked up.
        """
        near = max(_NEAR, _NEAR_EACH * limit)
        beyond, start = ("WHERE (compartment, rid) > (%s, %s) ", after) if after else ("", [])
        window = f"SELECT compartment, rid, k, low, high FROM fhir_date {beyond}ORDER BY compartment, rid LIMIT %s"
        rest, given = "", rows.rest.values
        if rows.rest is not TRUE:
            rest = (
                " AND EXISTS (SELECT FROM fhir_resource r WHERE r.compartment = x.compartment AND r.rid = x.rid"
                f" AND {_bound(rows.rest, ROW_BUCKET)} OFFSET 0)"
            )
        walk = (
            f"SELECT x.compartment, x.rid FROM ({window}) x WHERE x.k = (%s::bigint | {ROW_BUCKET.replace('r.', 'x.')})"
            f" AND {rows.text}{rest} GROUP BY x.compartment, x.rid ORDER BY x.compartment, x.rid LIMIT %s"
        )
        return (
            f"WITH walk AS MATERIALIZED ({walk}) SELECT compartment, rid FROM walk WHERE (SELECT count(*) FROM walk) >= %s"
            f" UNION ALL SELECT compartment, rid FROM ({found}) whole WHERE (SELECT count(*) FROM walk) < %s",
            [*start, near, rows.key, *rows.values, *given, limit, limit, *values, limit],
        )

    def keys(self, limit: int) -> Statement:
        """The (compartment, row id) of the rows that match, in no order, `limit` at most."""
        source, values = self.matching("r.compartment, r.rid", [])
        return Statement(f"SELECT * FROM ({source}) k LIMIT %s", [*values, limit])

    def _latest(self, limit: int, after: list[Any] | None) -> Statement:
        """Latest first: each type's own index gives its latest, of which the latest are kept.

        A row that is written again while its answer is gone through would jump ahead of a reader who has not met it yet. So a
        row's place is its time as it was when the first page was asked for, a little before even: what was then under way
        may be committed later. What was rewritten since is few, and has an index of its own; its past version tells its place.
        """
        since = after[0] if after else now() - _SETTLED
        place = (
            "SELECT coalesce((SELECT v.updated FROM fhir_version v WHERE v.compartment = r.compartment AND v.rid = r.rid"
            " AND v.updated <= %s ORDER BY v.version DESC LIMIT 1), (SELECT v.updated FROM fhir_version v"
            " WHERE v.compartment = r.compartment AND v.rid = r.rid ORDER BY v.version LIMIT 1), r.updated) AS place"
        )
        order = "ORDER BY place DESC, compartment DESC, rid DESC LIMIT %s"
        found, values = [], []
        for source, given, when, key in (
            ("fhir_resource r", [], "(r.version = 1 OR r.updated <= %s)", "r.updated"),
            (f"fhir_resource r CROSS JOIN LATERAL ({place}) w", [since], "r.version > 1 AND r.updated > %s", "w.place"),
        ):
            text = f"r.space = %s AND r.type = t.n AND r.tokens IS NOT NULL AND {when} AND {_bound(self.condition, ROW_BUCKET)}"
            values += [since, *given, self.space, since, *self.condition.values]
            if after:
                text += f" AND ({key}, r.compartment, r.rid) < (%s, %s, %s)"
                values += after[1:]
            found.append(
                f"(SELECT {SELECTED}, %s::bigint AS since, {key} AS place FROM {source} WHERE {text}"
                f" ORDER BY {key} DESC, r.compartment DESC, r.rid DESC LIMIT %s)"
            )
            values.append(limit)
        return Statement(
            f"SELECT r.* FROM unnest(%s::smallint[]) t(n) CROSS JOIN LATERAL ({' UNION ALL '.join(found)} {order}) r {order}",
            [list(self.types), *values, limit, limit],
        )

    def matching(self, columns: str, column_values: list[Any]) -> tuple[str, list[Any]]:
        """All matching rows, with these columns (whose bucket is `{b}`)."""
        placed = self._one_place()
        if placed is None and not self.condition.selective:
            placed = self._walked()
        if placed is not None:
            text, values = placed
            return (
                f"SELECT {columns.replace(BUCKET, ROW_BUCKET)} FROM fhir_resource r WHERE {text}",
                [*column_values, *values],
            )
        inner = f"SELECT {columns.replace(BUCKET, 'b.n')} FROM fhir_resource r WHERE {self._looked_up()} OFFSET 0"
        return (
            f"SELECT p.* FROM unnest(%s::bigint[]) b(n) CROSS JOIN LATERAL ({inner}) p",
            [list(keys.ORDERED), *column_values, *self.condition.values],
        )

    def _sorted(self, limit: int, after: list[Any] | None) -> Statement:
        columns = ["r.compartment", "r.rid"]
        column_values: list[Any] = []
        for place, key in enumerate(self.sort):
            columns.append(f"{key.text} AS s{place}")
            column_values += key.values
        source, values = self.matching(", ".join(columns), column_values)
        where = ""
        if after:
            text, given = _later(self.sort, after)
            where = f" WHERE {text}"
            values += given
        order = ", ".join(f"m.s{place}{' DESC' if key.descending else ''}" for place, key in enumerate(self.sort))
        found = f"SELECT m.* FROM ({source}) m{where} ORDER BY {order}, m.compartment, m.rid LIMIT %s"
        sorts = ", ".join(f"m.s{place}" for place in range(len(self.sort)))
        return Statement(
            f"SELECT {SELECTED}, {sorts} FROM ({found}) m JOIN fhir_resource r"
            f" ON r.compartment = m.compartment AND r.rid = m.rid ORDER BY {order}, r.compartment, r.rid",
            [*values, limit],
        )

    def count(self) -> Statement:
        """The statement that counts all matches."""
        source, values = self.matching("1 AS one", [])
        return Statement(f"SELECT count(*) FROM ({source}) c", values)


def _later(sort: tuple[SortKey, ...], after: list[Any]) -> tuple[str, list[Any]]:
    """The condition of coming after the cursor's row: each key decides when those before it are equal."""
    parts, values = [], []
    for place, key in enumerate(sort):
        equal = [f"m.s{before} = %s::{sort[before].cast}" for before in range(place)]
        sign = "<" if key.descending else ">"
        parts.append("(" + " AND ".join([*equal, f"m.s{place} {sign} %s::{key.cast}"]) + ")")
        values += after[: place + 1]
    equal = [f"m.s{place} = %s::{key.cast}" for place, key in enumerate(sort)]
    parts.append("(" + " AND ".join([*equal, "(m.compartment, m.rid) > (%s::bigint, %s::bigint)"]) + ")")
    values += after
    return "(" + " OR ".join(parts) + ")", values
