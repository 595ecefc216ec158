"""What stands around the matches, evaluated plainly: long ways through chains and `_has`, includes, orders."""

import itertools
from collections.abc import Callable
from functools import cmp_to_key
from typing import Any

import oracle
from worlds import Maker

Step = tuple[str, str, str]
# From which type, by which reference, to which type.
EDGES: list[Step] = [
    ("Observation", "subject", "Patient"),
    ("Observation", "patient", "Patient"),
    ("Observation", "performer", "Practitioner"),
    ("Observation", "performer", "Patient"),
    ("Patient", "general-practitioner", "Practitioner"),
]
SORTS = {
    "Observation": ["date", "-date", "status", "-status", "_id", "-_id"],
    "Patient": ["family", "-family", "birthdate", "-birthdate", "gender", "-gender", "_id"],
    "Practitioner": ["family", "-family", "_id", "-_id"],
}


def way(maker: Maker, type_: str, depth: int) -> tuple[str, str]:
    """A condition at the end of a way of this many references, there and back."""
    if not depth:
        own: dict[str, Callable[[], tuple[str, str]]] = {
            "Patient": maker.of_patient,
            "Practitioner": maker.of_practitioner,
            "Observation": maker.of_observation,
        }
        return own[type_]()
    steps = [(f"{code}:{far}.", far) for near, code, far in EDGES if near == type_]
    steps += [(f"_has:{near}:{code}:", near) for near, code, far in EDGES if far == type_]
    head, far = maker.pick(*steps)
    rest, value = way(maker, far, depth - 1)
    return head + rest, value


def include(maker: Maker) -> tuple[str, str]:
    """An `_include` or `_revinclude`, of one target type or of any, perhaps iterated."""
    near, code, far = maker.pick(*EDGES)
    name = maker.pick("_include", "_include:iterate", "_revinclude", "_revinclude:iterate")
    return name, f"{near}:{code}{maker.pick('', ':' + far)}"


def _joined(world: oracle.World, key: str, name: str, value: str) -> set[str]:
    near, code, *wanted = value.split(":")

    def targets(holder: oracle.Resource) -> set[str]:
        if holder["resourceType"] != near:
            return set()
        held = {each.get("reference", "") for each in oracle.values(holder, oracle.PATHS[near][code][1])}
        if code == "patient":
            held = {each for each in held if each.startswith("Patient/")}
        return {each for each in held if not wanted or each.startswith(wanted[0] + "/")}

    if name.startswith("_include"):
        return targets(world[key]) & set(world)
    return {other for other, resource in world.items() if key in targets(resource)}


def included(world: oracle.World, matches: list[str], asked: list[tuple[str, str]]) -> set[str]:
    """What to add to matches (`Type/id`), by the letter: all once, those that iterate again on what was added."""
    known, fresh, turn = set(matches), set(matches), 0
    while fresh:
        added: set[str] = set()
        for name, value in asked:
            if turn == 0 or name.endswith(":iterate"):
                for key in fresh:
                    added |= _joined(world, key, name, value)
        fresh = added - known
        known |= fresh
        turn += 1
    return known - set(matches)


def _key(resource: oracle.Resource, code: str, descending: bool) -> Any:
    if code == "_id":
        return resource["id"]
    kind, path = oracle.PATHS[resource["resourceType"]][code]
    found = oracle.values(resource, path)
    if kind == "date":
        starts = [
            (oracle.span(value["start"])[0] if "start" in value else oracle.FIRST)
            if isinstance(value, dict)
            else oracle.span(value)[0]
            for value in found
        ]
        return (max if descending else min)(starts, default=None)
    if kind == "string":
        return (max if descending else min)((oracle.fold(value) for value in found), default=None)
    return found[0] if found else None


def out_of_order(world: oracle.World, type_: str, ids: list[str], sort: str) -> list[tuple[str, str]]:
    """The neighbours that `_sort` would have the other way round; what has no value comes last."""
    keys = [(part.lstrip("-"), part.startswith("-")) for part in sort.split(",")]

    def compare(one: str, other: str) -> int:
        for code, descending in keys:
            a, b = (_key(world[f"{type_}/{each}"], code, descending) for each in (one, other))
            if a == b:
                continue
            if a is None or b is None:
                return 1 if a is None else -1
            return (1 if a > b else -1) * (-1 if descending else 1)
        return 0

    ordered = cmp_to_key(compare)
    return [(one, other) for one, other in itertools.pairwise(ids) if ordered(one) > ordered(other)]
