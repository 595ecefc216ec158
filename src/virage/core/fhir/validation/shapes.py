"""A profile as a tree of what it adds to the base type: only constrained elements have a node.

A differential is laid over the tree of its base profile; a profile that has a snapshot alone is laid over the type. What
the base types of R4 demand is checked elsewhere, once, whatever the profiles.
"""

import copy
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.validation.registry import Registry

STRUCTURE = "http://hl7.org/fhir/StructureDefinition/"
MAX_CHAIN = 30
LIMITS = frozenset(
    {
        "maxDecimalPlaces",
        "maxSize",
        "minLength",
        "narrative-language-control",
        "narrative-source-control",
        "regex",
    }
)
_R5 = "http://hl7.org/fhir/5.0/StructureDefinition/extension-ElementDefinition."
Line = Mapping[str, Any]


class BadProfile(Exception):
    """The profile cannot be made into a shape; the French sentence says why."""


class Shape:
    """One constrained element, or a slice of it. Attributes left at None constrain nothing."""

    __slots__ = (
        "binding",
        "children",
        "constraints",
        "fixed",
        "id",
        "limits",
        "max",
        "max_length",
        "max_value",
        "min",
        "min_value",
        "name",
        "pattern",
        "profile",
        "slice",
        "slices",
        "slicing",
        "type_name",
        "types",
        "value_rule",
    )  # fmt: skip

    def __init__(self, name: str, ident: str, type_name: str, profile: str) -> None:
        self.name = name
        self.id = ident
        self.type_name = type_name  # name to give definitions.element, or "" for a choice not yet narrowed
        self.profile = profile  # the canonical of the profile that made it, for constraints' messages
        self.slice = ""
        self.min: int = 0
        self.max: int | None = None
        self.types: list[Line] | None = None
        self.fixed: tuple[str, Any] | None = None
        self.pattern: tuple[str, Any] | None = None
        self.binding: Line | None = None
        self.constraints: dict[str, Line] = {}
        self.min_value: tuple[str, Any] | None = None
        self.max_value: tuple[str, Any] | None = None
        self.max_length: int | None = None
        self.slicing: Line | None = None
        self.value_rule: Line | None = None
        #: what extensions of an element definition ask further, by their names
        self.limits: dict[str, list[Any]] = {}
        self.children: dict[str, Shape] = {}
        self.slices: dict[str, Shape] = {}

    def child(self, name: str) -> "Shape":
        """The child of this FHIRPath name, made when it is first named."""
        found = self.children.get(name)
        if found is None:
            found = Shape(name, f"{self.id}.{name}", child_type(self.type_name, name), self.profile)
            self.children[name] = found
        return found

    def slice_of(self, name: str) -> "Shape":
        """The slice of this name, made when it is first named."""
        found = self.slices.get(name)
        if found is None:
            found = Shape(self.name, f"{self.id}:{name}", self.type_name, self.profile)
            found.slice = name
            self.slices[name] = found
        return found

    def walk(self) -> "list[Shape]":
        """This shape and all below."""
        found = [self]
        for each in found:
            found.extend(each.children.values())
            found.extend(each.slices.values())
        return found


def child_type(parent: str, name: str) -> str:
    """The type name of a child in the base definitions; "" when unknown or when it is a choice."""
    if not parent or not (definitions.kind(parent.partition(".")[0])):
        return ""
    try:
        child = definitions.element(parent).children.get(name)
    except KeyError:
        return ""
    if child is None or (child.choice and not child.inline):
        return ""
    return child.type_name()


def shape_of(canonical: str, registry: Registry) -> Shape:
    """The shape of a profile, from the registry's cache. Raises BadProfile: unknown, cyclic, unreadable."""
    key = ("shape", canonical)
    found = registry.cache.get(key)
    if found is None:
        try:
            plain, hash_, ident = canonical.partition("#")
            found = _build(plain, registry, ())
            if hash_:
                found = next((each for each in found.walk() if each.id == ident), None) or BadProfile(
                    "L'élément que ce profil nomme dans un autre n'y est pas."
                )
        except BadProfile as error:
            found = error
        except (KeyError, TypeError, AttributeError, ValueError, IndexError):
            found = BadProfile("Le profil est mal construit : contrôlez d'abord sa StructureDefinition.")
        registry.cache[key] = found
    if isinstance(found, BadProfile):
        raise found
    shape: Shape = found
    return shape


