"""FHIR dates as ranges of microseconds since 1970, the end excluded. Pure. A date without zone is taken in UTC."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SHAPE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d)(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(Z|[+-]\d\d:\d\d)?)?)?)?")
SECOND = 1_000_000
DAY = 86_400 * SECOND
EARLIEST = -(1 << 62)
LATEST = 1 << 62


def microseconds(moment: datetime) -> int:
    """Microseconds since 1970 of an aware datetime."""
    gap = moment - _EPOCH
    return (gap.days * 86_400 + gap.seconds) * SECOND + gap.microseconds


def moment(value: int) -> datetime:
    """The aware datetime (UTC) of microseconds since 1970."""
    return _EPOCH + timedelta(microseconds=value)


@lru_cache(maxsize=16384)
def date_range(text: str) -> tuple[int, int]:
    """The range that a date, dateTime or instant stands for, by its precision. ValueError when it is none."""
    match = _SHAPE.fullmatch(text)
    if not match:
        raise ValueError("not a FHIR date")
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    if month is None:
        low = microseconds(datetime(int(year), 1, 1, tzinfo=UTC))
        return low, low + (366 if _leap(int(year)) else 365) * DAY
    if day is None:
        low = microseconds(datetime(int(year), int(month), 1, tzinfo=UTC))
        if month == "12":
            return low, low + 31 * DAY
        return low, microseconds(datetime(int(year), int(month) + 1, 1, tzinfo=UTC))
    low = _midnight(int(year), int(month), int(day))
    if hour is None:
        return low, low + DAY
    if int(hour) > 24 or int(minute) > 59 or (second and int(second) > 60):
        raise ValueError("not a time of the day")
    low += (int(hour) * 3600 + int(minute) * 60 + int(second or 0)) * SECOND
    if zone and zone != "Z":
        shift = (int(zone[1:3]) * 3600 + int(zone[4:]) * 60) * SECOND
        low += -shift if zone[0] == "+" else shift
    if second is None:
        return low, low + 60 * SECOND
    if fraction is None:
        return low, low + SECOND
    digits = min(len(fraction), 6)
    step: int = 10 ** (6 - digits)
    low += int(fraction[:digits]) * step
    return low, low + step


@lru_cache(maxsize=4096)
def _midnight(year: int, month: int, day: int) -> int:
    return microseconds(datetime(year, month, day, tzinfo=UTC))


def _leap(year: int) -> bool:
    return year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
