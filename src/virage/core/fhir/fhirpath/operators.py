"""What the operators do with the computed values on their two sides."""

from collections.abc import Callable
from decimal import Decimal, DecimalException
from fractions import Fraction
from typing import Any

from virage.core.fhir.fhirpath import quantity as quantities
from virage.core.fhir.fhirpath import temporal, ucum
from virage.core.fhir.fhirpath.equality import equal, equivalent, key, order
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.temporal import Temporal
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, computed, one, truth

Operator = Callable[[Items, Items, Evaluation], Items]
# Beyond 64 bits an integer result is no Integer any more: the language answers with nothing.
_BOUND = 2**63


def _answer(value: bool | None) -> Items:
    return NONE if value is None else TRUE if value else FALSE


def is_number(value: Any) -> bool:
    """Whether a computed value is an Integer or a Decimal."""
    return value.__class__ is int or value.__class__ is Decimal


def number(value: Any) -> Items:
    """A number as a collection; nothing when it is out of range."""
    if value.__class__ is int:
        return [value] if -_BOUND <= value < _BOUND else NONE
    return [value] if value.is_finite() else NONE


def _refuse(operator: str) -> FhirPathError:
    return FhirPathError(f"L’opérateur « {operator} » ne s’applique pas à ces valeurs.")


def _arithmetic(operator: str, compute: Callable[[Any, Any, Evaluation], Items]) -> Operator:
    def run(left: Items, right: Items, env: Evaluation) -> Items:
        a, b = one(left), one(right)
        if a is None or b is None:
            return NONE
        try:
            return compute(a, b, env)
        except DecimalException:
            return NONE

    return run


def _add(a: Any, b: Any, env: Evaluation) -> Items:
    if is_number(a) and is_number(b):
        return number(a + b)
    if a.__class__ is str and b.__class__ is str:
        return [env.text(a + b)]
    if isinstance(a, Temporal) and b.__class__ is Quantity:
        return moved(a, b, 1)
    if a.__class__ is Quantity and b.__class__ is Quantity:
        return _sum(a, b, 1)
    raise _refuse("+")


def _subtract(a: Any, b: Any, env: Evaluation) -> Items:
    if is_number(a) and is_number(b):
        return number(a - b)
    if isinstance(a, Temporal) and b.__class__ is Quantity:
        return moved(a, b, -1)
    if a.__class__ is Quantity and b.__class__ is Quantity:
        return _sum(a, b, -1)
    raise _refuse("-")


def moved(value: Temporal, amount: Quantity, sign: int) -> Items:
    """A date or time moved by a duration. FhirPathError for a unit that is no calendar duration."""
    unit = amount.duration()
    if unit is None:
        raise FhirPathError("Une date se déplace d’une durée de calendrier : 1 month, 3 days, 2 'h'… Changez l’unité.")
    found = temporal.add(value, amount.value * sign, unit)
    return NONE if found is None else [found]


def _sum(a: Quantity, b: Quantity, sign: int) -> Items:
    if a.unit == b.unit and a.calendar == b.calendar:
        return [Quantity(a.value + sign * b.value, a.unit, calendar=a.calendar)]
    if a.months() is not None and b.months() is not None:
        return [Quantity((a.months() or Decimal()) + sign * (b.months() or Decimal()), "month", calendar=True)]
    code, other = a.ucum(), b.ucum()
    mine, theirs = ucum.unit(code or ""), ucum.unit(other or "")
    if code is None or other is None or mine is None or theirs is None or mine.dimensions != theirs.dimensions:
        return NONE
    # The finer unit of the two keeps what both say.
    finer = code if mine.factor <= theirs.factor else other
    left, right = ucum.convert(a.value, code, finer), ucum.convert(b.value, other, finer)
    total = (left or Fraction(0)) + sign * (right or Fraction(0))
    return [Quantity(ucum.decimal(total), finer)]


def _multiply(a: Any, b: Any, env: Evaluation) -> Items:
    if is_number(a) and is_number(b):
        return number(a * b)
    if a.__class__ is Quantity or b.__class__ is Quantity:
        return _scaled(a, b, quantities.multiply, "*")
    raise _refuse("*")


def _divide(a: Any, b: Any, env: Evaluation) -> Items:
    if is_number(a) and is_number(b):
        return NONE if b == 0 else number(Decimal(a) / Decimal(b))
    if a.__class__ is Quantity or b.__class__ is Quantity:
        return _scaled(a, b, quantities.divide, "/")
    raise _refuse("/")


def _scaled(a: Any, b: Any, compute: Callable[[Quantity, Quantity], Quantity | None], operator: str) -> Items:
    if is_number(a):
        a = Quantity(a)
    if is_number(b):
        b = Quantity(b)
    if a.__class__ is not Quantity or b.__class__ is not Quantity:
        raise _refuse(operator)
    found = compute(a, b)
    return NONE if found is None else [found]


