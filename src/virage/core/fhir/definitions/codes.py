"""Value sets and code systems of R4 that can be listed, expanded when first asked for."""

import functools
from collections.abc import Callable, Mapping
from typing import Any

from virage.core.fhir.definitions import facts

Code = tuple[str, str]
Finder = Callable[[str], Mapping[str, Any] | None]

# A list longer than this is not for keeping in memory as a set: a terminology service answers for it.
MAX_CODES = 200_000
MAX_STEPS = 2_000_000
_DEPTH = 20
# Codes that a regular expression is tried on.
_MOST_MATCHED = 5_000


def plain(url: str) -> str:
    """A canonical URL without its version."""
    return url.partition("|")[0]


@functools.lru_cache(128)
def value_set(url: str) -> Mapping[str, Any] | None:
    """The ValueSet of the specification with this URL (version ignored), or None."""
    name = "valueset/" + plain(url)
    return facts.chunk(name) if facts.has(name) else None


@functools.lru_cache(128)
def code_system(url: str) -> Mapping[str, Any] | None:
    """The CodeSystem of the specification with this URL (version ignored), or None."""
    name = "codesystem/" + plain(url)
    return facts.chunk(name) if facts.has(name) else None


@functools.cache
def codes(valueset_url: str) -> frozenset[Code] | None:
    """Every (system, code) of a value set of the specification; None when it is unknown or cannot be listed."""
    found = value_set(valueset_url)
    return None if found is None else expand(found, value_set, code_system)


@functools.cache
def plain_codes(valueset_url: str) -> frozenset[str] | None:
    """The codes of a value set without their systems, as an element of type `code` carries them."""
    found = codes(valueset_url)
    return None if found is None else frozenset(code for _, code in found)


def expand(
    source: Mapping[str, Any], find_value_set: Finder, find_code_system: Finder, steps: int = MAX_STEPS
) -> frozenset[Code] | None:
    """The codes of any ValueSet; None when a part of it cannot be listed (unknown system, filter not computable), or when
    more than `steps` codes would have to be walked.

    A value set that includes itself, directly or not, adds nothing by that include.
    """
    return _Expansion(find_value_set, find_code_system, steps).codes_of(source, ())


class _Expansion:
    """One expansion: whatever the includes are, each value set is listed once, and the codes walked are counted."""

    def __init__(self, find_value_set: Finder, find_code_system: Finder, steps: int) -> None:
        self._value_set, self._code_system = find_value_set, find_code_system
        self._listed: dict[str, frozenset[Code] | None] = {}
        self._systems: dict[str, Lines] = {}
        self._left = steps

    def codes_of(self, source: Mapping[str, Any], opened: tuple[str, ...]) -> frozenset[Code] | None:
        if "compose" not in source:
            contains = source.get("expansion", {}).get("contains")
            return None if contains is None else frozenset(_contained(contains))
        inside = (*opened, source.get("url", ""))
        total: set[Code] = set()
        for side in ("include", "exclude"):
            for part in source["compose"].get(side, ()):
                found = self._part(part, inside)
                if found is None or len(total) + len(found) > MAX_CODES or not self._afford(1 + len(found)):
                    return None
                if side == "include":
                    total |= found
                else:
                    total -= found
        if source["compose"].get("inactive") is False:
            total -= {each for each in total if self._is_inactive(*each)}
        return frozenset(total)

    def _is_inactive(self, system: str, code: str) -> bool:
        """Whether a code is no longer in use, as its system tells by the properties that R4 and HL7's terminology name."""
        if system not in self._systems:
            definition = self._code_system(system)
            self._systems[system] = ({}, {}) if definition is None else _lines(definition)
        line = self._systems[system][0].get(code, {})
        return any(
            (each.get("code") == "inactive" and each.get("valueBoolean") is True)
            or (each.get("code") == "status" and each.get("valueCode") in ("inactive", "retired"))
            for each in line.get("property", ())
        )

    def _afford(self, steps: int) -> bool:
        self._left -= steps
        return self._left >= 0

    def _part(self, part: Mapping[str, Any], opened: tuple[str, ...]) -> set[Code] | frozenset[Code] | None:
        found: set[Code] | frozenset[Code] | None = None
        system = part.get("system", "")
        if "concept" in part:
            found = {(system, each["code"]) for each in part["concept"] if "code" in each}
        elif system:
            found = self._of_system(system, part.get("filter", ()))
            if found is None:
                return None
        for url in part.get("valueSet", ()):
            if not isinstance(url, str):
                return None
            if plain(url) in opened:
                continue
            if url not in self._listed:
                other = self._value_set(url) if len(opened) <= _DEPTH else None
                self._listed[url] = None if other is None else self.codes_of(other, opened)
            listed = self._listed[url]
            if listed is None or not self._afford(1 + len(listed)):
                return None
            found = listed if found is None else found & listed
        return set() if found is None else found

    def _of_system(self, system: str, filters: Any) -> set[Code] | None:
        definition = self._code_system(system)
        if definition is None or definition.get("content") not in ("complete", "supplement"):
            return None
        if system not in self._systems:
            self._systems[system] = _lines(definition)
        lines = self._systems[system]
        return _chosen(definition, lines, filters) if self._afford(len(lines[0]) * (1 + len(filters))) else None


