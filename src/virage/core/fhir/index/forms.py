"""What the index keeps of each FHIR value: forms of tokens, ranges of dates and numbers, strings, references. Pure."""

import re
from collections.abc import Callable, Iterator
from decimal import Decimal, InvalidOperation
from fractions import Fraction
from functools import lru_cache
from typing import Any

from virage.core.fhir.fhirpath import ucum
from virage.core.fhir.index import keys
from virage.core.fhir.index.dates import EARLIEST, LATEST, date_range

Forms = Callable[[Any], Iterator[str]]
REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9.\-]{1,64})(?:/_history/[A-Za-z0-9.\-]{1,64})?")


def _coding(value: Any) -> Iterator[str]:
    code = value.get("code")
    system = value.get("system")
    if type(code) is str:
        yield "=" + code
        yield f"|{system or ''}|{code}"
    if type(system) is str:
        yield "~" + system


def _concept(value: Any) -> Iterator[str]:
    for coding in value.get("coding", ()):
        if type(coding) is dict:
            yield from _coding(coding)


def _identifier(value: Any) -> Iterator[str]:
    text = value.get("value")
    system = value.get("system")
    if type(text) is str:
        yield "=" + text
        yield f"|{system or ''}|{text}"
        kind = value.get("type")
        if type(kind) is dict:
            for coding in kind.get("coding", ()):
                if type(coding) is dict and type(coding.get("code")) is str:
                    yield keys.of_type(coding.get("system") or "", coding["code"], text)
    if type(system) is str:
        yield "~" + system


def _contact(value: Any) -> Iterator[str]:
    text = value.get("value")
    if type(text) is str:
        yield "=" + text
        yield f"|{value.get('use') or ''}|{text}"
        # R4 takes its use for the system of a contact; many clients ask by its own `system`, such as `phone`.
        if type(value.get("system")) is str:
            yield f"|{value['system']}|{text}"


def _boolean(value: Any) -> Iterator[str]:
    yield "=true" if value is True else "=false"


def _code(value: Any) -> Iterator[str]:
    yield "=" + str(value)


# Values that are a code alone: their system is in the definition of the element, or nowhere.
PLAIN = frozenset(
    [
        "boolean",
        "code",
        "string",
        "id",
        "uri",
        "url",
        "canonical",
        "oid",
        "uuid",
        "integer",
        "positiveInt",
        "unsignedInt",
        "markdown",
    ]
)

TOKENS: dict[str, Forms] = {
    "Coding": _coding,
    "CodeableConcept": _concept,
    "Identifier": _identifier,
    "ContactPoint": _contact,
    "boolean": _boolean,
    "code": _code,
    "string": _code,
    "id": _code,
    "uri": _code,
    "url": _code,
    "canonical": _code,
    "oid": _code,
    "uuid": _code,
    "integer": _code,
    "positiveInt": _code,
    "unsignedInt": _code,
    "markdown": _code,
}


def texts(value: Any) -> Iterator[str]:
    """What people read beside a code, an identifier or a reference: `text` and `display`."""
    if type(value) is dict:
        for name in ("text", "display"):
            if type(value.get(name)) is str:
                yield value[name]
        for coding in value.get("coding", ()):
            if type(coding) is dict and type(coding.get("display")) is str:
                yield coding["display"]
        if type(value.get("type")) is dict:
            yield from texts(value["type"])


def uri(value: Any) -> Iterator[str]:
    """The forms of a URI; of a canonical, with and without its version."""
    yield "@" + str(value)
    plain, bar, _ = str(value).partition("|")
    if bar:
        yield "@" + plain


def versions(canonical: str) -> Iterator[str]:
    """The forms of what a canonical says of the version: none, or this one and those that are less precise."""
    plain, _, version = canonical.partition("|")
    if not version:
        yield keys.unversioned(plain)
        return
    for place, char in enumerate(version):
        if char in ".-":
            yield keys.of_version(plain, version[:place])
    yield keys.of_version(plain, version)


# ── dates ────────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _dated(value: Any) -> list[tuple[int, int]]:
    try:
        return [date_range(value)]
    except (ValueError, TypeError, OverflowError):
        return []


def _period(value: Any) -> list[tuple[int, int]]:
    start, end = _dated(value.get("start")), _dated(value.get("end"))
    if not start and not end:
        return []
    return [(start[0][0] if start else EARLIEST, end[0][1] if end else LATEST)]


def _timing(value: Any) -> list[tuple[int, int]]:
    found = [each for event in value.get("event", ()) for each in _dated(event)]
    bounds = (value.get("repeat") or {}).get("boundsPeriod")
    return found + (_period(bounds) if type(bounds) is dict else [])


DATES: dict[str, Callable[[Any], list[tuple[int, int]]]] = {
    "date": _dated,
    "dateTime": _dated,
    "instant": _dated,
    "Period": _period,
    "Timing": _timing,
}

# ── strings ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _texts(*names: str) -> Callable[[Any], Iterator[str]]:
    def each(value: Any) -> Iterator[str]:
        for name in names:
            found = value.get(name)
            if type(found) is str:
                yield found
            elif type(found) is list:
                yield from (one for one in found if type(one) is str)

    return each