def _div(a: Any, b: Any, env: Evaluation) -> Items:
    if not (is_number(a) and is_number(b)):
        raise _refuse("div")
    if b == 0:
        return NONE
    if a.__class__ is int and b.__class__ is int:
        whole = abs(a) // abs(b)
        return number(whole if (a < 0) == (b < 0) else -whole)
    return number(int(Decimal(a) // Decimal(b)))


def _mod(a: Any, b: Any, env: Evaluation) -> Items:
    if not (is_number(a) and is_number(b)):
        raise _refuse("mod")
    if b == 0:
        return NONE
    if a.__class__ is int and b.__class__ is int:
        left = abs(a) % abs(b)
        return number(-left if a < 0 else left)
    return number(Decimal(a) % Decimal(b))


def _concatenate(left: Items, right: Items, env: Evaluation) -> Items:
    parts = []
    for items in (left, right):
        value = one(items)
        if isinstance(value, Temporal):
            value = str(value)
        if value is not None and value.__class__ is not str:
            raise _refuse("&")
        parts.append(value or "")
    return [env.text("".join(parts))]


def _ordering(accept: Callable[[int], bool]) -> Operator:
    def run(left: Items, right: Items, env: Evaluation) -> Items:
        a, b = one(left), one(right)
        if a is None or b is None:
            return NONE
        found = order(a, b)
        return NONE if found is None else TRUE if accept(found) else FALSE

    return run


def _equals(left: Items, right: Items, env: Evaluation) -> Items:
    return _answer(equal(left, right))


def _differs(left: Items, right: Items, env: Evaluation) -> Items:
    found = equal(left, right)
    return NONE if found is None else _answer(not found)


def _equivalent(left: Items, right: Items, env: Evaluation) -> Items:
    return _answer(equivalent(left, right))


def _not_equivalent(left: Items, right: Items, env: Evaluation) -> Items:
    return _answer(not equivalent(left, right))


def distinct(items: Items, env: Evaluation) -> Items:
    """Each item once, in order of first appearance."""
    if len(items) < 2:
        return items
    env.spend(len(items))
    seen: set[object] = set()
    out = []
    for item in items:
        mark = key(item)
        if mark not in seen:
            seen.add(mark)
            out.append(item)
    return out


def union(left: Items, right: Items, env: Evaluation) -> Items:
    """Both, each item once."""
    return distinct(left + right, env)


def holds(items: Items, value: Items, env: Evaluation) -> Items:
    """Whether a collection holds a single value."""
    if not value:
        return NONE
    if len(value) > 1:
        raise FhirPathError("« in » et « contains » cherchent une seule valeur, plusieurs trouvées.")
    env.spend(len(items))
    wanted = [computed(value[0])]
    return _answer(any(equal([each], wanted) for each in items))


def _and(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return True if left and right else None


OPERATORS: dict[str, Operator] = {
    "+": _arithmetic("+", _add),
    "-": _arithmetic("-", _subtract),
    "*": _arithmetic("*", _multiply),
    "/": _arithmetic("/", _divide),
    "div": _arithmetic("div", _div),
    "mod": _arithmetic("mod", _mod),
    "&": _concatenate,
    "=": _equals,
    "!=": _differs,
    "~": _equivalent,
    "!~": _not_equivalent,
    "<": _ordering(lambda found: found < 0),
    "<=": _ordering(lambda found: found <= 0),
    ">": _ordering(lambda found: found > 0),
    ">=": _ordering(lambda found: found >= 0),
    "|": union,
    "in": lambda left, right, env: holds(right, left, env),
    "contains": holds,
}


def logic(operator: str, left: bool | None, right: Callable[[], Items]) -> Items:
    """`and`, `or`, `xor`, `implies` in three values; the right side is computed only when it can matter."""
    if operator == "and":
        return FALSE if left is False else _answer(_and(left, truth(right())))
    if operator == "or":
        if left is True:
            return TRUE
        other = truth(right())
        return TRUE if other else (FALSE if left is False and other is False else NONE)
    if operator == "implies":
        if left is False:
            return TRUE
        other = truth(right())
        return TRUE if other else (FALSE if left is True and other is False else NONE)
    other = truth(right())
    return NONE if left is None or other is None else _answer(left is not other)


def negated(items: Items) -> Items:
    """Unary minus."""
    value = one(items)
    if value is None:
        return NONE
    if is_number(value):
        return [-value]
    if value.__class__ is Quantity:
        return [Quantity(-value.value, value.unit, calendar=value.calendar)]
    raise _refuse("-")


def affirmed(items: Items) -> Items:
    """Unary plus."""
    value = one(items)
    if value is None:
        return NONE
    if is_number(value) or value.__class__ is Quantity:
        return [value]
    raise _refuse("+")