def _contained(lines: list[Mapping[str, Any]]) -> set[Code]:
    found: set[Code] = set()
    waiting = list(lines)
    while waiting:
        line = waiting.pop()
        if line.get("code") and not line.get("abstract"):
            found.add((line.get("system", ""), line["code"]))
        waiting.extend(line.get("contains", ()))
    return found


Lines = tuple[dict[str, Mapping[str, Any]], dict[str, set[str]]]


def _lines(definition: Mapping[str, Any]) -> Lines:
    """The concepts of a code system by code, and the codes right above each."""
    parents: dict[str, set[str]] = {}
    known: dict[str, Mapping[str, Any]] = {}
    waiting: list[tuple[Mapping[str, Any], str]] = [(each, "") for each in definition.get("concept", ())]
    while waiting:
        line, parent = waiting.pop()
        code = line.get("code", "")
        if code:
            known[code] = line
            above = parents.setdefault(code, set())
            if parent:
                above.add(parent)
            for each in line.get("property", ()):
                if each.get("code") in ("subsumedBy", "parent") and "valueCode" in each:
                    above.add(each["valueCode"])
        waiting.extend((child, code) for child in line.get("concept", ()))
    return known, parents


def ancestors(definition: Mapping[str, Any], code: str) -> set[str]:
    """The codes above a code in its system, itself left out."""
    _, parents = _lines(definition)
    found: set[str] = set()
    waiting = [code]
    while waiting:
        for above in parents.get(waiting.pop(), ()):
            if above not in found:
                found.add(above)
                waiting.append(above)
    return found - {code}


def concepts(definition: Mapping[str, Any], filters: Any = ()) -> set[Code] | None:
    """Codes of a code system that pass every filter; None when a filter is of a kind we do not compute."""
    return _chosen(definition, _lines(definition), filters)


def _chosen(definition: Mapping[str, Any], lines: Lines, filters: Any) -> set[Code] | None:
    system = definition["url"]
    known, parents = lines
    chosen = set(known)
    for each in filters:
        passed = _filter(each, known, parents)
        if passed is None:
            return None
        chosen &= passed
    return {(system, code) for code in chosen}


def _matching(pattern: str, prop: Any, known: Mapping[str, Mapping[str, Any]]) -> set[str] | None:
    """Codes whose property has this form; None where it matters whether the whole is meant or a part, which R4 does not say."""
    from virage.core.fhir.fhirpath import FhirPathError, regex

    if len(known) > _MOST_MATCHED:
        return None
    found: set[str] = set()
    for code, line in known.items():
        if prop in ("code", "concept", "display"):
            texts = [code if prop != "display" else line.get("display", "")]
        else:
            texts = [_text(each) for each in line.get("property", ()) if each.get("code") == prop]
        try:
            whole = any(regex.matches(pattern, each, full=True) for each in texts)
            if not whole and any(regex.matches(pattern, each) for each in texts):
                return None
        except FhirPathError:
            return None
        if whole:
            found.add(code)
    return found


def _filter(
    rule: Mapping[str, Any], known: Mapping[str, Mapping[str, Any]], parents: Mapping[str, set[str]]
) -> set[str] | None:
    operator, value, prop = rule.get("op"), rule.get("value", ""), rule.get("property")
    if prop in ("concept", "code") and operator in ("is-a", "descendent-of", "is-not-a"):
        children: dict[str, list[str]] = {}
        for code, above in parents.items():
            for parent in above:
                children.setdefault(parent, []).append(code)
        found: set[str] = {value} if value in known else set()
        waiting = list(found)
        while waiting:
            for child in children.get(waiting.pop(), ()):
                if child not in found:
                    found.add(child)
                    waiting.append(child)
        if operator == "descendent-of":
            found.discard(value)
        return set(known) - found if operator == "is-not-a" else found
    if prop in ("concept", "code") and operator == "generalizes":
        above, waiting = {value} & set(known), [value]
        while waiting:
            for parent in parents.get(waiting.pop(), ()):
                if parent not in above:
                    above.add(parent)
                    waiting.append(parent)
        return above
    if prop in ("concept", "code") and operator in ("in", "not-in", "="):
        listed = {each.strip() for each in value.split(",")}
        return set(known) - listed if operator == "not-in" else set(known) & listed
    if prop == "parent" and operator == "=":
        return {code for code, over in parents.items() if value in over}
    if operator in ("in", "not-in"):
        listed = {each.strip() for each in value.split(",")}
        held = {
            code
            for code, line in known.items()
            for each in line.get("property", ())
            if each["code"] == prop and _text(each) in listed
        }
        return set(known) - held if operator == "not-in" else held
    if operator == "exists":
        held = {code for code, line in known.items() if any(each["code"] == prop for each in line.get("property", ()))}
        return held if value == "true" else set(known) - held
    if operator == "regex":
        return _matching(value, prop, known)
    if operator == "=":
        return {
            code
            for code, line in known.items()
            for each in line.get("property", ())
            if each.get("code") == prop and _text(each) == value
        }
    return None


def _text(prop: Mapping[str, Any]) -> str:
    value = next((content for key, content in prop.items() if key.startswith("value")), "")
    return str(value).lower() if isinstance(value, bool) else str(value)
