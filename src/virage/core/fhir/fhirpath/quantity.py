"""Quantities: a value with a UCUM unit or a calendar duration."""

from decimal import Decimal
from fractions import Fraction

from virage.core.fhir.fhirpath import ucum

# Calendar duration → its singular.
CALENDAR = {
    name + plural: name
    for name in ("year", "month", "week", "day", "hour", "minute", "second", "millisecond")
    for plural in ("", "s")
}
# Calendar durations that UCUM defines alike. A calendar year or month is no fixed time, hence not here.
_DEFINITE = {"week": "wk", "day": "d", "hour": "h", "minute": "min", "second": "s", "millisecond": "ms"}
_CALENDAR_OF = {code: name for name, code in _DEFINITE.items()}


class Quantity:
    """`value` (int or Decimal, digits kept) and `unit` (UCUM code, or a calendar word when `calendar`)."""

    __slots__ = ("calendar", "unit", "value")

    def __init__(self, value: Decimal | int, unit: str = "1", *, calendar: bool = False) -> None:
        self.value = Decimal(value)
        self.unit = unit
        self.calendar = calendar

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Quantity) and self.key() == other.key()

    def __hash__(self) -> int:
        return hash(self.key())

    def __repr__(self) -> str:
        return f"Quantity({self})"

    def __str__(self) -> str:
        return f"{self.value:f} {self.unit}" if self.calendar else f"{self.value:f} '{self.unit}'"

    def ucum(self) -> str | None:
        """The UCUM code; None for calendar years and months."""
        return _DEFINITE.get(CALENDAR[self.unit]) if self.calendar else self.unit

    def months(self) -> Decimal | None:
        """The value in months when it is a calendar year or month, else None."""
        if not self.calendar:
            return None
        return {"year": self.value * 12, "month": self.value}.get(CALENDAR[self.unit])

    def duration(self) -> str | None:
        """The calendar unit, in the singular, by which a date can be moved; None when there is none (`mo`, `a`, `mg`)."""
        return CALENDAR.get(self.unit) or _CALENDAR_OF.get(self.unit)

    def key(self) -> object:
        """Equal for equal quantities."""
        months = self.months()
        if months is not None:
            return ("month", months)
        code = self.ucum() or ""
        found = ucum.unit(code)
        if found is None:
            return (code, self.value)
        return (found.dimensions, Fraction(self.value) * found.factor + found.zero)

    def json(self) -> dict[str, object]:
        """As a FHIR Quantity."""
        code = self.ucum()
        if code is None:
            return {"value": self.value, "unit": self.unit}
        return {"value": self.value, "unit": self.unit, "system": "http://unitsofmeasure.org", "code": code}


def compare(left: Quantity, right: Quantity) -> int | None:
    """-1, 0, 1; None when the units do not compare, or when a calendar duration meets a definite one."""
    a, b = left.months(), right.months()
    if a is not None and b is not None:
        return (a > b) - (a < b)
    if a is not None or b is not None:
        return None
    code, other = left.ucum() or "", right.ucum() or ""
    if code == other:
        return (left.value > right.value) - (left.value < right.value)
    converted = ucum.convert(right.value, other, code)
    if converted is None:
        return None
    mine = Fraction(left.value)
    return (mine > converted) - (mine < converted)


def equivalent(left: Quantity, right: Quantity) -> bool:
    """Alike to the precision of the coarser one; a calendar year is alike to a year of UCUM."""
    a, b = _definite(left), _definite(right)
    x, y = ucum.unit(a), ucum.unit(b)
    if x is None or y is None or x.dimensions != y.dimensions:
        return a == b and left.value == right.value
    grain = max(x.factor * _step(left.value), y.factor * _step(right.value))
    mine = Fraction(left.value) * x.factor + x.zero
    other = Fraction(right.value) * y.factor + y.zero
    return round(mine / grain) == round(other / grain)


def _definite(value: Quantity) -> str:
    if value.calendar:
        name = CALENDAR[value.unit]
        return {"year": "a", "month": "mo"}.get(name) or _DEFINITE[name]
    return value.unit


def _step(value: Decimal) -> Fraction:
    return Fraction(1, 10 ** max(0, -int(value.as_tuple().exponent)))


def multiply(left: Quantity, right: Quantity) -> Quantity | None:
    """The product; None when a unit is unknown."""
    return _combine(left, right, divide=False)


def divide(left: Quantity, right: Quantity) -> Quantity | None:
    """The quotient; None when a unit is unknown or the divisor is zero."""
    return None if right.value == 0 else _combine(left, right, divide=True)


def _combine(left: Quantity, right: Quantity, *, divide: bool) -> Quantity | None:
    a, b = left.ucum(), right.ucum()
    if a is None or b is None:
        return None
    if b == "1":
        value = left.value / right.value if divide else left.value * right.value
        return Quantity(value, left.unit, calendar=left.calendar)
    if a == "1" and not divide:
        return Quantity(left.value * right.value, right.unit, calendar=right.calendar)
    if a == b and divide:
        return Quantity(left.value / right.value, "1")
    found = ucum.product(a, b, divide=divide)
    if found is None:
        return None
    factor, code = found
    other = Fraction(right.value)
    exact = Fraction(left.value) * (1 / other if divide else other) * factor
    return Quantity(ucum.decimal(exact), code)
