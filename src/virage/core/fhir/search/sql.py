"""Pieces of SQL with their parameters, put together without ever writing a value into the text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

# Which kind of condition leads a query: what finds few rows in a bucket comes first. The others are checked row by row.
LEADS = ("chain", "string", "token", "either", "date", "number")
FENCE = "{f}"
"""Where `OFFSET 0` goes, which keeps the planner from turning a check around into a lead."""


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition on the row `r` of a resource.

    `kind` is one of LEADS when an index can find the rows for which it holds, "" when it can only be checked. `window` are the
    tokens of which a row that meets a condition on dates holds one at least; `span` says the same, for a date that has one value
    at most, by the keys of its parameter and the range in which it begins. `lead` is what to add when this condition leads; `alternatives` are
    the conjunctions of which one holds, where each can lead by itself.
    """

    text: str
    values: tuple[Any, ...] = field(default=())
    kind: str = ""
    window: tuple[int, ...] = ()
    span: tuple[tuple[int, ...], int | None, int | None] | None = None
    lead: "Sql | None" = None
    alternatives: tuple[tuple["Sql", ...], ...] = ()

    @property
    def selective(self) -> bool:
        """Whether it may lead."""
        return bool(self.kind)


TRUE = Sql("TRUE")
FALSE = Sql("FALSE")


def _joined(parts: Sequence[Sql], word: str, kind: str) -> Sql:
    text = "(" + word.join(part.text for part in parts) + ")"
    return Sql(text, tuple(value for part in parts for value in part.values), kind)


def every(parts: Iterable[Sql]) -> Sql:
    """All hold."""
    kept = [part for part in parts if part is not TRUE]
    if any(part is FALSE for part in kept):
        return FALSE
    if len(kept) < 2:
        return kept[0] if kept else TRUE
    kinds = [kind for kind in LEADS if any(part.kind == kind for part in kept)]
    return _joined(kept, " AND ", kinds[0] if kinds else "")


def some(parts: Iterable[Sql]) -> Sql:
    """At least one holds. Only tokens lead when there are several: other kinds cannot be looked up together."""
    kept = [part for part in parts if part is not FALSE]
    if any(part is TRUE for part in kept):
        return TRUE
    if len(kept) < 2:
        return kept[0] if kept else FALSE
    return _joined(kept, " OR ", "token" if all(part.kind == "token" for part in kept) else "")


def no(part: Sql) -> Sql:
    """It does not hold."""
    if part is TRUE:
        return FALSE
    if part is FALSE:
        return TRUE
    return Sql(f"NOT coalesce({part.text}, FALSE)", part.values)


def fenced(part: Sql, lead: str = "") -> Sql:
    """The condition with its fences up, but for the kind that leads."""
    if part is TRUE or part is FALSE:
        return part
    up = "" if lead and part.kind == lead else " OFFSET 0"
    return Sql(part.text.replace(FENCE, up), part.values, part.kind, part.window, part.span, part.lead)