def lost_base(canonical: str, registry: Registry) -> str:
    """The profile from which this one derives, at any level, that is not here, where no snapshot makes up for it; or ""."""
    for _ in range(MAX_CHAIN):
        source = registry.structure(canonical)
        base = source.get("baseDefinition", "") if source is not None else ""
        if not base or source is None or source.get("snapshot"):
            return ""
        if registry.structure(base) is None:
            return str(base)
        canonical = base
    return ""


def _build(canonical: str, registry: Registry, above: tuple[str, ...]) -> Shape:
    if canonical in above or len(above) > MAX_CHAIN:
        raise BadProfile("Le profil dérive de lui-même : corrigez baseDefinition.")
    source = registry.structure(canonical)
    if source is None:
        raise BadProfile("Le profil est inconnu ici : chargez le paquet qui le définit.")
    type_name = source["type"].removeprefix(STRUCTURE)
    base = source.get("baseDefinition", "")
    lines = source.get("differential", {}).get("element", [])
    # A definition that claims to specialise a type of R4 while keeping its name is a profile in all but word.
    constrains = source.get("derivation") == "constraint" or (
        bool(definitions.kind(type_name)) and canonical.partition("|")[0] != STRUCTURE + type_name
    )
    if not constrains:
        root = Shape(type_name, type_name, type_name, canonical)
        if not definitions.kind(type_name):
            _lay(root, lines or source.get("snapshot", {}).get("element", []))
        return root
    snapshot = source.get("snapshot", {}).get("element", [])
    if base and (lines or not snapshot) and registry.structure(base) is not None:
        root = copy.deepcopy(_build(base, registry, (*above, canonical)))
        for each in root.walk():
            each.profile = each.profile or canonical
        _lay(root, lines, canonical)
    else:
        root = Shape(type_name, type_name, type_name, canonical)
        _lay(root, snapshot or lines, canonical)
        for each in root.walk():
            _forget_the_base(each)
    root.profile = canonical
    return root


def _forget_the_base(shape: Shape) -> None:
    """Drop from a shape made of a whole snapshot the cardinalities and bindings that the base type already has."""
    for name, child in shape.children.items():
        try:
            base = definitions.element(shape.type_name).children.get(name) if shape.type_name else None
        except KeyError:
            base = None
        if base is None:
            continue
        if child.min == base.min:
            child.min = 0
        if child.max == base.max:
            child.max = None
        if (
            child.binding
            and base.binding
            and child.binding.get("valueSet", "").partition("|")[0] == base.binding.valueset.partition("|")[0]
        ):
            child.binding = None
        codes = {each.get("code") for each in child.types or ()}
        narrowed = any(each.get("profile") or each.get("targetProfile") for each in child.types or ())
        if codes == {each.code for each in base.types} and not narrowed:
            child.types = None


def _lay(root: Shape, lines: list[Line], profile: str = "") -> None:
    """Apply the elements of a differential or snapshot, in order."""
    stack: list[tuple[str, Shape]] = []
    for line in lines:
        path = line["path"]
        if "." not in path:
            _apply(root, line, profile)
            stack = [(path, root)]
            continue
        if not stack:
            stack = [(path.partition(".")[0], root)]
        parent_path, _, name = path.rpartition(".")
        before: Shape | None = None
        while stack and stack[-1][0] != parent_path:
            last_path, last = stack.pop()
            if last_path == path and not line.get("sliceName"):
                before = None
            elif not parent_path.startswith(last_path + ".") and last_path != parent_path:
                continue
            else:
                stack.append((last_path, last))
                break
        if not stack:
            stack = [(path.partition(".")[0], root)]
        # Elements on the way that the differential did not name.
        top_path, top = stack[-1]
        if top_path != parent_path:
            for step in parent_path[len(top_path) + 1 :].split("."):
                top = _descend(top, step)
                top_path = f"{top_path}.{step}"
                stack.append((top_path, top))
        del before
        shape = _descend(top, name)
        slice_name = line.get("sliceName")
        if slice_name and shape.slice != slice_name:  # `valueQuantity` is the slice that it names
            shape = _sliced(shape, slice_name)
        _apply(shape, line, profile)
        stack.append((path, shape))


