"""What R4 defines, as facts: types, elements, bindings, search parameters, compartments, code lists.

Authority: HL7 FHIR 4.0.1 (licence CC0-1.0). Only facts are kept, without prose; `scripts/build_definitions.py` makes the
file. Everything is read when first asked for.
"""

from virage.core.fhir.definitions.codes import (
    MAX_STEPS,
    ancestors,
    code_system,
    codes,
    concepts,
    expand,
    plain_codes,
    value_set,
)
from virage.core.fhir.definitions.facts import source
from virage.core.fhir.definitions.searches import (
    Component,
    SearchParam,
    all_search_parameters,
    compartments,
    operations,
    parse_search_parameter,
    search_parameter_by_url,
    search_parameters,
)
from virage.core.fhir.definitions.structures import structure
from virage.core.fhir.definitions.types import (
    Binding,
    ElementDef,
    Invariant,
    TypeDef,
    TypeRef,
    build,
    element,
    is_a,
    kind,
    regex,
    resource_types,
    types,
)

__all__ = [
    "MAX_STEPS",
    "Binding",
    "Component",
    "ElementDef",
    "Invariant",
    "SearchParam",
    "TypeDef",
    "TypeRef",
    "all_search_parameters",
    "ancestors",
    "build",
    "code_system",
    "codes",
    "compartments",
    "concepts",
    "element",
    "expand",
    "is_a",
    "kind",
    "operations",
    "parse_search_parameter",
    "plain_codes",
    "regex",
    "resource_types",
    "search_parameter_by_url",
    "search_parameters",
    "source",
    "structure",
    "types",
    "value_set",
]
