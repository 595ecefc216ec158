"""An order by date where too few of the first dates match: the page is looked for month by month, then by years, then among all."""

from typing import Any

from virage.core.db.session import Cursor
from virage.core.fhir.index import calendar
from virage.core.fhir.search.plans import Query

SPANS = (1, 6, 36)
"""How many months beyond the dates that were looked at."""


def rows(opened: Cursor, query: Query, limit: int, after: list[Any] | None) -> list[Any]:
    """The rows of a page after a cursor."""
    statement = query.page(limit, after)
    opened.execute(statement.text, statement.values)
    found = opened.fetchall()
    if found or not query.dated:
        return found
    statement = query.edge(after)
    opened.execute(statement.text, statement.values)
    reached, full = opened.fetchone() or (None, False)
    if not full:
        return found  # all was looked at
    descending = query.sort[0].descending
    month = calendar.month(reached)
    for span in SPANS if month is not None else ():
        assert month is not None
        low = calendar.start(month - span) if descending else None
        high = None if descending else calendar.start(month + 1 + span)
        if after and descending:
            high = after[0] + 1
        elif after:
            low = after[0]
        statement = query.between(limit, after, low, high)
        opened.execute(statement.text, statement.values)
        found = opened.fetchall()
        if len(found) == limit:
            return found
    statement = query.whole(limit, after)
    opened.execute(statement.text, statement.values)
    return opened.fetchall()
