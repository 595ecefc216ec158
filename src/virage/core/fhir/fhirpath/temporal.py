"""Dates, date-times and times of any precision, as FHIRPath N1 compares, moves and bounds them.

A value keeps the components that were written and no more: `@2014` has one, `@2014-01-01T08:05` has five. Seconds and
their fraction are one component, a Decimal with the digits that were written.
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import ROUND_DOWN, Decimal
from functools import lru_cache
from typing import Self, TypeVar

_CLOCK = r"(\d{2})(?::(\d{2})(?::(\d{2}(?:\.\d+)?))?)?"
_DATE = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?", re.ASCII)
_DATETIME = re.compile(rf"(\d{{4}})(?:-(\d{{2}})(?:-(\d{{2}}))?)?(?:T(?:{_CLOCK}(Z|[+-]\d{{2}}:\d{{2}})?)?)?", re.ASCII)
_TIME = re.compile(_CLOCK, re.ASCII)

# A value without a time zone may stand anywhere between these offsets (in hours east of Greenwich).
EASTMOST, WESTMOST = 14, -12

YEAR, MONTH, DAY, HOUR, MINUTE, SECOND = range(6)
Part = int | Decimal
_SPAN: dict[str, Decimal | int] = {
    "week": 604_800,
    "day": 86_400,
    "hour": 3_600,
    "minute": 60,
    "second": 1,
    "millisecond": Decimal("0.001"),
}
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


def month_days(year: int, month: int) -> int:
    """Days of a month."""
    if month == 2 and (year % 4 or (year % 100 == 0 and year % 400)):
        return 28
    return _DAYS[month - 1]


def _seconds(value: Part) -> str:
    whole, _, fraction = (f"{value:f}" if isinstance(value, Decimal) else str(value)).partition(".")
    return whole.zfill(2) + ("." + fraction if fraction else "")


class Temporal:
    """What the three kinds share: `parts` from the largest component down, `zone` in minutes east of UTC or None."""

    __slots__ = ("parts", "zone")
    FIRST = YEAR

    def __init__(self, parts: tuple[Part, ...], zone: int | None = None) -> None:
        self.parts = parts
        self.zone = zone

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.parts == other.parts and self.zone == other.zone

    def __hash__(self) -> int:
        return hash((type(self), self.parts, self.zone))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self})"

    def literal(self) -> str:
        """As written in an expression after `@` (and `T` for a time)."""
        return str(self)

    @property
    def digits(self) -> int:
        """How many digits the value has, as `precision()` counts: 4 for a year, 17 for milliseconds with a date."""
        count = 0
        for place, part in enumerate(self.parts, self.FIRST):
            count += 4 if place == YEAR else 2
            if place == SECOND:
                count += _fraction(part)
        return count


def _fraction(seconds: Part) -> int:
    return -int(seconds.as_tuple().exponent) if isinstance(seconds, Decimal) else 0


def _day_exists(parts: tuple[Part, ...]) -> bool:
    year, month = int(parts[0]), int(parts[1]) if len(parts) > 1 else 1
    return year >= 1 and 1 <= month <= 12 and (len(parts) < 3 or 1 <= parts[2] <= month_days(year, month))


def _clock_exists(parts: tuple[Part, ...]) -> bool:
    return all(part < bound for part, bound in zip(parts, (24, 60, 60), strict=False))


def _clock_parts(groups: tuple[str | None, ...]) -> tuple[Part, ...]:
    hour, minute, second = groups
    if hour is None:
        return ()
    if minute is None:
        return (int(hour),)
    return (int(hour), int(minute)) if second is None else (int(hour), int(minute), Decimal(second))


class Date(Temporal):
    """A year, a month or a day."""

    __slots__ = ()

    @classmethod
    @lru_cache(4096)
    def parse(cls, text: str) -> Self | None:
        """From `2014`, `2014-01` or `2014-01-05`; None when it is no date."""
        found = _DATE.fullmatch(text)
        if found is None:
            return None
        parts: tuple[Part, ...] = tuple(int(each) for each in found.groups() if each)
        return cls(parts) if _day_exists(parts) else None

    def __str__(self) -> str:
        return "-".join(f"{part:0{4 if place == 0 else 2}d}" for place, part in enumerate(self.parts))


class DateTime(Temporal):
    """A date that may go on with a time and a zone."""

    __slots__ = ()

    @classmethod
    @lru_cache(4096)
    def parse(cls, text: str) -> Self | None:
        """From `2014`, `2014-01-05T`, `2014-01-05T10:30:00.5+01:00`…; None when it is none."""
        found = _DATETIME.fullmatch(text)
        if found is None:
            return None
        *numbers, zone = found.groups()
        parts: tuple[Part, ...] = tuple(int(each) for each in numbers[:3] if each)
        clock = _clock_parts(tuple(numbers[3:]))
        if not _day_exists(parts) or not _clock_exists(clock) or (clock and len(parts) < 3):
            return None
        offset = None
        if zone:
            offset = 0 if zone == "Z" else int(zone[0] + "1") * (int(zone[1:3]) * 60 + int(zone[4:]))
            if abs(offset) > 14 * 60:
                return None
        return cls(parts + clock, offset)

    @classmethod
    def of(cls, moment: datetime) -> Self:
        """From a datetime that has its zone, to the millisecond."""
        offset = moment.utcoffset() or timedelta()
        seconds = Decimal(moment.second) + Decimal(moment.microsecond // 1000).scaleb(-3)
        parts = (moment.year, moment.month, moment.day, moment.hour, moment.minute, seconds.quantize(Decimal("0.001")))
        return cls(parts, int(offset.total_seconds()) // 60)

    def __str__(self) -> str:
        day = "-".join(f"{part:0{4 if place == 0 else 2}d}" for place, part in enumerate(self.parts[:3]))
        clock = ":".join(_seconds(part) for part in self.parts[3:])
        zone = ""
        if self.zone is not None:
            sign, minutes = ("-", -self.zone) if self.zone < 0 else ("+", self.zone)
            zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}" if self.zone else "Z"
        return f"{day}T{clock}{zone}" if clock else day

    def literal(self) -> str:
        text = str(self)
        return text if "T" in text else text + "T"


class Time(Temporal):
    """A time of day, without zone."""

    __slots__ = ()
    FIRST = HOUR

    @classmethod
    @lru_cache(1024)
    def parse(cls, text: str) -> Self | None:
        """From `10`, `10:30` or `10:30:00.5`; None when it is no time."""
        found = _TIME.fullmatch(text)
        if found is None:
            return None
        parts = _clock_parts(found.groups())
        return cls(parts) if _clock_exists(parts) else None

    def __str__(self) -> str:
        return ":".join(_seconds(part) for part in self.parts)


T = TypeVar("T", bound=Temporal)


def today(moment: datetime) -> Date:
    """The day of a moment, in its own zone."""
    return Date((moment.year, moment.month, moment.day))


def time_of(moment: datetime) -> Time:
    """The time of day of a moment, in its own zone, to the millisecond."""
    return Time(DateTime.of(moment).parts[3:])


def here(zone: tzinfo | None = None) -> datetime:
    """Now, with a zone (that of the machine by default)."""
    return datetime.now(UTC).astimezone(zone)


def compare(left: Temporal, right: Temporal) -> int | None:
    """-1, 0 or 1; None when their precisions or zones leave it open. Both must be times, or neither."""
    a, b = left.parts, right.parts
    if len(a) > 3 and len(b) > 3 and left.zone != right.zone:
        if left.zone is None or right.zone is None:
            return _compare_uncertain(left, right)
        a, b = utc(left), utc(right)
    for x, y in zip(a, b, strict=False):
        if x != y:
            return -1 if x < y else 1
    return 0 if len(a) == len(b) else None


def utc(value: Temporal) -> tuple[Part, ...]:
    """The components of a value with a zone and a time, moved to UTC."""
    parts = value.parts
    moment = _moment(parts) - timedelta(minutes=value.zone or 0)
    shifted: tuple[Part, ...] = (moment.year, moment.month, moment.day, moment.hour, moment.minute)
    if len(parts) == 4 and (value.zone or 0) % 60 == 0:
        return shifted[:4]
    return shifted[:5] if len(parts) < 6 else (*shifted, parts[5])


def _moment(parts: tuple[Part, ...]) -> datetime:
    """The start of a value to the minute; the years 1 and 9999 are kept from overflowing by zones."""
    year, month, day, hour, minute = (*(int(part) for part in parts[:5]), 0)[:5] if len(parts) >= 4 else (1, 1, 1, 0, 0)
    return datetime(min(max(year, 2), 9998), month, min(day, month_days(min(max(year, 2), 9998), month)), hour, minute)  # noqa: DTZ001


def _compare_uncertain(left: Temporal, right: Temporal) -> int | None:
    low_left, high_left = _span(left)
    low_right, high_right = _span(right)
    if high_left < low_right:
        return -1
    return 1 if high_right < low_left else None


def _span(value: Temporal) -> tuple[Decimal, Decimal]:
    parts = value.parts
    start = Decimal(int((_moment(parts) - datetime(1, 1, 1)).total_seconds()))  # noqa: DTZ001
    length = Decimal(0)
    if len(parts) == 6:
        start += parts[5]
    else:
        length = Decimal(3599 if len(parts) == 4 else 59)
    if value.zone is not None:
        start -= value.zone * 60
        return start, start + length
    return start - EASTMOST * 3600, start + length - WESTMOST * 3600


def add(value: T, amount: Decimal, unit: str) -> T | None:
    """The value moved by an amount of a calendar unit in the singular (`year` … `millisecond`); None out of the calendar.

    An amount finer than the value's precision is first turned into the value's own unit, dropping what does not fill
    one. Fractions count for seconds and milliseconds alone.
    """
    if unit not in ("second", "millisecond"):
        amount = amount.to_integral_value(ROUND_DOWN)
    if abs(amount) > 10**15:
        return None
    if isinstance(value, Time):
        return _add_time(value, amount, unit)
    size = len(value.parts)
    if unit in ("year", "month"):
        months = int(amount) * (12 if unit == "year" else 1)
        if size == 1:
            return _add_months(value, int(Decimal(months) / 12) * 12)
        return _add_months(value, months)
    seconds = amount * _SPAN[unit]
    if size < 3:
        days = seconds / 86_400
        return _add_months(value, int(days / 365) * 12 if size == 1 else int(days / 30))
    return _add_seconds(value, seconds)


def _add_months(value: T, months: int) -> T | None:
    parts = value.parts
    year, month = divmod(int(parts[0]) * 12 + (int(parts[1]) - 1 if len(parts) > 1 else 0) + months, 12)
    if not 1 <= year <= 9999:
        return None
    moved: tuple[Part, ...] = (year, month + 1, *parts[2:])[: len(parts)]
    if len(parts) > 2:
        moved = (*moved[:2], min(int(parts[2]), month_days(year, month + 1)), *moved[3:])
    return type(value)(moved, value.zone)


def _add_seconds(value: T, seconds: Decimal) -> T | None:
    parts = value.parts
    clock = parts[3:]
    size = len(clock)
    # What a value without seconds cannot show is dropped before the sum, not after.
    grain = (86_400, 3_600, 60)[size] if size < 3 else None
    if grain:
        seconds = Decimal(int(seconds / grain) * grain)
    start = sum((part * span for part, span in zip(clock, (3600, 60, 1), strict=False)), Decimal(0))
    days, left = divmod(start + seconds, 86_400)
    if left < 0:
        days, left = days - 1, left + 86_400
    try:
        day = date(int(parts[0]), int(parts[1]), int(parts[2])) + timedelta(days=int(days))
    except OverflowError:
        return None
    return type(value)((day.year, day.month, day.day, *_clock(left, size)), value.zone)


def _clock(seconds: Decimal, size: int) -> tuple[Part, ...]:
    hour, left = divmod(seconds, 3600)
    minute, second = divmod(left, 60)
    return (int(hour), int(minute), second)[:size]


def _add_time(value: T, amount: Decimal, unit: str) -> T | None:
    if unit in ("year", "month"):
        return None
    seconds = amount * _SPAN[unit]
    size = len(value.parts)
    if size < 3:
        grain = (3_600, 60)[size - 1]
        seconds = Decimal(int(seconds / grain) * grain)
    start = sum((part * span for part, span in zip(value.parts, (3600, 60, 1), strict=False)), Decimal(0))
    left = (start + seconds) % 86_400
    return type(value)(_clock(left + 86_400 if left < 0 else left, size))
