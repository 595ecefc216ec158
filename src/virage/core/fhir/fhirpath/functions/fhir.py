"""What FHIR adds to the language."""

import re
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.fhirpath import model
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, Node, TypeInfo, computed, follow, one, root, text
from virage.core.fhir.narrative import narrative

_BASE = "http://hl7.org/fhir/StructureDefinition/"


@plain("extension", 1)
def extension(items: Items, env: Evaluation, url: Items) -> Items:
    """`extension(url)`"""
    wanted = text(url)
    if wanted is None:
        return NONE
    found: Items = []
    for item in items:
        if item.__class__ is Node and item.data is not None:
            member = item.type.members["extension"]
            if member is not None:
                follow(found, item, member)
    env.spend(len(found))
    return [each for each in found if each.value.get("url") == wanted]


@plain("hasValue")
def has_value(items: Items, env: Evaluation) -> Items:
    """`hasValue()`: one primitive, with a value and not extensions alone."""
    if len(items) != 1:
        return FALSE
    item = items[0]
    if item.__class__ is Node:
        return TRUE if item.type.primitive and item.value is not None else FALSE
    return FALSE if isinstance(item, TypeInfo) else TRUE


@plain("getValue")
def get_value(items: Items, env: Evaluation) -> Items:
    """`getValue()`: the computed value of one primitive."""
    if len(items) != 1 or (items[0].__class__ is Node and not items[0].type.primitive):
        return NONE
    value = computed(items[0])
    return NONE if value is None else [value]


_REFERENCE = re.compile(r"(?:.*/)?([A-Za-z]+)/([A-Za-z0-9\-.]{1,64})(?:/_history/[A-Za-z0-9\-.]{1,64})?")


def _reference(item: Any) -> tuple[str | None, str]:
    """What an item points at: the reference, and the type that it declares."""
    if item.__class__ is Node:
        if isinstance(item.value, Mapping):
            reference = item.value.get("reference")
            return (reference if isinstance(reference, str) else None), str(item.value.get("type") or "")
        item = item.value
    return (item, "") if isinstance(item, str) else (None, "")


def _around(item: Any, env: Evaluation) -> list[Node]:
    """The resources in which an element stands, from the nearest; last the one that contains all that is evaluated."""
    found: list[Node] = []
    node = item if item.__class__ is Node else None
    while node is not None:
        if node.type.kind == "resource":
            found.append(node)
        node = node.parent
    return [*found, env.root]


def _contained(around: list[Node], env: Evaluation, reference: str) -> Node | None:
    """What `#id` names in the nearest resource that contains it; for `#` alone, the resource that contains the others."""
    for holder in around:
        if not isinstance(holder.value, Mapping):
            continue
        if reference == "#":
            inside = holder.parent is not None and (holder.step is None or holder.step.name == "contained")
            if holder is env.root or not (inside or holder.value is env.resource.value):
                return holder
            continue
        for each in _objects(holder.value.get("contained")):
            kind = model.resource_type(each.get("resourceType"))
            if each.get("id") == reference[1:] and kind is not None:
                return Node(each, each, kind, holder)
    return None


def _objects(value: Any) -> list[Any]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _in_bundle(around: list[Node], env: Evaluation, reference: str) -> Any:
    for holder in around:
        if not isinstance(holder.value, Mapping) or holder.value.get("resourceType") != "Bundle":
            continue
        if env.bundles is None:
            env.bundles = {}
        known = env.bundles.get(id(holder.value))
        if known is None:
            known = env.bundles[id(holder.value)] = {}
            for entry in _objects(holder.value.get("entry")):
                resource = entry.get("resource")
                if isinstance(resource, Mapping):
                    for name in (entry.get("fullUrl"), f"{resource.get('resourceType')}/{resource.get('id')}"):
                        known.setdefault(str(name), resource)
        if reference in known:
            return known[reference]
    return None


