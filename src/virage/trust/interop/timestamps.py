"""HL7 v3 timestamps (`YYYYMMDDHHMMSS[.f]±ZZZZ`, cut anywhere from the right) to FHIR dates."""

import re
from datetime import datetime

_TS = re.compile(
    r"(?P<y>\d{4})(?:(?P<m>\d{2})(?:(?P<d>\d{2})(?:(?P<H>\d{2})(?:(?P<M>\d{2})(?:(?P<S>\d{2})(?:\.\d{1,6})?)?)?)?)?)?"
    r"(?P<z>[+-]\d{4})?",
    re.ASCII,
)


def parse(value: str) -> tuple[str, str, str] | None:
    """`(date, time, zone)` as ISO parts, empty where the timestamp stops earlier; None when it is not one."""
    match = _TS.fullmatch(value.strip())
    if not match:
        return None
    y, m, d, hour, minute, second, zone = (match[k] for k in "ymdHMSz")
    try:
        datetime(int(y), int(m or 1), int(d or 1), int(hour or 0), int(minute or 0), min(int(second or 0), 59))  # noqa: DTZ001
    except ValueError:
        return None
    if zone and (int(zone[1:3]) > 14 or int(zone[3:]) > 59):
        return None
    date = "-".join(part for part in (y, m, d) if part)
    time = f"{hour}:{minute or '00'}:{second or '00'}" if hour else ""
    return date, time, f"{zone[:3]}:{zone[3:]}" if zone else ""


def fhir_datetime(value: str) -> str:
    """A FHIR `dateTime`; a time without zone loses its time, since FHIR refuses it; empty when not a timestamp."""
    parsed = parse(value)
    if not parsed:
        return ""
    date, time, zone = parsed
    return f"{date}T{time}{zone}" if time and zone else date


def fhir_date(value: str) -> str:
    """The date alone; empty when not a timestamp."""
    parsed = parse(value)
    return parsed[0] if parsed else ""


def has_zone(value: str) -> bool:
    """Whether the timestamp names its offset, which the CI-SIS asks for as soon as there is a time of day."""
    parsed = parse(value)
    return bool(parsed and (not parsed[1] or parsed[2]))
