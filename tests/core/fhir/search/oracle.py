"""Search evaluated plainly, resource by resource, from the definitions of FHIR R4 and with none of the index's code.

Values are found by a small reader of its own for the few paths that the tests use; dates by datetime; strings by unicodedata.
"""

import unicodedata
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

Resource = dict[str, Any]
World = dict[str, Resource]

PATHS: dict[str, dict[str, tuple[str, str]]] = {
    "Observation": {
        "code": ("token", "code"),
        "status": ("token", "status"),
        "category": ("token", "category"),
        "subject": ("reference", "subject"),
        "patient": ("reference", "subject"),
        "performer": ("reference", "performer"),
        "date": ("date", "effectiveDateTime|effectivePeriod"),
        "value-quantity": ("quantity", "valueQuantity"),
        "combo-code": ("token", "code|component.code"),
        "component-code": ("token", "component.code"),
    },
    "Patient": {
        "family": ("string", "name.family"),
        "given": ("string", "name.given"),
        "gender": ("token", "gender"),
        "active": ("token", "active"),
        "birthdate": ("date", "birthDate"),
        "identifier": ("token", "identifier"),
        "general-practitioner": ("reference", "generalPractitioner"),
    },
    "QuestionnaireResponse": {
        "status": ("token", "status"),
        "questionnaire": ("canonical", "questionnaire"),
        "subject": ("reference", "subject"),
    },
    "Questionnaire": {"title": ("string", "title"), "status": ("token", "status")},
    "StructureDefinition": {
        "title": ("string", "title"),
        "status": ("token", "status"),
        "base": ("canonical", "baseDefinition"),
    },
    "Practitioner": {"family": ("string", "name.family"), "identifier": ("token", "identifier")},
}


def values(resource: Any, path: str) -> list[Any]:
    found: list[Any] = []
    for way in path.split("|"):
        items = [resource]
        for name in way.split("."):
            below: list[Any] = []
            for item in items:
                value = item.get(name) if isinstance(item, dict) else None
                below += value if isinstance(value, list) else [] if value is None else [value]
            items = below
        found += items
    return found


def codings(value: Any) -> list[tuple[str | None, str | None]]:
    if isinstance(value, bool):
        return [(None, "true" if value else "false")]
    if isinstance(value, str):
        return [(None, value)]
    if "coding" in value:
        return [(coding.get("system"), coding.get("code")) for coding in value["coding"]]
    return [(value.get("system"), value.get("value", value.get("code")))]


def token(value: Any, wanted: str) -> bool:
    for system, code in codings(value):
        if "|" not in wanted:
            if code == wanted:
                return True
            continue
        asked_system, asked_code = wanted.split("|")
        if asked_code and code != asked_code:
            continue
        if asked_system and system != asked_system:
            continue
        if not asked_system and system:
            continue
        if asked_code or system == asked_system:
            return True
    return False


def fold(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()


def forms(text: str) -> list[str]:
    """As it is, and without its punctuation: by spaces, or by nothing."""
    folded = fold(text)
    marks = [c for c in folded if not c.isalnum() and not c.isspace()]
    spaced = closed = folded
    for mark in marks:
        spaced, closed = spaced.replace(mark, " "), closed.replace(mark, "")
    return [folded, " ".join(spaced.split()), " ".join(closed.split())] if marks else [folded]


def begins(value: str, wanted: str) -> bool:
    return any(one.startswith(other) for one in forms(value) for other in forms(wanted))


def span(text: str) -> tuple[datetime, datetime]:
    if len(text) == 4:
        return datetime(int(text), 1, 1, tzinfo=UTC), datetime(int(text) + 1, 1, 1, tzinfo=UTC)
    if len(text) == 7:
        year, month = map(int, text.split("-"))
        return datetime(year, month, 1, tzinfo=UTC), datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    if len(text) == 10:
        start = datetime.fromisoformat(text).replace(tzinfo=UTC)
        return start, start + timedelta(days=1)
    start = datetime.fromisoformat(text)
    return start, start + timedelta(seconds=1)


FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 1, 1, tzinfo=UTC)


def date(value: Any, wanted: str) -> bool:
    prefix, text = (wanted[:2], wanted[2:]) if wanted[:1].isalpha() else ("eq", wanted)
    low, high = span(text)
    if isinstance(value, dict):
        start = span(value["start"])[0] if "start" in value else FIRST
        end = span(value["end"])[1] if "end" in value else LAST
    else:
        start, end = span(value)
    within = low <= start and end <= high
    return {
        "eq": within,
        "ne": not within,
        "gt": end > high,
        "lt": start < low,
        "ge": end > high or within or start >= low,
        "le": start < low or within or end <= high,
        "sa": start >= high,
        "eb": end <= low,
    }[prefix]


