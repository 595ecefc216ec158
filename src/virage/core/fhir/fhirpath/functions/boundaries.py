"""The least and the greatest value that an imprecise one can stand for, and how precise it is."""

from decimal import ROUND_DOWN, ROUND_HALF_UP, Context, Decimal, DecimalException

from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.operators import is_number
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.temporal import EASTMOST, WESTMOST, Date, DateTime, Temporal, Time, month_days
from virage.core.fhir.fhirpath.values import NONE, Items, integer, one

MAX_DIGITS = 31
_WIDE = Context(prec=80)


def _places(value: Decimal) -> int:
    return max(0, -int(value.as_tuple().exponent))


def decimal_bound(value: Decimal, digits: int, *, high: bool) -> Decimal | None:
    """Half of the last written digit below or above, to that many decimals.

    Away from zero the bound is rounded, towards zero it is cut, so that both always have a value at low precision.
    """
    half = Decimal(5).scaleb(-_places(value) - 1)
    outward = (value > 0) == high or value == 0
    exact = _WIDE.add(value, half) if high else _WIDE.subtract(value, half)
    try:
        return exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_UP if outward else ROUND_DOWN, context=_WIDE)
    except DecimalException:
        return None


# Digits asked for → how many components; 17 and 9 go to the millisecond.
_DATE_SIZES = {4: 1, 6: 2, 8: 3, 10: 4, 12: 5, 14: 6, 17: 6}
_TIME_SIZES = {2: 1, 4: 2, 6: 3, 9: 3}
_MILLI = Decimal("0.001")


def _filled(value: Temporal, size: int, *, milliseconds: bool, high: bool) -> tuple[int | Decimal, ...]:
    parts = list(value.parts)
    first = value.FIRST
    hour_only = len(parts) + first == 4
    while len(parts) < size:
        place = len(parts) + first
        if place == 1:
            part = 12 if high else 1
        elif place == 2:
            part = month_days(int(parts[0]), int(parts[1])) if high else 1
        elif place == 3:
            part = 23 if high else 0
        elif place == 4:
            # FHIR has no hours without minutes: an hour alone means its first minute.
            part = 59 if high and not hour_only else 0
        else:
            part = 59 if high else 0
        parts.append(part)
    del parts[size:]
    if size + first == 6:
        seconds = Decimal(parts[-1])
        if milliseconds:
            digits = _places(seconds) if len(value.parts) + first == 6 else 0
            low = seconds.quantize(_MILLI, ROUND_DOWN)
            parts[-1] = low + (Decimal(1).scaleb(-digits) - _MILLI if high and digits < 3 else 0)
        else:
            parts[-1] = seconds.to_integral_value(ROUND_DOWN)
    return tuple(parts)


def temporal_bound(value: Temporal, digits: int, *, high: bool) -> Temporal | None:
    """The bound of a date, date-time or time, to that many digits (4 for a year … 17 for milliseconds)."""
    sizes = _TIME_SIZES if isinstance(value, Time) else _DATE_SIZES
    size = sizes.get(digits)
    if size is None:
        return None
    if isinstance(value, Date) and size > 3:
        value = DateTime(value.parts)
    parts = _filled(value, size, milliseconds=digits in (17, 9), high=high)
    if isinstance(value, DateTime):
        zone = value.zone
        if zone is None:
            zone = (WESTMOST if high else EASTMOST) * 60
        return DateTime(parts, zone if size > 3 else None)
    return type(value)(parts)


def _bound(items: Items, precision: Items | None, *, high: bool) -> Items:
    value = one(items)
    digits = None if precision is None else integer(precision)
    if value is None or (precision is not None and digits is None):
        return NONE
    found: Decimal | Temporal | Quantity | None = None
    if is_number(value) or isinstance(value, Quantity):
        digits = 8 if digits is None else digits
        if 0 <= digits <= MAX_DIGITS:
            amount = value.value if isinstance(value, Quantity) else Decimal(value)
            found = decimal_bound(amount, digits, high=high)
            if found is not None and isinstance(value, Quantity):
                found = Quantity(found, value.unit, calendar=value.calendar)
    elif isinstance(value, Temporal):
        usual = 9 if isinstance(value, Time) else 8 if isinstance(value, Date) else 17
        found = temporal_bound(value, usual if digits is None else digits, high=high)
    return NONE if found is None else [found]


@plain("lowBoundary", 0, 1)
def low_boundary(items: Items, env: Evaluation, precision: Items | None = None) -> Items:
    """`lowBoundary([precision])`"""
    return _bound(items, precision, high=False)


@plain("highBoundary", 0, 1)
def high_boundary(items: Items, env: Evaluation, precision: Items | None = None) -> Items:
    """`highBoundary([precision])`"""
    return _bound(items, precision, high=True)


@plain("precision")
def precision(items: Items, env: Evaluation) -> Items:
    """`precision()`: digits after the point of a number, digits of a date or time."""
    value = one(items)
    if is_number(value):
        return [_places(Decimal(value))]
    return [value.digits] if isinstance(value, Temporal) else NONE
