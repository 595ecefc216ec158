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


def start(number: int) -> int:
    """The first microsecond since 1970 of a month, in months since year 0; of the years told apart at least and at most."""
    number = min(max(number, FIRST * 12), (LAST + 1) * 12)
    return microseconds(datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC))


def month(value: int) -> int | None:
    """Months since year 0, or None outside the years told apart."""
    return _month_of_day(value // DAY) if _START <= value < _END else None


@lru_cache(maxsize=4096)
def _month_of_day(day: int) -> int:
    at = moment(day * DAY)
    return at.year * 12 + at.month - 1


def forms_of(low: int, high: int) -> tuple[str, ...]:
    """The tokens of a range of microseconds."""
    number = month(low)
    return _forms(number if number is not None and month(high - 1) == number else None)


def hashes_of(low: int, high: int) -> tuple[int, ...]:
    """The same, as the index hashes them."""
    number = month(low)
    return _hashes(number if number is not None and month(high - 1) == number else None)


def _forms(number: int | None) -> tuple[str, ...]:
    if number is None:
        return (SPANNING,)
    year = number // 12
    return (f"dm{number}", f"dy{year}", f"dd{year // 10}")


@lru_cache(maxsize=2048)
def _hashes(number: int | None) -> tuple[int, ...]:
    return tuple(keys.value_hash(form) for form in _forms(number))


def forms_within(low: int | None, high: int | None) -> list[str]:
    """The fewest tokens that stand for every date that may be in [low, high); None: without limit on that side."""
    start = None if low is None else month(low)
    end = None if high is None else month(high - 1)
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