UCUM = "http://unitsofmeasure.org"
GRAMS = {"mg": Decimal("0.001"), "g": Decimal(1), "kg": Decimal(1000)}


def quantity(value: Any, wanted: str) -> bool:
    text, *unit = wanted.split("|")
    prefix, text = (text[:2], text[2:]) if text[:1].isalpha() else ("eq", text)
    sought, held = Decimal(text), Decimal(str(value["value"]))
    half = Decimal(5) * Decimal(10) ** (sought.as_tuple().exponent - 1)  # type: ignore[operator]
    low, high = sought - half, sought + half
    if len(unit) == 2 and unit[0] == UCUM:
        if value.get("system") != UCUM or value.get("code") not in GRAMS:
            return False
        held *= GRAMS[value["code"]]
        sought, low, high = (each * GRAMS[unit[1]] for each in (sought, low, high))
    elif (unit and unit[-1] and value.get("code") != unit[-1]) or (
        len(unit) == 2 and unit[0] and value.get("system") != unit[0]
    ):
        return False
    # A value may be said to be under or over a number: a range without an end.
    least = Decimal("-Infinity") if value.get("comparator", "")[:1] == "<" else held
    most = Decimal("Infinity") if value.get("comparator", "")[:1] == ">" else held
    equal = low <= least and most < high
    return {
        "eq": equal,
        "ne": not equal,
        "gt": most > sought,
        "lt": least < sought,
        "ge": most >= sought,
        "le": least <= sought,
        "sa": least > sought,
        "eb": most < sought,
    }[prefix]


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(each) for each in version.split(".") if each)


CANONICAL = {"questionnaire": "Questionnaire", "base": "StructureDefinition"}


def designated(world: World, value: str, type_: str) -> Resource | None:
    """The resource of a type that a canonical designates: that version, or the latest."""
    if value in world:
        return world[value]
    url, _, version = value.partition("|")
    alike = [each for each in world.values() if each["resourceType"] == type_ and each.get("url") == url]
    if version:
        return next((each for each in alike if each.get("version") == version), None)
    return max(alike, key=lambda each: _numbers(each.get("version", "")), default=None)


def led_to(world: World, resource: Resource, code: str) -> list[Resource]:
    """What a reference of a resource leads to."""
    kind, path = PATHS[resource["resourceType"]][code]
    found = [
        designated(world, held, CANONICAL[code]) if kind == "canonical" else world.get(held.get("reference", ""))
        for held in values(resource, path)
    ]
    return [each for each in found if each is not None]


def canonical(value: str, wanted: str) -> bool:
    url, _, version = value.partition("|")
    sought, _, number = wanted.partition("|")
    return url == sought and number in ("", version)


def reference(value: Any, wanted: str) -> bool:
    held = value.get("reference", "")
    return held == wanted or ("/" not in wanted and held.endswith("/" + wanted))


TESTS: dict[str, Callable[[Any, str], bool]] = {
    "token": token,
    "date": date,
    "quantity": quantity,
    "reference": reference,
    "canonical": canonical,
    "string": begins,
}


def meets(world: World, resource: Resource, name: str, wanted: str) -> bool:
    """Whether a resource meets one condition."""
    type_ = resource["resourceType"]
    if name.startswith("_has:"):
        _, far, code, rest = name.split(":", 3)
        return any(
            other["resourceType"] == far
            and any(held is resource for held in led_to(world, other, code))
            and meets(world, other, rest, wanted)
            for other in world.values()
        )
    if "." in name:
        head, rest = name.split(".", 1)
        code, _, target = head.partition(":")
        return any(
            other["resourceType"] == (target or other["resourceType"]) and meets(world, other, rest, wanted)
            for other in led_to(world, resource, code)
        )
    code, _, modifier = name.partition(":")
    kind, path = PATHS[type_][code]
    found = values(resource, path)
    if code == "patient":
        found = [each for each in found if each.get("reference", "").startswith("Patient/")]
    if modifier == "missing":
        return (wanted == "true") == (not found)
    alternatives = wanted.split(",")
    if modifier == "exact":
        return any(value in alternatives for value in found)
    if modifier == "contains":
        return any(
            form in held for value in found for held in forms(value) for each in alternatives for form in forms(each)
        )
    met = any(TESTS[kind](value, each) for value in found for each in alternatives)
    return not met if modifier == "not" else met


def search(world: World, type_: str, params: list[tuple[str, str]]) -> list[str]:
    """The ids of the resources of a type that meet every condition."""
    return sorted(
        resource["id"]
        for resource in world.values()
        if resource["resourceType"] == type_ and all(meets(world, resource, name, value) for name, value in params)
    )