def _plain(value: Any) -> Iterator[str]:
    yield str(value)


STRINGS: dict[str, Callable[[Any], Iterator[str]]] = {
    "string": _plain,
    "markdown": _plain,
    "code": _plain,
    "uri": _plain,
    "HumanName": _texts("family", "given", "text", "prefix", "suffix"),
    "Address": _texts("line", "city", "district", "state", "postalCode", "country", "text"),
    "CodeableConcept": _texts("text"),
    "Annotation": _texts("text"),
}

# ── numbers and quantities ───────────────────────────────────────────────────────────────────────────────────────────────

Number = tuple[float, float, str, str]
"""Low, high, unit code, unit as `system|code`."""

UCUM = "http://unitsofmeasure.org"
CANONICAL = "\x00"
"""The unit code of a second row, which says a UCUM quantity in base units: 5400 mg is also 5.4 g. Its unit is this and their code."""


def _number(value: Any) -> list[Number]:
    if type(value) in (int, float) or isinstance(value, Decimal):
        return [(float(value), float(value), "", "")]
    return []


def _quantity(value: Any) -> list[Number]:
    amount = value.get("value")
    if amount is None:
        return []
    number = float(amount)
    low, high = number, number
    comparator = value.get("comparator")
    if comparator in ("<", "<="):
        low = float("-inf")
    elif comparator in (">", ">="):
        high = float("inf")
    code, system = value.get("code") or value.get("unit") or "", value.get("system") or ""
    found = [(low, high, code, f"{system}|{value.get('code') or ''}")]
    if system == UCUM and type(value.get("code")) is str:
        same = _in_base(amount, code)
        if same is not None:
            own, unit = same
            found.append((own if low == number else low, own if high == number else high, CANONICAL, unit))
    return found


@lru_cache(maxsize=16384)
def _in_base(amount: Any, code: str) -> tuple[float, str] | None:
    """An amount in base units and their code as it is indexed; None where the unit is a base one, or unknown."""
    same = canonical(code)
    return None if same is None or same[2] == code else (in_canonical(amount, same), CANONICAL + same[2])


@lru_cache(maxsize=4096)
def canonical(code: str) -> tuple[Fraction, Fraction, str] | None:
    """How a UCUM unit reads in base units: factor, zero, their code; None for a unit that we do not know."""
    found = ucum.unit(code)
    return None if found is None else (found.factor, found.zero, ucum.code_of(found.dimensions))


def in_canonical(amount: Any, same: tuple[Fraction, Fraction, str]) -> float:
    """An amount in base units, rounded once, so that equal amounts are equal floats."""
    factor, zero, _ = same
    exact = amount if isinstance(amount, int | Decimal | Fraction) else Decimal(repr(amount))
    above, below = exact.as_integer_ratio()
    below *= factor.denominator
    above = above * factor.numerator * zero.denominator + zero.numerator * below
    try:
        # The quotient of two whole numbers is rounded once.
        return above / (below * zero.denominator)
    except OverflowError:
        return float("inf") if amount > 0 else float("-inf")


def _money(value: Any) -> list[Number]:
    amount = value.get("value")
    if amount is None:
        return []
    code = value.get("currency") or ""
    return [(float(amount), float(amount), code, f"urn:iso:std:iso:4217|{code}")]


def _range(value: Any) -> list[Number]:
    low = _quantity(value["low"]) if type(value.get("low")) is dict else []
    high = _quantity(value["high"]) if type(value.get("high")) is dict else []
    if not low and not high:
        return []
    if low and high:
        pairs = zip(low, high, strict=False)
        return [(one[0], other[1], one[2], one[3]) for one, other in pairs if one[3] == other[3] or one is low[0]]
    return [
        (one[0], float("inf"), one[2], one[3]) if low else (float("-inf"), one[1], one[2], one[3])
        for one in low or high
    ]


def _sampled(value: Any) -> list[Number]:
    origin = value.get("origin")
    return _quantity(origin) if type(origin) is dict else []


NUMBERS: dict[str, Callable[[Any], list[Number]]] = {
    "integer": _number,
    "positiveInt": _number,
    "unsignedInt": _number,
    "decimal": _number,
    "Range": _range,
    "Quantity": _quantity,
    "SimpleQuantity": _quantity,
    "Age": _quantity,
    "Duration": _quantity,
    "Count": _quantity,
    "Distance": _quantity,
    "Money": _money,
    "SampledData": _sampled,
}


def number_range(text: str) -> tuple[Fraction, Fraction, Fraction]:
    """A number sought: its value, and the range that its precision stands for. ValueError when it is none."""
    try:
        exact = Decimal(text)
    except InvalidOperation:
        raise ValueError("not a number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > 300:
        raise ValueError("not a number")
    exponent = exact.as_tuple().exponent
    assert isinstance(exponent, int)
    if abs(exponent) > 400:
        raise ValueError("not a number")
    half = Fraction(Decimal(5).scaleb(exponent - 1))
    return Fraction(exact), Fraction(exact) - half, Fraction(exact) + half
