"""`near=latitude|longitude|distance|unit`: the squares around lead, the distance on the globe decides (haversine)."""

import math
from decimal import Decimal, InvalidOperation

from virage.core.fhir.fhirpath import ucum
from virage.core.fhir.index import keys, positions
from virage.core.fhir.search.context import Context, bars, has, row_exists
from virage.core.fhir.search.errors import await_revision, bad_modifier, bad_value
from virage.core.fhir.search.sql import Sql, every, some

USUAL = Decimal(50)
"""Kilometres, when the search does not say how far."""
_ADVICE = "une position s'écrit « latitude|longitude|distance|unité », en degrés décimaux, comme « 48.85|2.35|10|km »."
_DISTANCE = (
    f"{2 * positions.RADIUS} * asin(least(1, sqrt(power(sin(radians(x.low - %s::float8) / 2), 2)"
    " + cos(radians(%s::float8)) * cos(radians(x.low)) * power(sin(radians(x.high - %s::float8) / 2), 2)))) <= %s::float8"
)


def near(context: Context, value: str, modifier: str) -> Sql:
    """Positions within a distance of another."""
    await_revision(context.name)
    if modifier == "missing" and value in ("true", "false"):
        present = row_exists(context, "number", "TRUE", ())
        return present if value == "false" else Sql(f"NOT {present.text.replace('{f}', '')}", present.values)
    if modifier:
        raise bad_modifier(context.name, modifier, ":missing")
    return some([_one(context, each) for each in context.alternatives(value)])


def _one(context: Context, value: str) -> Sql:
    parts = bars(value)
    if not 2 <= len(parts) <= 4:
        raise bad_value(context.name, _ADVICE)
    unit = parts[3] if len(parts) == 4 and parts[3] else "km"
    try:
        found = positions.position({"latitude": Decimal(parts[0]), "longitude": Decimal(parts[1])})
        far = Decimal(parts[2]) if len(parts) > 2 and parts[2] else USUAL
    except InvalidOperation:
        raise bad_value(context.name, _ADVICE) from None
    sound = far.is_finite() and far >= 0 and abs(far.adjusted()) < 12
    metres = ucum.convert(far, unit, "m") if sound else None
    if found is None or metres is None:
        raise bad_value(context.name, _ADVICE)
    north, east = found
    distance = min(float(metres), math.pi * positions.RADIUS)
    exact = row_exists(context, "number", _DISTANCE, (north, north, east, distance))
    squares = positions.forms_within(north, east, distance)
    ahead = has(context.tokens(*squares) if squares is not None else context.tokens(keys.present()))
    # The squares find, the distance is checked on what they find.
    return every([ahead, Sql(exact.text.replace("{f}", " OFFSET 0"), exact.values)])
