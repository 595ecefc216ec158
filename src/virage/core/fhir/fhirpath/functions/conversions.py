"""toX and convertsToX, and the parts of dates."""

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from virage.core.fhir.fhirpath import quantity as quantities
from virage.core.fhir.fhirpath import temporal, ucum
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.quantity import CALENDAR, Quantity
from virage.core.fhir.fhirpath.temporal import Date, DateTime, Temporal, Time
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, Node, one, text

_INTEGER = re.compile(r"[+-]?[0-9]{1,19}")
_DECIMAL = re.compile(r"[+-]?[0-9]{1,40}(\.[0-9]{1,40})?")
_QUANTITY = re.compile(r"([+-]?[0-9]{1,40}(?:\.[0-9]{1,40})?)\s*(?:'([^']{1,100})'|([a-zA-Z]+))?")
_TRUE = frozenset({"true", "t", "yes", "y", "1", "1.0"})
_FALSE = frozenset({"false", "f", "no", "n", "0", "0.0"})


def to_boolean(value: Any) -> bool | None:
    """By the table of the language; None when it does not convert."""
    if isinstance(value, bool):
        return value
    if isinstance(value, int | Decimal):
        return None if value not in (0, 1) else value == 1
    if isinstance(value, str):
        low = value.lower()
        return True if low in _TRUE else False if low in _FALSE else None
    return None


def to_integer(value: Any) -> int | None:
    """The same, to an Integer."""
    if isinstance(value, int):
        return int(value)
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        return int(value)
    return None


def to_decimal(value: Any) -> Decimal | None:
    """The same, to a Decimal."""
    if isinstance(value, bool):
        return Decimal("1.0") if value else Decimal("0.0")
    if isinstance(value, int | Decimal):
        return Decimal(value)
    return Decimal(value) if isinstance(value, str) and _DECIMAL.fullmatch(value) else None


