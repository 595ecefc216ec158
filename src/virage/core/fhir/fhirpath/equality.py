"""Equal, equivalent, ordered: between items and between collections."""

import re
from collections.abc import Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from virage.core.fhir.fhirpath import quantity as quantities
from virage.core.fhir.fhirpath import temporal
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.temporal import DateTime, Temporal, Time
from virage.core.fhir.fhirpath.values import Items, Node, TypeInfo, computed

_SPACE = re.compile(r"\s+")


def _numeric(value: Any) -> bool:
    return value.__class__ is int or value.__class__ is Decimal


def equal_values(a: Any, b: Any) -> bool | None:
    """`=` between two computed values or complex nodes; None when it cannot be told (precisions, durations, no value)."""
    if a is None or b is None:
        return None
    kind, other = a.__class__, b.__class__
    if kind is other:
        if kind is Node:
            return bool(a.value == b.value)
        if kind is Quantity:
            return _equal_quantities(a, b)
        if isinstance(a, Temporal):
            found = temporal.compare(a, b)
            return None if found is None else found == 0
        return bool(a == b)
    if _numeric(a) and _numeric(b):
        return bool(a == b)
    if isinstance(a, Temporal) and isinstance(b, Temporal):
        if isinstance(a, Time) or isinstance(b, Time):
            return False
        found = temporal.compare(a, b)
        return None if found is None else found == 0
    if kind is Quantity and _numeric(b):
        return _equal_quantities(a, Quantity(b))
    if other is Quantity and _numeric(a):
        return _equal_quantities(Quantity(a), b)
    # A FHIR date compared with a text is compared by its text.
    if isinstance(a, Temporal) and other is str:
        return str(a) == b
    if isinstance(b, Temporal) and kind is str:
        return str(b) == a
    return False


def _equal_quantities(a: Quantity, b: Quantity) -> bool | None:
    found = quantities.compare(a, b)
    if found is None:
        return None if (a.months() is None) != (b.months() is None) else False
    return found == 0


def equal(left: Items, right: Items) -> bool | None:
    """`=` between collections: same items in the same order; None when either is empty."""
    if not left or not right:
        return None
    if len(left) != len(right):
        return False
    answer: bool | None = True
    for a, b in zip(left, right, strict=True):
        found = equal_values(computed(a), computed(b))
        if found is False:
            return False
        if found is None:
            answer = None
    return answer


def _folded(text: str) -> str:
    return _SPACE.sub(" ", text.strip()).casefold()


def equivalent_values(a: Any, b: Any) -> bool:
    """`~` between two computed values or complex nodes."""
    if a is None or b is None:
        return a is b
    if a.__class__ is str and b.__class__ is str:
        return _folded(a) == _folded(b)
    if _numeric(a) and _numeric(b):
        return _alike(Decimal(a), Decimal(b))
    if a.__class__ is Quantity and b.__class__ is Quantity:
        return quantities.equivalent(a, b)
    if a.__class__ is Node and b.__class__ is Node:
        return _alike_json(a.value, b.value)
    return equal_values(a, b) is True


def _alike(a: Decimal, b: Decimal) -> bool:
    digits = min(max(0, -int(a.as_tuple().exponent)), max(0, -int(b.as_tuple().exponent)))
    grain = Decimal(1).scaleb(-digits)
    if max(abs(a.adjusted()), abs(b.adjusted())) + digits > 27:
        return a == b
    return a.quantize(grain, ROUND_HALF_UP) == b.quantize(grain, ROUND_HALF_UP)


def _alike_json(a: Any, b: Any) -> bool:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return (a.keys() - {"id"}) == (b.keys() - {"id"}) and all(
            _alike_json(a[key], b[key]) for key in a if key != "id"
        )
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and sorted(map(_sortable, a)) == sorted(map(_sortable, b))
    if isinstance(a, str) and isinstance(b, str):
        return _folded(a) == _folded(b)
    return bool(a == b)


def _sortable(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{key}:{_sortable(value[key])}" for key in sorted(value) if key != "id") + "}"
    if isinstance(value, list):
        return "[" + ",".join(sorted(map(_sortable, value))) + "]"
    return _folded(str(value))


MAX_EQUIVALENT = 2_000


def equivalent(left: Items, right: Items) -> bool:
    """`~` between collections: same items in any order; two empty ones are equivalent."""
    if len(left) != len(right):
        return False
    if len(left) > MAX_EQUIVALENT:
        raise FhirPathError("Trop d’éléments à rapprocher par « ~ ».", issue="too-costly")
    waiting = [computed(each) for each in right]
    for each in left:
        value = computed(each)
        for place, other in enumerate(waiting):
            if equivalent_values(value, other):
                del waiting[place]
                break
        else:
            return False
    return True


def order(a: Any, b: Any) -> int | None:
    """-1, 0, 1 between two computed values; None when it cannot be told. FhirPathError between kinds without order."""
    if a is None or b is None:
        return None
    if _numeric(a) and _numeric(b):
        return (a > b) - (a < b)
    if a.__class__ is str and b.__class__ is str:
        return (a > b) - (a < b)
    if isinstance(a, Temporal) and isinstance(b, Temporal) and isinstance(a, Time) == isinstance(b, Time):
        return temporal.compare(a, b)
    if a.__class__ is Quantity and _numeric(b):
        b = Quantity(b)
    elif b.__class__ is Quantity and _numeric(a):
        a = Quantity(a)
    if a.__class__ is Quantity and b.__class__ is Quantity:
        return quantities.compare(a, b)
    raise FhirPathError("Ces deux valeurs ne se comparent pas : elles ne sont pas du même genre.")


def key(item: Any) -> object:
    """Hashable, and equal for items that are equal by `=`: what distinct, union and the like go by."""
    value = computed(item)
    kind = value.__class__
    if kind is str:
        return value
    if kind is bool:
        return ("boolean", value)
    if kind is int or kind is Decimal or kind is TypeInfo:
        return value
    if kind is Quantity:
        return value.key()
    if kind is Node:
        return frozen(value.value)
    if isinstance(value, DateTime) and value.zone is not None and len(value.parts) > 3:
        return ("moment", temporal.utc(value))
    if isinstance(value, Temporal):
        return ("time" if isinstance(value, Time) else "moment", value.parts)
    return ("nothing", id(item))


def frozen(value: Any) -> object:
    """A JSON value, hashable."""
    if isinstance(value, Mapping):
        return frozenset((name, frozen(each)) for name, each in value.items())
    if isinstance(value, Sequence) and not isinstance(value, str):
        return tuple(frozen(each) for each in value)
    return ("boolean", value) if isinstance(value, bool) else value
