"""What validation asks of a terminology, and the one built in: the code lists of R4 and of the registry.

Answers are True, False, or None where nothing can be told (a code system that is not here): what cannot be told is never
reported as an error.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from virage.core.fhir import definitions
from virage.core.fhir.fhirpath import ucum
from virage.core.fhir.validation.registry import Registry, split
from virage.core.fhir.validation.systems import FORMS

UCUM = "http://unitsofmeasure.org"


# Lists that their keeper changes between versions of FHIR: that of R4 does not tell what is not in them.
GROWING = frozenset({"http://terminology.hl7.org/CodeSystem/hl7-work-group"})


Listed = tuple[frozenset[tuple[str, str]], frozenset[str]]
"""What a value set holds: codes with their systems, and codes alone."""
Told = dict[tuple[str, str | None], bool | None]
_MOST_SETS = 100


class Terminology(Protocol):
    """The questions of validation; also what FHIRPath's `memberOf` and `subsumes` need."""

    def contains(self, valueset: str, system: str | None, code: str) -> bool | None:
        """Whether a value set holds a code (of any of its systems when `system` is None)."""
        ...

    def knows(self, system: str, code: str) -> bool | None:
        """Whether a code system has a code."""
        ...

    def displays(self, system: str, code: str) -> frozenset[str] | None:
        """Every accepted wording of a code, or None when it cannot be told."""
        ...

    def member_of(self, value: Any, type: str, valueset: str) -> bool | None:
        """Whether a code, Coding or CodeableConcept is in a value set."""
        ...

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        """Whether a code subsumes another."""
        ...


class BuiltIn:
    """Answers from the lists of R4 and of a registry."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def _expansion(self, valueset: str) -> Listed | None:
        key = ("expansion", valueset)
        cache = self.registry.cache
        if key not in cache:
            source = self.registry.value_set(valueset)
            listed = (
                None
                if source is None
                else definitions.expand(source, self.registry.value_set, self.registry.code_system)
            )
            cache[key] = None if listed is None else (listed, frozenset(code for _, code in listed))
        found: Listed | None = cache[key]
        return found

    def contains(self, valueset: str, system: str | None, code: str) -> bool | None:
        """See Terminology."""
        return self._contains(valueset, system, code, {})

    def _is_listed(self, listed: Listed, system: str | None, code: str) -> bool | None:
        """Whether a list holds a code, as far as it can tell."""
        if system is None:
            return code in listed[1] or (None if any(each in GROWING for each, _ in listed[0]) else False)
        if (system, code) in listed[0]:
            return True
        if system in GROWING:
            return None
        source = self.registry.code_system(system)
        if source is None or source.get("caseSensitive") is not False:
            return False
        return any(each == system and other.lower() == code.lower() for each, other in listed[0])

    def _contains(self, valueset: str, system: str | None, code: str, told: Told) -> bool | None:
        listed = self._expansion(valueset)
        if listed is not None:
            return self._is_listed(listed, system, code)
        if (valueset, system) not in told:
            if len(told) > _MOST_SETS:
                return None
            # A value set that includes itself adds nothing by that.
            told[valueset, system] = False
            told[valueset, system] = self._rule(valueset, system, code, told)
        return told[valueset, system]

    def _rule(self, valueset: str, system: str | None, code: str, told: Told) -> bool | None:
        """For value sets that cannot be listed: what the includes tell of this one code."""
        source = self.registry.value_set(valueset)
        compose = source.get("compose", {}) if source is not None else {}
        includes = compose.get("include", [])
        if not includes or compose.get("exclude"):
            return None
        if system is None:
            systems = {part.get("system") for part in includes}
            if None in systems or any("valueSet" in part for part in includes):
                return None
            answers = [self._rule(valueset, each, code, told) for each in systems]
            return True if True in answers else (None if None in answers else False)
        doubt = False
        for part in includes:
            if "valueSet" in part:
                answers = [self._contains(each, system, code, told) for each in part["valueSet"]]
                if all(answers) and "system" not in part:
                    return True
                doubt = doubt or None in answers
            elif part.get("system") == system:
                if "concept" in part:
                    if any(each.get("code") == code for each in part["concept"]):
                        return True
                else:
                    known = self.knows(system, code)
                    if "filter" not in part and known:
                        return True
                    doubt = doubt or known is None or (known and "filter" in part)
        return None if doubt else False

    def _concepts(self, system: str) -> Mapping[str, Mapping[str, Any]] | None:
        key = ("concepts", system)
        cache = self.registry.cache
        if key not in cache:
            source = self.registry.code_system(system)
            if source is None or source.get("content") != "complete" or "supplements" in source:
                cache[key] = None
            else:
                table: dict[str, Mapping[str, Any]] = {}
                waiting = list(source.get("concept", ()))
                while waiting:
                    line = waiting.pop()
                    table[line.get("code", "")] = line
                    waiting.extend(line.get("concept", ()))
                cache[key] = table
        found: Mapping[str, Mapping[str, Any]] | None = cache[key]
        return found

    def knows(self, system: str, code: str) -> bool | None:
        """See Terminology."""
        if system == UCUM:
            return ucum.unit(code) is not None
        table = self._concepts(system)
        if table is None:
            has_form = FORMS.get(system)
            return None if has_form is None or has_form(code) else False
        if code in table:
            return True
        if system in GROWING:
            return None
        source = self.registry.code_system(system)
        if source is not None and source.get("caseSensitive") is False:
            return code.lower() in {each.lower() for each in table}
        return False

    def displays(self, system: str, code: str) -> frozenset[str] | None:
        """See Terminology."""
        table = self._concepts(system)
        line = table.get(code) if table is not None else None
        if line is None or "display" not in line:
            return None
        return frozenset([line["display"], *(each.get("value", "") for each in line.get("designation", ()))])

    def member_of(self, value: Any, type: str, valueset: str) -> bool | None:
        """See Terminology."""
        if type == "CodeableConcept":
            answers = [self.member_of(each, "Coding", valueset) for each in value.get("coding", ())]
            return True if True in answers else (None if None in answers else False)
        if type in ("Coding", "Quantity"):
            found = self.contains(valueset, value.get("system"), value.get("code", ""))
            # A code without its system has no meaning of its own, so it is none of those of a list.
            return False if found and "system" not in value else found
        return self.contains(valueset, None, value) if isinstance(value, str) else None

    def subsumes(self, system: str, code: str, other: str) -> bool | None:
        """See Terminology."""
        if code == other:
            return True
        source = self.registry.code_system(split(system)[0])
        if source is None or source.get("content") != "complete":
            return None
        rule = {"property": "concept", "op": "is-a", "value": code}
        below = definitions.concepts(source, [rule])
        return None if below is None else (source["url"], other) in below