@plain("resolve")
def resolve(items: Items, env: Evaluation) -> Items:
    """`resolve()`: the resources that references point at, contained, in the bundle, or by the resolver.

    Where none gives the resource, a reference that names its type stands for a resource of that type without content,
    so that `resolve() is Patient` can be told from the reference alone.
    """
    out: Items = []
    for item in items:
        reference, declared = _reference(item)
        if reference is None and not declared:
            continue
        env.spend(1)
        found: Any = None
        if reference is not None and reference.startswith("#"):
            inner = _contained(_around(item, env), env, reference)
            if inner is not None:
                out.append(inner)
                continue
        elif reference is not None:
            found = _in_bundle(_around(item, env), env, reference)
            if found is None and env.resolver is not None:
                found = env.resolver(reference)
        if found is None:
            parts = _REFERENCE.fullmatch(reference) if reference else None
            name = parts.group(1) if parts else declared
            if model.resource_type(name) is None:
                continue
            found = {"resourceType": name}
        out.append(root(found))
    return out


@plain("conformsTo", 1)
def conforms_to(items: Items, env: Evaluation, structure: Items) -> Items:
    """`conformsTo(structure)`: by the validator when the evaluation has one; a base type by its name."""
    url = text(structure)
    if url is None or len(items) != 1 or items[0].__class__ is not Node:
        return NONE
    node = items[0]
    name = url.removeprefix(_BASE)
    if name != url and model.known(name) and not model.fhir_type(name).primitive:
        return TRUE if node.type.is_a(name) else FALSE
    answer = env.conforms(node.value, url) if env.conforms is not None else None
    if answer is None:
        raise FhirPathError("Profil inconnu : chargez-le avant de l’employer dans conformsTo().")
    return TRUE if answer else FALSE


@plain("memberOf", 1)
def member_of(items: Items, env: Evaluation, valueset: Items) -> Items:
    """`memberOf(valueset)`: by the terminology of the evaluation, else by the value sets of the specification."""
    url = text(valueset)
    if url is None or len(items) != 1:
        return NONE
    item = items[0]
    kind = item.type.name if item.__class__ is Node else "string"
    value = item.value if item.__class__ is Node else item
    if env.terminology is not None:
        answer = env.terminology.member_of(value, kind, url)
        if answer is not None:
            return TRUE if answer else FALSE
    known = definitions.codes(url)
    if known is None:
        return NONE
    if isinstance(value, str):
        return TRUE if any(code == value for _, code in known) else FALSE
    if not isinstance(value, Mapping):
        return NONE
    codings = _objects(value.get("coding")) if kind == "CodeableConcept" else [value]
    return TRUE if any((each.get("system", ""), each.get("code")) in known for each in codings) else FALSE


def _subsumption(items: Items, other: Items, env: Evaluation) -> Items:
    a, b = one(items), one(other)
    pairs = [
        (str(each.value.get("system", "")), str(each.value.get("code", "")))
        for each in (a, b)
        if isinstance(each, Node) and isinstance(each.value, Mapping)
    ]
    if len(pairs) != 2 or pairs[0][0] != pairs[1][0] or not all(code for _, code in pairs):
        return NONE
    if pairs[0] == pairs[1]:
        return TRUE
    answer = None if env.terminology is None else env.terminology.subsumes(pairs[0][0], pairs[0][1], pairs[1][1])
    return NONE if answer is None else TRUE if answer else FALSE


@plain("subsumes", 1)
def subsumes(items: Items, env: Evaluation, other: Items) -> Items:
    """`subsumes(coding)`"""
    return _subsumption(items, other, env)


@plain("subsumedBy", 1)
def subsumed_by(items: Items, env: Evaluation, other: Items) -> Items:
    """`subsumedBy(coding)`"""
    return _subsumption(other, items, env)


@plain("htmlChecks")
def html_checks(items: Items, env: Evaluation) -> Items:
    """`htmlChecks()`: whether a narrative is what R4 allows: the formatting, something to read, no active content."""
    for item in items:
        value = computed(item)
        if isinstance(value, str):
            env.spend(len(value) // 16)
            if narrative(value) is not None:
                return FALSE
    return TRUE


@plain("elementDefinition")
def element_definition(items: Items, env: Evaluation) -> Items:
    """`elementDefinition()`: not kept at run time, hence empty."""
    return NONE


@plain("checkModifiers", 0, 20)
def check_modifiers(items: Items, env: Evaluation, *known: Items) -> Items:
    """`checkModifiers(url…)`: its input, unless an element carries a modifier extension that is not among these."""
    urls = {text(each) for each in known}
    for item in items:
        if item.__class__ is Node and isinstance(item.value, Mapping):
            for each in _objects(item.value.get("modifierExtension")):
                if each.get("url") not in urls:
                    raise FhirPathError("Extension modificatrice inattendue.")
    return items