def _descend(parent: Shape, step: str) -> Shape:
    """The child a path step names: `value[x]`, or `valueQuantity` short for a slice of it by type."""
    if step.endswith("[x]"):
        return parent.child(step[:-3])
    base = None
    if parent.type_name:
        try:
            base = definitions.element(parent.type_name)
        except KeyError:
            base = None
    if base is not None and step not in base.children and step in base.properties:
        child, ref = base.properties[step]
        shape = parent.child(child.name)
        found = shape.slice_of(step)
        found.type_name = child.type_name(ref.code)
        if found.types is None:
            found.types = [{"code": ref.code}]
        return found
    return parent.child(step)


def _sliced(shape: Shape, name: str) -> Shape:
    """A slice by name; `a/b` is a slice b of the slice a."""
    outer, slash, _ = name.rpartition("/")
    return _sliced(shape, outer).slice_of(name) if slash and outer in shape.slices else shape.slice_of(name)


def _apply(shape: Shape, line: Line, profile: str) -> None:
    shape.id = line.get("id", shape.id)
    if profile:
        shape.profile = profile
    if "min" in line and "." in line["path"]:
        shape.min = line["min"]
    if "max" in line and "." in line["path"]:
        shape.max = None if line["max"] == "*" else int(line["max"])
    if line.get("type"):
        shape.types = [_type_line(each) for each in line["type"]]
        codes = {each.get("code") for each in shape.types}
        if len(codes) == 1:
            code = str(codes.pop())
            kind = definitions.kind(code)
            if kind and code not in ("BackboneElement", "Element", "Resource", "DomainResource"):
                shape.type_name = code
    for key, value in line.items():
        if key.startswith("fixed"):
            shape.fixed = (key[5:], value)
        elif key.startswith("pattern"):
            shape.pattern = (key[7:], value)
        elif key.startswith("minValue"):
            shape.min_value = (key[8:], value)
        elif key.startswith("maxValue"):
            shape.max_value = (key[8:], value)
    if "maxLength" in line:
        shape.max_length = line["maxLength"]
    if "binding" in line:
        shape.binding = line["binding"]
    if "slicing" in line:
        shape.slicing = line["slicing"]
    for each in line.get("constraint", ()):
        if each.get("expression") and each["key"] not in ("ele-1", "ext-1"):
            source = str(each.get("source", "")).partition("|")[0]
            # Invariants copied from the base types are checked with these types.
            if not (source.startswith(STRUCTURE) and definitions.kind(source[len(STRUCTURE) :])):
                shape.constraints[each["key"]] = each
    limits: dict[str, list[Any]] = {}
    for each in (
        *line.get("extension", ()),
        *(more for kind in line.get("type", ()) for more in kind.get("extension", ())),
    ):
        name = str(each.get("url", "")).removeprefix(STRUCTURE)
        if name in LIMITS:
            limits.setdefault(name, []).extend(value for key, value in each.items() if key.startswith("value"))
    shape.limits = {**shape.limits, **limits}
    for each in line.get("extension", ()):
        # R5 rules that R4 profiles may already carry.
        if str(each.get("url", "")).startswith(_R5) and each["url"][len(_R5) :] in (
            "mustHaveValue",
            "valueAlternatives",
        ):
            shape.value_rule = each


def _type_line(line: Line) -> Line:
    """A type, its profiles pointing inside a profile (`url#element id`) where an extension says so."""
    inner = line.get("_profile")
    if not inner:
        return dict(line)
    profiles = list(line.get("profile", ()))
    for index, twin in enumerate(inner):
        for each in (twin or {}).get("extension", ()):
            if str(each.get("url", "")).endswith("elementdefinition-profile-element") and index < len(profiles):
                profiles[index] = f"{profiles[index]}#{each.get('valueString')}"
    return {**line, "profile": profiles}


def stray(path: Any, type_name: str) -> str:
    """The part of a differential's path that leads nowhere in the base type; "" when it is sound or cannot be followed."""
    if not isinstance(path, str):
        return ""
    steps = path.split(".")
    if steps[0] != type_name:
        return path
    current = type_name
    for index, step in enumerate(steps[1:], 2):
        try:
            type_def = definitions.element(current)
        except KeyError:
            return ""
        name = step.removesuffix("[x]")
        if name in type_def.children:
            current = child_type(current, name)
        elif step in type_def.properties:
            child, ref = type_def.properties[step]
            current = child.type_name(ref.code)
        else:
            return ".".join(steps[:index])
        if not current or current in ("Resource", "Extension"):
            return ""
    return ""