def to_string(value: Any) -> str | None:
    """The same, to a String."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return str(value) if isinstance(value, int | str | Temporal | Quantity) else None


def to_date(value: Any) -> Date | None:
    """The same, to a Date."""
    if isinstance(value, Date):
        return value
    if isinstance(value, DateTime):
        return Date(value.parts[:3])
    if isinstance(value, str):
        found = DateTime.parse(value)
        return None if found is None else Date(found.parts[:3])
    return None


def to_date_time(value: Any) -> DateTime | None:
    """The same, to a DateTime."""
    if isinstance(value, DateTime):
        return value
    if isinstance(value, Date):
        return DateTime(value.parts)
    return DateTime.parse(value) if isinstance(value, str) else None


def to_time(value: Any) -> Time | None:
    """The same, to a Time."""
    if isinstance(value, Time):
        return value
    return Time.parse(value.removeprefix("T")) if isinstance(value, str) else None


def to_quantity(value: Any) -> Quantity | None:
    """The same, to a Quantity."""
    if isinstance(value, Quantity):
        return value
    if isinstance(value, bool):
        return Quantity(Decimal("1.0") if value else Decimal("0.0"))
    if isinstance(value, int | Decimal):
        return Quantity(value)
    found = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    amount, unit, word = found.groups()
    if word and word not in CALENDAR:
        return None
    return Quantity(Decimal(amount), word or unit or "1", calendar=bool(word))


def _declare(name: str, convert: Callable[[Any], Any]) -> None:
    def run(items: Items, env: Evaluation) -> Items:
        value = one(items)
        found = None if value is None or isinstance(value, Node) else convert(value)
        return NONE if found is None else [found]

    def test(items: Items, env: Evaluation) -> Items:
        value = one(items)
        if value is None:
            return NONE
        return FALSE if isinstance(value, Node) or convert(value) is None else TRUE

    plain("to" + name)(run)
    plain("convertsTo" + name)(test)


_declare("Boolean", to_boolean)
_declare("Integer", to_integer)
_declare("Long", to_integer)
_declare("Decimal", to_decimal)
_declare("String", to_string)
_declare("Date", to_date)
_declare("DateTime", to_date_time)
_declare("Time", to_time)


def _in_unit(value: Any, unit: Items | None) -> Quantity | None:
    found = None if isinstance(value, Node) else to_quantity(value)
    target = None if unit is None else text(unit)
    if found is None or target is None or target == found.unit:
        return found
    months = found.months()
    if months is not None and CALENDAR.get(target) in ("year", "month"):
        return Quantity(months / 12 if CALENDAR[target] == "year" else months, target, calendar=True)
    wanted = Quantity(1, target, calendar=target in CALENDAR)
    code, other = found.ucum(), wanted.ucum()
    converted = None if code is None or other is None else ucum.convert(found.value, code, other)
    return None if converted is None else Quantity(ucum.decimal(converted), target, calendar=wanted.calendar)


@plain("toQuantity", 0, 1)
def quantity(items: Items, env: Evaluation, unit: Items | None = None) -> Items:
    """`toQuantity([unit])`"""
    value = one(items)
    found = None if value is None else _in_unit(value, unit)
    return NONE if found is None else [found]


@plain("convertsToQuantity", 0, 1)
def converts_to_quantity(items: Items, env: Evaluation, unit: Items | None = None) -> Items:
    """`convertsToQuantity([unit])`"""
    value = one(items)
    if value is None:
        return NONE
    return FALSE if _in_unit(value, unit) is None else TRUE


@plain("comparable", 1)
def comparable(items: Items, env: Evaluation, other: Items) -> Items:
    """`comparable(quantity)`: whether the units measure the same kind of thing."""
    a, b = one(items), one(other)
    if a is None or b is None:
        return NONE
    if not isinstance(a, Quantity) or not isinstance(b, Quantity):
        raise FhirPathError("comparable() porte sur deux quantités.")
    return TRUE if a.unit == b.unit or quantities.compare(a, b) is not None else FALSE


@plain("today")
def today(items: Items, env: Evaluation) -> Items:
    """`today()`"""
    return [temporal.today(env.now())]


@plain("now")
def now(items: Items, env: Evaluation) -> Items:
    """`now()`"""
    return [DateTime.of(env.now())]


@plain("timeOfDay")
def time_of_day(items: Items, env: Evaluation) -> Items:
    """`timeOfDay()`"""
    return [temporal.time_of(env.now())]


def _part(name: str, place: int) -> None:
    def run(items: Items, env: Evaluation) -> Items:
        value = one(items)
        if value is None:
            return NONE
        if not isinstance(value, Temporal):
            raise FhirPathError(f"{name}() porte sur une date ou une heure.")
        where = place - value.FIRST
        return [int(value.parts[where])] if 0 <= where < len(value.parts) else NONE

    plain(name)(run)


for _place, _name in enumerate(("yearOf", "monthOf", "dayOf", "hourOf", "minuteOf", "secondOf")):
    _part(_name, _place)


@plain("millisecondOf")
def millisecond_of(items: Items, env: Evaluation) -> Items:
    """`millisecondOf()`"""
    value = one(items)
    if not isinstance(value, Temporal) or len(value.parts) + value.FIRST < 6:
        return NONE
    seconds = Decimal(value.parts[-1])
    return [int(seconds % 1 * 1000)] if int(seconds.as_tuple().exponent) < 0 else NONE


@plain("timezoneOffsetOf")
def timezone_of(items: Items, env: Evaluation) -> Items:
    """`timezoneOffsetOf()`, in hours."""
    value = one(items)
    return [Decimal(value.zone) / 60] if isinstance(value, DateTime) and value.zone is not None else NONE


@plain("dateOf")
def date_of(items: Items, env: Evaluation) -> Items:
    """`dateOf()`"""
    value = one(items)
    return [Date(value.parts[:3])] if isinstance(value, Date | DateTime) else NONE


@plain("timeOf")
def time_of(items: Items, env: Evaluation) -> Items:
    """`timeOf()`"""
    value = one(items)
    return [Time(value.parts[3:])] if isinstance(value, DateTime) and len(value.parts) > 3 else NONE
