"""Pieces of SQL with their parameters, put together without ever writing a value into the text."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Sql:
    """A condition on the row `r` of a resource.

    `selective` is true when an index can find the rows that it holds for, so that it may lead the query.
    """

    text: str
    values: tuple[Any, ...] = field(default=())
    selective: bool = False


TRUE = Sql("TRUE")
FALSE = Sql("FALSE")


def every(parts: Iterable[Sql]) -> Sql:
    """All hold."""
    kept = [part for part in parts if part is not TRUE]
    if any(part is FALSE for part in kept):
        return FALSE
    if len(kept) < 2:
        return kept[0] if kept else TRUE
    return Sql(
        "(" + " AND ".join(part.text for part in kept) + ")",
        tuple(value for part in kept for value in part.values),
        any(part.selective for part in kept),
    )


def some(parts: Iterable[Sql]) -> Sql:
    """At least one holds."""
    kept = [part for part in parts if part is not FALSE]
    if any(part is TRUE for part in kept):
        return TRUE
    if len(kept) < 2:
        return kept[0] if kept else FALSE
    return Sql(
        "(" + " OR ".join(part.text for part in kept) + ")",
        tuple(value for part in kept for value in part.values),
        all(part.selective for part in kept),
    )


def no(part: Sql) -> Sql:
    """It does not hold."""
    if part is TRUE:
        return FALSE
    if part is FALSE:
        return TRUE
    return Sql(f"NOT coalesce({part.text}, FALSE)", part.values)
