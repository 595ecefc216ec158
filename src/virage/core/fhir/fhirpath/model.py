"""The types of R4 as the evaluator walks them: for each type, its members and how each is written in JSON.

Bound to `core.fhir.definitions`; a type is read when an expression first enters it.
"""

from functools import lru_cache

from virage.core.fhir import definitions

# What a primitive's JSON value means for FHIRPath. Every other primitive is a string.
_KINDS = {
    "boolean": "boolean",
    "integer": "integer",
    "positiveInt": "integer",
    "unsignedInt": "integer",
    "decimal": "decimal",
    "date": "date",
    "dateTime": "dateTime",
    "instant": "dateTime",
    "time": "time",
}


class Step:
    """One way to a child: its FHIRPath `name`, its JSON `key` (and that of its extensions), its `type`."""

    __slots__ = ("is_list", "key", "name", "shadow", "type")

    def __init__(self, name: str, key: str, type: "Type", is_list: bool) -> None:
        self.name = name
        self.key = key
        self.shadow = "_" + key
        self.type = type
        self.is_list = is_list


class Member:
    """A child of a type: `step` when it has one type, else `steps` by JSON key."""

    __slots__ = ("is_list", "name", "step", "steps")

    def __init__(self, name: str, steps: tuple[Step, ...]) -> None:
        self.name = name
        self.steps = {step.key: step for step in steps}
        self.step = steps[0] if len(steps) == 1 else None
        self.is_list = any(step.is_list for step in steps)


class _Members(dict[str, "Member | None"]):
    """Members by name, read from the definitions when one is first asked for. None for a name that is no member."""

    __slots__ = ("type",)

    def __init__(self, type: "Type") -> None:
        super().__init__()
        self.type = type

    def __missing__(self, name: str) -> "Member | None":
        if not self.type.loaded:
            self.type.load()
            return self.get(name)
        return None


class Type:
    """A FHIR type, resource or backbone.

    `kind` is boolean, integer, decimal, string, date, dateTime, time for primitives, else quantity, complex or resource.
    `dynamic` marks Resource and DomainResource: the value tells its own type.
    """

    __slots__ = ("ancestors", "dynamic", "keys", "kind", "loaded", "members", "name", "primitive")

    def __init__(self, name: str) -> None:
        self.name = name
        lineage = []
        each = name
        while each:
            lineage.append(each)
            each = definitions.element(each).base
        self.ancestors = frozenset(lineage)
        kind = definitions.kind(name)
        self.primitive = kind == "primitive-type"
        self.dynamic = name in ("Resource", "DomainResource")
        if self.primitive:
            self.kind = _KINDS.get(name, "string")
        elif kind == "resource":
            self.kind = "resource"
        else:
            self.kind = "quantity" if "Quantity" in self.ancestors else "complex"
        self.loaded = False
        self.members = _Members(self)
        self.keys: dict[str, Step] = {}

    def load(self) -> None:
        """Read the members."""
        self.loaded = True
        for name, element in definitions.element(self.name).children.items():
            steps = tuple(
                Step(name, key, fhir_type(element.type_name(ref.code)), element.is_list)
                for key, ref in element.json.items()
            )
            self.members[name] = Member(name, steps)
            for step in steps:
                self.keys[step.key] = step

    def is_a(self, name: str) -> bool:
        """Whether this is the named type or derives from it."""
        return name in self.ancestors

    def __repr__(self) -> str:
        return f"Type({self.name})"


@lru_cache(4096)
def fhir_type(name: str) -> Type:
    """The type of this name. KeyError when R4 has none."""
    return Type(name)


def known(name: str) -> bool:
    """Whether R4 has a type of this name (backbones not included)."""
    return definitions.kind(name) != ""


def resource_type(name: object) -> Type | None:
    """The resource type of this name, or None."""
    if not isinstance(name, str):
        return None
    found = _RESOURCES.get(name)
    if found is None and name in definitions.resource_types():
        found = _RESOURCES[name] = fhir_type(name)
    return found


_RESOURCES: dict[str, Type] = {}
