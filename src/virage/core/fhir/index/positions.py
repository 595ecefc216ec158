"""Positions on the globe as tokens: the squares that hold them, at four sizes, so that a search nearby is a few look-ups. Pure.

They are candidates only: the distance is computed from the position's own row (latitude as low end, longitude as high end).
"""

import math
from typing import Any

from virage.core.fhir.index import keys

SIZES = (8.0, 1.0, 1 / 8, 1 / 64)
"""Sides of the squares in degrees: 890, 111, 14 and 1.7 km of latitude."""
RADIUS = 6_371_008.8
"""Mean radius of the Earth in metres (IUGG)."""
_MOST = 40
_SLACK = 1e-9


def position(value: Any) -> tuple[float, float] | None:
    """Latitude and longitude of a Location's position, the longitude from -180 to under 180; None when they are none."""
    try:
        north, east = float(value["latitude"]), float(value["longitude"])
    except (KeyError, TypeError, ValueError):
        return None
    if not (-90 <= north <= 90 and -360 <= east <= 360):
        return None
    return north, (east + 180) % 360 - 180


def forms_of(north: float, east: float) -> list[str]:
    """The squares that hold a position."""
    return [keys.cell(level, math.floor(north / size), math.floor(east / size)) for level, size in enumerate(SIZES)]


def forms_within(north: float, east: float, distance: float) -> list[str] | None:
    """Squares that hold every position within so many metres; None when they would be too many."""
    # A tenth of a millimetre more, for what is lost in rounding.
    reach = math.degrees(distance / RADIUS) + _SLACK
    south, top = max(north - reach, -90.0), min(north + reach, 90.0)
    # At its widest, the circle leaves its meridian by this; around a pole it goes through all of them.
    ratio = math.sin(min(reach, 90) * math.pi / 180) / max(math.cos(math.radians(north)), 1e-12)
    wide = 180.0 if reach >= 90 or top >= 90 or south <= -90 or ratio >= 1 else math.degrees(math.asin(ratio)) + _SLACK
    for level in range(len(SIZES) - 1, -1, -1):
        size = SIZES[level]
        rows = range(math.floor(south / size), math.floor(top / size) + 1)
        around = round(360 / size)
        if wide >= 180:
            columns = set(range(-around // 2, around // 2))
        else:
            first, last = math.floor((east - wide) / size), math.floor((east + wide) / size)
            if (last - first + 1) * len(rows) > _MOST:
                continue
            columns = {(each + around // 2) % around - around // 2 for each in range(first, last + 1)}
        if len(columns) * len(rows) <= _MOST:
            return [keys.cell(level, row, column) for row in rows for column in sorted(columns)]
    return None
