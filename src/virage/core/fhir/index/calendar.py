"""Dates as tokens of month, year and decade, so that a range of dates meets other tokens inside the one GIN index. Pure.

They are candidates only: the exact comparison is made on the date's own row.
"""

from datetime import UTC, datetime
from functools import lru_cache

from virage.core.fhir.index import keys
from virage.core.fhir.index.dates import DAY, microseconds, moment

FIRST, LAST = 1900, 2059
"""Years outside are not told apart."""

_START = microseconds(datetime(FIRST, 1, 1, tzinfo=UTC))
_END = microseconds(datetime(LAST + 1, 1, 1, tzinfo=UTC))

SPANNING = "d*"
"""The date is not within one month, or outside the years told apart: always a candidate."""


def _month(value: int) -> int | None:
    """Months since year 0, or None outside the years told apart."""
    return _month_of_day(value // DAY) if _START <= value < _END else None


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> int:
    at = moment(day * DAY)
    return at.year * 12 + at.month - 1


def forms_of(low: int, high: int) -> tuple[str, ...]:
    """The tokens of a range of microseconds."""
    month = _month(low)
    return _forms(month if month is not None and _month(high - 1) == month else None)


def hashes_of(low: int, high: int) -> tuple[int, ...]:
    """The same, as the index hashes them."""
    month = _month(low)
    return _hashes(month if month is not None and _month(high - 1) == month else None)


def _forms(month: int | None) -> tuple[str, ...]:
    if month is None:
        return (SPANNING,)
    year = month // 12
    return (f"dm{month}", f"dy{year}", f"dd{year // 10}")


@lru_cache(maxsize=2048)
def _hashes(month: int | None) -> tuple[int, ...]:
    return tuple(keys.value_hash(form) for form in _forms(month))


def forms_within(low: int | None, high: int | None) -> list[str]:
    """The fewest tokens that stand for every date that may be in [low, high); None: without limit on that side."""
    start = None if low is None else _month(low)
    end = None if high is None else _month(high - 1)
    first = FIRST * 12 if start is None else start
    last = LAST * 12 + 11 if end is None else end
    found = [SPANNING]
    while first <= last:
        if first % 120 == 0 and first + 119 <= last:
            found.append(f"dd{first // 120}")
            first += 120
        elif first % 12 == 0 and first + 11 <= last:
            found.append(f"dy{first // 12}")
            first += 12
        else:
            found.append(f"dm{first}")
            first += 1
    return found
