"""The types of R4 as small objects, each built when first asked for."""

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from virage.core.fhir.definitions import facts

_STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
INLINE = frozenset({"BackboneElement", "Element"})


@dataclass(frozen=True, slots=True)
class TypeRef:
    """One type that an element may have. `targets` are the type names a Reference or canonical may point at (none: any)."""

    code: str
    targets: tuple[str, ...] = ()
    profiles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Binding:
    """The value set an element draws its codes from; `strength` is required, extensible, preferred or example."""

    strength: str
    valueset: str
    max: str = ""


@dataclass(frozen=True, slots=True)
class Invariant:
    """A rule in FHIRPath; `severity` is error or warning."""

    key: str
    severity: str
    expression: str


@dataclass(frozen=True, slots=True)
class ElementDef:
    """One element of a type, under its FHIRPath name (`value`, not `value[x]`).

    `max` None means no limit. `inline` names the TypeDef of the children when they are written in the type itself (a
    backbone) or borrowed by content reference; it is empty for ordinary types. `json` gives the names the element has in
    JSON, each with its type: one for most elements, one per type for a choice.
    """

    name: str
    path: str
    types: tuple[TypeRef, ...]
    min: int
    max: int | None
    choice: bool = False
    binding: Binding | None = None
    inline: str = ""
    is_modifier: bool = False
    is_summary: bool = False
    max_length: int | None = None
    xml_attribute: bool = False
    invariants: tuple[Invariant, ...] = ()
    json: Mapping[str, TypeRef] = field(default_factory=dict)

    @property
    def is_list(self) -> bool:
        """Whether JSON writes it as an array."""
        return self.max != 1

    def type_name(self, code: str = "") -> str:
        """The name to give `element()` for the value of this element, given its type code (needed for choices only)."""
        return self.inline or code or (self.types[0].code if self.types else "")


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A type. `kind` is resource, complex-type, primitive-type, or backbone; a backbone is named by its path.

    `children` are in the order of the definition, inherited ones first, by FHIRPath name; `properties` gives for each
    JSON name its element and its type. `regex` is set for primitives that have one.
    """

    name: str
    kind: str
    base: str
    url: str
    children: Mapping[str, ElementDef]
    properties: Mapping[str, tuple[ElementDef, TypeRef]]
    regex: str = ""
    max_length: int | None = None
    invariants: tuple[Invariant, ...] = ()


def types() -> list[str]:
    """Names of every type and resource of R4, abstract ones included."""
    return list(facts.kinds())


@functools.cache
def resource_types() -> frozenset[str]:
    """Names of the resource types that can be instantiated (146)."""
    return frozenset(name for name, kind in facts.kinds().items() if kind == "resource")


@functools.cache
def _family(name: str) -> Mapping[str, TypeDef]:
    """A type and its backbones, by name."""
    return build(facts.chunk("type/" + name))


@functools.lru_cache(8192)
def element(name: str) -> TypeDef:
    """The definition of a type, of a resource, or of a backbone named by its path (`Patient.contact`).

    KeyError when R4 has no such type.
    """
    return _family(name.partition(".")[0])[name]


@functools.lru_cache(4096)
def kind(name: str) -> str:
    """`resource`, `complex-type`, `primitive-type`, or `""` when R4 has no such type."""
    return facts.kinds().get(name, "").removeprefix("abstract-")


@functools.cache
def is_a(name: str, ancestor: str) -> bool:
    """Whether a type is another or derives from it (Patient is a DomainResource, code is a string)."""
    while name and name in facts.kinds():
        if name == ancestor:
            return True
        name = element(name).base
    return False


def build(structure: Mapping[str, Any]) -> dict[str, TypeDef]:
    """TypeDefs of the type that a StructureDefinition (with snapshot) defines, by name."""
    elements = structure["snapshot"]["element"]
    root: str = elements[0]["path"]
    below: dict[str, list[Mapping[str, Any]]] = {root: []}
    for each in elements[1:]:
        parent = each["path"].rpartition(".")[0]
        below.setdefault(parent, []).append(each)
    built: dict[str, TypeDef] = {}
    for path, lines in below.items():
        regex, length = "", None
        children: dict[str, ElementDef] = {}
        properties: dict[str, tuple[ElementDef, TypeRef]] = {}
        for line in lines:
            if structure["kind"] == "primitive-type" and line["path"] == root + ".value":
                regex = (line.get("type") or [{}])[0].get("regex", "")
                length = line.get("maxLength")
                continue
            child = _element(line, line["path"] in below)
            children[child.name] = child
            for name, ref in child.json.items():
                properties[name] = (child, ref)
        top = path == root
        built[path] = TypeDef(
            name=path,
            kind=structure["kind"] if top else "backbone",
            base=structure.get("baseDefinition", "").removeprefix(_STRUCTURE) if top else "BackboneElement",
            url=structure["url"] if top else "",
            children=children,
            properties=properties,
            regex=regex,
            max_length=length,
            invariants=_invariants(elements[0]) if top else (),
        )
    return built


def _invariants(line: Mapping[str, Any]) -> tuple[Invariant, ...]:
    return tuple(
        Invariant(each["key"], each["severity"], each["expression"])
        for each in line.get("constraint", ())
        if "expression" in each
    )


def _reference(line: Mapping[str, Any]) -> TypeRef:
    targets = tuple(target.removeprefix(_STRUCTURE) for target in line.get("targetProfile", ()))
    return TypeRef(line["code"], () if "Resource" in targets else targets, tuple(line.get("profile", ())))


def _element(line: Mapping[str, Any], has_children: bool) -> ElementDef:
    path: str = line["path"]
    name = path.rpartition(".")[2]
    content = line.get("contentReference", "").rpartition("#")[2]
    refs = tuple(_reference(each) for each in line.get("type", ()))
    choice = name.endswith("[x]")
    names: dict[str, TypeRef]
    if choice:
        name = name[:-3]
        names = {name + ref.code[0].upper() + ref.code[1:]: ref for ref in refs}
    elif refs:
        names = {name: refs[0]}
    else:
        names = {name: TypeRef("BackboneElement")}
    inline = content
    if has_children and refs and refs[0].code in INLINE:
        inline = path
    binding = line.get("binding")
    return ElementDef(
        name=name,
        path=path.removesuffix("[x]"),
        types=refs,
        min=line["min"],
        max=None if line["max"] == "*" else int(line["max"]),
        choice=choice,
        binding=Binding(binding["strength"], binding.get("valueSet", ""), binding.get("max", "")) if binding else None,
        inline=inline,
        is_modifier=bool(line.get("isModifier")),
        is_summary=bool(line.get("isSummary")),
        max_length=line.get("maxLength"),
        xml_attribute="xmlAttr" in line.get("representation", ()),
        invariants=_invariants(line),
        json=names,
    )


@functools.cache
def regex(name: str) -> re.Pattern[str] | None:
    """The compiled regular expression of a primitive type, for `fullmatch`; None when it has none."""
    text = element(name).regex
    return re.compile(text) if text else None
