"""The search parameters, compartments and operations of R4."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from virage.core.fhir.definitions import facts
from virage.core.fhir.definitions.types import is_a, resource_types


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a composite parameter: the parameter it follows, and where it is, below the composite's own path."""

    definition: str
    expression: str


@dataclass(frozen=True, slots=True)
class SearchParam:
    """A search parameter. `type` is number, date, string, token, reference, composite, quantity, uri or special.

    `key` names a definition that a user made; it is empty for those of R4 and of the program.
    """

    code: str
    url: str
    type: str
    expression: str = ""
    targets: tuple[str, ...] = ()
    components: tuple[Component, ...] = ()
    base: tuple[str, ...] = ()
    name: str = ""
    comparators: tuple[str, ...] = ()
    key: str = ""


# The specification describes these in prose or without an expression; they hold on every resource.
_SUPPLEMENT = (
    SearchParam(
        "_list", "http://hl7.org/fhir/SearchParameter/Resource-list", "special", base=("Resource",), name="_list"
    ),
    SearchParam("_has", "http://hl7.org/fhir/SearchParameter/Resource-has", "special", base=("Resource",), name="_has"),
    SearchParam(
        "_type", "http://hl7.org/fhir/SearchParameter/Resource-type", "special", base=("Resource",), name="_type"
    ),
    SearchParam("_filter", "http://hl7.org/fhir/SearchParameter/filter", "special", base=("Resource",), name="_filter"),
)


def parse_search_parameter(source: Mapping[str, Any]) -> SearchParam:
    """A SearchParameter resource (the specification's or a user's) as a value. KeyError if `code`, `url`, `type` lack."""
    return SearchParam(
        code=source["code"],
        url=source["url"],
        type=source["type"],
        expression=source.get("expression", ""),
        targets=tuple(source.get("target", ())),
        components=tuple(Component(each["definition"], each["expression"]) for each in source.get("component", ())),
        base=tuple(source.get("base", ())),
        name=source.get("name", source["code"]),
        comparators=tuple(source.get("comparator", ())),
    )


@functools.cache
def all_search_parameters() -> tuple[SearchParam, ...]:
    """Every search parameter of R4, once each."""
    known = tuple(parse_search_parameter(each) for each in facts.chunk("search"))
    codes = {(each.code, base) for each in known for base in each.base}
    return known + tuple(each for each in _SUPPLEMENT if (each.code, each.base[0]) not in codes)


@functools.cache
def _by_base() -> Mapping[str, list[SearchParam]]:
    bases: dict[str, list[SearchParam]] = {}
    for each in all_search_parameters():
        for base in each.base:
            bases.setdefault(base, []).append(each)
    return bases


@functools.cache
def _of(resource_type: str) -> tuple[SearchParam, ...]:
    found = {}
    for base in ("Resource", "DomainResource", resource_type):
        if is_a(resource_type, base):
            for each in _by_base().get(base, ()):
                found[each.code] = each
    return tuple(found.values())


def search_parameters(resource_type: str) -> list[SearchParam]:
    """Parameters of a resource type, those of Resource and DomainResource included; empty for an unknown type."""
    return list(_of(resource_type))


@functools.cache
def search_parameter_by_url(url: str) -> SearchParam | None:
    """The parameter with this canonical URL, as the components of composites name it."""
    return next((each for each in all_search_parameters() if each.url == url), None)


@functools.cache
def compartments() -> Mapping[str, Mapping[str, tuple[str, ...]]]:
    """For each compartment (Patient, Encounter, Practitioner, Device, RelatedPerson): resource type → parameter codes."""
    return {
        name: {kind: tuple(codes) for kind, codes in lines.items() if kind in resource_types()}
        for name, lines in facts.chunk("compartments").items()
    }


@functools.cache
def operations() -> tuple[Mapping[str, Any], ...]:
    """The operations that R4 defines, as OperationDefinition facts (code, resource, system, type, instance, parameter)."""
    return tuple(facts.chunk("operations"))
