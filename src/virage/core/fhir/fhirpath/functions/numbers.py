"""Mathematics, on Decimals."""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_DOWN, ROUND_FLOOR, ROUND_HALF_UP, Context, Decimal, DecimalException
from typing import Any

from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.operators import is_number
from virage.core.fhir.fhirpath.operators import number as answered
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.values import NONE, Items, integer, one

# Computed wide, given narrow: the last digits of a logarithm are noise.
_WIDE = Context(prec=40, Emax=400, Emin=-400)
_NARROW = Context(prec=20)


def number(items: Items) -> Any:
    """A single Integer or Decimal; None when empty."""
    value = one(items)
    if value is None or is_number(value):
        return value
    raise FhirPathError("Un nombre est attendu ici.")


def _settled(value: Decimal) -> Items:
    if not value.is_finite():
        return NONE
    rounded = _NARROW.plus(value)
    normal = rounded.normalize(_NARROW)
    return [normal if int(normal.as_tuple().exponent) < 0 else normal.quantize(Decimal("0.1"), context=_WIDE)]


def _function(compute: Callable[..., Decimal]) -> Callable[..., Items]:
    def run(items: Items, env: Evaluation, *others: Items) -> Items:
        values = [number(each) for each in (items, *others)]
        if any(each is None for each in values):
            return NONE
        try:
            return _settled(compute(*(Decimal(each) for each in values)))
        except DecimalException:
            return NONE

    return run


plain("exp")(_function(lambda value: _WIDE.exp(value)))
plain("sqrt")(_function(lambda value: _WIDE.sqrt(value)))


@plain("ln")
def ln(items: Items, env: Evaluation) -> Items:
    """`ln()`: nothing for zero and below."""
    value = number(items)
    return NONE if value is None or value <= 0 else _settled(_WIDE.ln(Decimal(value)))


@plain("log", 1)
def log(items: Items, env: Evaluation, base: Items) -> Items:
    """`log(base)`"""
    value, other = number(items), number(base)
    if value is None or other is None or value <= 0 or other <= 0 or other == 1:
        return NONE
    return _settled(_WIDE.divide(_WIDE.ln(Decimal(value)), _WIDE.ln(Decimal(other))))


@plain("power", 1)
def power(items: Items, env: Evaluation, exponent: Items) -> Items:
    """`power(exponent)`: an Integer when both are and the exponent is not negative."""
    value, other = number(items), number(exponent)
    if value is None or other is None:
        return NONE
    try:
        if isinstance(value, int) and isinstance(other, int) and other >= 0:
            if abs(value) > 1 and other > 64:
                return NONE
            return answered(value**other)
        return _settled(_WIDE.power(Decimal(value), Decimal(other)))
    except DecimalException:
        return NONE


@plain("abs")
def absolute(items: Items, env: Evaluation) -> Items:
    """`abs()`"""
    value = one(items)
    if isinstance(value, Quantity):
        return [Quantity(abs(value.value), value.unit, calendar=value.calendar)]
    value = number(items)
    return NONE if value is None else [abs(value)]


def _whole(rounding: str) -> Callable[..., Items]:
    def run(items: Items, env: Evaluation) -> Items:
        value = one(items)
        if isinstance(value, Quantity):
            return [Quantity(value.value.to_integral_value(rounding), value.unit, calendar=value.calendar)]
        value = number(items)
        return NONE if value is None else answered(int(Decimal(value).to_integral_value(rounding)))

    return run


plain("ceiling")(_whole(ROUND_CEILING))
plain("floor")(_whole(ROUND_FLOOR))
plain("truncate")(_whole(ROUND_DOWN))


@plain("round", 0, 1)
def rounded(items: Items, env: Evaluation, precision: Items | None = None) -> Items:
    """`round([precision])`: halves go up."""
    value = one(items)
    digits = 0 if precision is None else integer(precision)
    if value is None or digits is None:
        return NONE
    if digits < 0:
        raise FhirPathError("round() demande un nombre de décimales positif ou nul.")
    amount = value.value if isinstance(value, Quantity) else Decimal(number(items))
    if digits <= 28 and -int(amount.as_tuple().exponent) > digits:
        half = ROUND_HALF_UP if amount >= 0 else "ROUND_HALF_DOWN"
        try:
            amount = amount.quantize(Decimal(1).scaleb(-digits), half)
        except DecimalException:
            return NONE
    if isinstance(value, Quantity):
        return [Quantity(amount, value.unit, calendar=value.calendar)]
    return [amount]


@plain("sum")
def total(items: Items, env: Evaluation) -> Items:
    """`sum()` of numbers."""
    env.spend(len(items))
    return NONE if not items else answered(sum(number([each]) or 0 for each in items))


@plain("min")
def least(items: Items, env: Evaluation) -> Items:
    """`min()` of numbers."""
    env.spend(len(items))
    return NONE if not items else [min(number([each]) for each in items)]


@plain("max")
def most(items: Items, env: Evaluation) -> Items:
    """`max()` of numbers."""
    env.spend(len(items))
    return NONE if not items else [max(number([each]) for each in items)]


@plain("avg")
def mean(items: Items, env: Evaluation) -> Items:
    """`avg()` of numbers."""
    env.spend(len(items))
    return NONE if not items else _settled(Decimal(sum(number([each]) for each in items)) / len(items))
