"""How the rows that meet the conditions are gone through: four plans, each with its order and its cursor."""

from dataclasses import dataclass, replace
from typing import Any

from virage.core.fhir.index import calendar, keys
from virage.core.fhir.search import ahead
from virage.core.fhir.search.context import BUCKET, ROW_BUCKET, has
from virage.core.fhir.search.sorting import SortKey
from virage.core.fhir.search.sql import Sql
from virage.core.fhir.store.writing import now

SELECTED = "r.type, r.id, r.version, r.updated, r.body, r.compartment, r.rid"
_SETTLED = 60_000_000
"""How long (µs) a write may take from its time to its commit without disturbing the pages of others."""


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement ready to run; each row begins with the columns of `SELECTED`, the values of its place after them."""

    text: str
    values: list[Any]


def _bound(part: Sql, bucket: str) -> str:
    return part.text.replace(BUCKET, bucket)


@dataclass(frozen=True, slots=True)
class Query:
    """What to look for: a condition, perhaps confined to one compartment or to some rows.

    `checks` is the same condition with nothing that leads, for rows that come in another way; None when only the condition is known.
    """

    space: int
    types: tuple[int, ...]
    condition: Sql
    compartment: int | None = None
    rows: tuple[tuple[int, int], ...] | None = None
    sort: tuple[SortKey, ...] = ()
    checks: Sql | None = None

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
            return self._ordered(limit, after, ("", []), sampled=True)
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
        first, values = "", [buckets, *values, limit, limit]
        if self.checks is not None and self.condition.kind in ahead.WALKED:
            first, found, values = ahead.walked(
                self.space, self.types, self.checks, self.condition.kind, limit, after, (found, values)
            )
        return Statement(
            f"{first}SELECT {SELECTED} FROM ({found}) k JOIN fhir_resource r ON r.compartment = k.compartment AND r.rid = k.rid"
            " ORDER BY r.compartment, r.rid",
            values,
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

    def edge(self, after: list[Any] | None) -> Statement:
        """For an order by one date: how far its sample reached, and whether it was full."""
        return Statement(*ahead.edge(self.sort[0], list(keys.ORDERED), after))

    def between(self, limit: int, after: list[Any] | None, low: int | None, high: int | None) -> Statement:
        """For an order by one date: the page as far as it is between these dates, whose months the tokens tell. `limit` rows of
        it are the page; fewer say nothing.
        """
        key = self.sort[0]
        assert self.checks is not None
        assert key.row_key is not None
        months = [(key.row_key ^ keys.value_hash(form)) & keys.MASK for form in calendar.forms_within(low, high)]
        known = self.condition if self.condition.kind == "token" else self.checks
        held = has(months)
        narrow = replace(self, condition=Sql(f"{known.text} AND {held.text}", (*known.values, *held.values), "token"))
        bounds = [f"m.s0 {sign} %s" for sign, bound in ((">=", low), ("<", high)) if bound is not None]
        given = [bound for bound in (low, high) if bound is not None]
        return narrow._ordered(limit, after, (" AND ".join(bounds), given), sampled=False)

    def whole(self, limit: int, after: list[Any] | None) -> Statement:
        """The page of an order, from all matches."""
        return self._ordered(limit, after, ("", []), sampled=False)

    def _ordered(self, limit: int, after: list[Any] | None, within: tuple[str, list[Any]], sampled: bool) -> Statement:
        columns = ["r.compartment", "r.rid"]
        column_values: list[Any] = []
        for place, key in enumerate(self.sort):
            columns.append(f"{key.text} AS s{place}")
            column_values += key.values
        source, values = self.matching(", ".join(columns), column_values)
        text, given = within
        if after:
            later, more = _later(self.sort, after)
            text, given = (f"{text} AND {later}" if text else later), [*given, *more]
        where = f" WHERE {text}" if text else ""
        source, values = f"SELECT m.* FROM ({source}) m{where}", [*values, *given]
        first = ""
        if sampled and self.checks is not None and self.dated:
            first, near, ahead_values, near_values = ahead.by_date(
                self.sort[0], self.checks, list(keys.ORDERED), limit, after, (where, given)
            )
            source = f"SELECT * FROM ({near}) n UNION ALL SELECT * FROM ({source}) f WHERE NOT EXISTS (SELECT FROM cut) AND EXISTS (SELECT FROM whole)"
            values = [*ahead_values, *near_values, *values]
        order = ", ".join(f"m.s{place}{' DESC' if key.descending else ''}" for place, key in enumerate(self.sort))
        found = f"SELECT m.* FROM ({source}) m ORDER BY {order}, m.compartment, m.rid LIMIT %s"
        sorts = ", ".join(f"m.s{place}" for place in range(len(self.sort)))
        return Statement(
            f"{first}SELECT {SELECTED}, {sorts} FROM ({found}) m JOIN fhir_resource r"
            f" ON r.compartment = m.compartment AND r.rid = m.rid ORDER BY {order}, r.compartment, r.rid",
            [*values, limit],
        )

    @property
    def dated(self) -> bool:
        """Whether the page may be read down the index of dates."""
        return (
            len(self.sort) == 1
            and self.checks is not None
            and self.sort[0].row_key is not None
            and len(self.types) == 1
            and self.compartment is None
            and self.rows is None
            and self.condition.kind in ahead.SORTED_KINDS
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
