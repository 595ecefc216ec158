"""What a collection holds: elements of a resource (Node) and computed values, and how one becomes the other.

A collection is a list, never changed once made. A computed value is a bool, int, Decimal, str, Date, DateTime, Time or
Quantity; an element is a Node, turned into such a value when an operator needs it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.model import Member, Step, Type, fhir_type, resource_type
from virage.core.fhir.fhirpath.quantity import Quantity
from virage.core.fhir.fhirpath.temporal import Date, DateTime, Temporal, Time

Items = list[Any]
TRUE: Items = [True]
FALSE: Items = [False]
NONE: Items = []


class Node:
    """An element where it stands in its resource.

    `value` is its JSON value (None when a primitive has extensions alone), `data` the JSON object that holds its
    children: the value itself for a complex type, the `_name` object or None for a primitive.
    """

    __slots__ = ("data", "index", "parent", "step", "type", "value")

    def __init__(
        self, value: Any, data: Any, type: Type, parent: "Node | None" = None, step: Step | None = None, index: int = -1
    ) -> None:
        self.value = value
        self.data = data
        self.type = type
        self.parent = parent
        self.step = step
        self.index = index

    @property
    def path(self) -> str:
        """Where it is, from the resource on: `Patient.name[0].given[1]`."""
        if self.parent is None or self.step is None:
            return self.type.name
        name = f"{self.parent.path}.{self.step.name}"
        return name if self.index < 0 else f"{name}[{self.index}]"


@dataclass(frozen=True, slots=True)
class TypeInfo:
    """What `type()` answers."""

    namespace: str
    name: str


@dataclass(frozen=True, slots=True)
class Item:
    """One result: its type name (FHIR name; computed values take the FHIR name of theirs), its path or "", its value."""

    type: str
    path: str
    value: Any


def root(value: Any, type: str | None = None) -> Node:
    """A resource, or an element of the given type, as the start of paths."""
    kind = resource_type(value.get("resourceType")) if value.__class__ is dict or isinstance(value, Mapping) else None
    if kind is None:
        if type is None:
            raise FhirPathError("Ressource de type inconnu : « resourceType » doit nommer un type de FHIR R4.")
        try:
            kind = fhir_type(type)
        except KeyError:
            raise FhirPathError("Type inconnu de FHIR R4.") from None
    return Node(value, None if kind.primitive else value, kind)


def child(parent: Node, step: Step, value: Any, shadow: Any, index: int) -> Node | None:
    """The node of one JSON value; None when it is not of the shape its type asks for."""
    type = step.type
    if type.primitive:
        data = shadow if shadow.__class__ is dict else None
        if value is None and data is None:
            return None
        return Node(value, data, type, parent, step, index)
    if value.__class__ is not dict:
        return None
    if type.dynamic:
        type = resource_type(value.get("resourceType")) or type
    return Node(value, value, type, parent, step, index)


def extend(out: Items, parent: Node, step: Step) -> None:
    """Add to `out` the nodes of one child."""
    data = parent.data
    value = data.get(step.key)
    shadow = data.get(step.shadow) if step.type.primitive else None
    if value.__class__ is list or shadow.__class__ is list:
        values = value if value.__class__ is list else []
        shadows = shadow if shadow.__class__ is list else []
        for index in range(max(len(values), len(shadows))):
            found = child(
                parent,
                step,
                values[index] if index < len(values) else None,
                shadows[index] if index < len(shadows) else None,
                index,
            )
            if found is not None:
                out.append(found)
    elif value is not None or shadow is not None:
        found = child(parent, step, value, shadow, -1)
        if found is not None:
            out.append(found)


def follow(out: Items, node: Node, member: Member) -> None:
    """Add to `out` the children of a node under one name."""
    if member.step is not None:
        extend(out, node, member.step)
        return
    steps = member.steps
    for key in node.data:
        if key in steps:
            extend(out, node, steps[key])
        elif key[:1] == "_" and key[1:] in steps and key[1:] not in node.data:
            extend(out, node, steps[key[1:]])


def _number(node: Node) -> Any:
    value = node.value
    if value.__class__ is float:
        return Decimal(repr(value))
    # An integer in JSON, or a Decimal that remembers its text: plain Decimals from here on.
    if isinstance(value, int | Decimal) and value.__class__ is not bool:
        return Decimal(value)
    return value


def _plain(node: Node) -> Any:
    return node.value


def _parsed(kind: Any) -> Callable[[Node], Any]:
    def convert(node: Node) -> Any:
        value = node.value
        if value.__class__ is not str:
            return value
        found = kind.parse(value)
        return value if found is None else found

    return convert


UCUM = "http://unitsofmeasure.org"


def _quantity(node: Node) -> Any:
    data = node.value
    value = data.get("value")
    if value.__class__ is float:
        value = Decimal(repr(value))
    if not isinstance(value, int | Decimal) or value.__class__ is bool:
        return node
    if data.get("system") in (UCUM, None) and data.get("code"):
        return Quantity(value, str(data["code"]))
    return Quantity(value, str(data.get("unit") or data.get("code") or "1"))


_CONVERT: dict[str, Callable[[Node], Any]] = {
    "boolean": _plain,
    "integer": _plain,
    "string": _plain,
    "decimal": _number,
    "date": _parsed(Date),
    "dateTime": _parsed(DateTime),
    "time": _parsed(Time),
    "quantity": _quantity,
    "complex": lambda node: node,
    "resource": lambda node: node,
}


def computed(item: Any) -> Any:
    """The computed value of an item; the node itself for a complex element; None for a primitive without value."""
    return _CONVERT[item.type.kind](item) if item.__class__ is Node else item


def one(items: Items) -> Any:
    """The computed value of a collection of at most one; None when it is empty. FhirPathError when there are more."""
    if not items:
        return None
    if len(items) > 1:
        raise FhirPathError("Une seule valeur attendue ici, plusieurs trouvées : précisez, par exemple par first().")
    return computed(items[0])


def truth(items: Items) -> bool | None:
    """A collection as a condition: None when empty; a single value that is no boolean counts as true."""
    if not items:
        return None
    if len(items) > 1:
        raise FhirPathError("Une condition doit donner une seule valeur, plusieurs trouvées.")
    item = items[0]
    if item.__class__ is bool:
        return bool(item)
    if item.__class__ is Node and item.type.kind == "boolean":
        return item.value if item.value.__class__ is bool else None
    return True


def text(items: Items) -> str | None:
    """A single string (FHIR dates and the like count by their text); None when empty."""
    if len(items) == 1 and items[0].__class__ is Node and items[0].type.primitive:
        value = items[0].value
        if value is None or value.__class__ is str:
            return value
    value = one(items)
    if value is None or value.__class__ is str:
        return value
    raise FhirPathError("Un texte est attendu ici.")


def integer(items: Items) -> int | None:
    """A single integer; None when empty."""
    value = one(items)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return value
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    raise FhirPathError("Un entier est attendu ici.")


_NAMES: dict[type, str] = {
    bool: "boolean",
    int: "integer",
    Decimal: "decimal",
    str: "string",
    Date: "date",
    DateTime: "dateTime",
    Time: "time",
    Quantity: "Quantity",
    TypeInfo: "SimpleTypeInfo",
}
SYSTEM = {
    bool: "Boolean",
    int: "Integer",
    Decimal: "Decimal",
    str: "String",
    Date: "Date",
    DateTime: "DateTime",
    Time: "Time",
    Quantity: "Quantity",
    TypeInfo: "ClassInfo",
}


def type_info(item: Any) -> TypeInfo:
    """The namespace and name of an item's type."""
    if item.__class__ is Node:
        return TypeInfo("FHIR", item.type.name)
    return TypeInfo("System", SYSTEM[item.__class__])


def plain(item: Any) -> Any:
    """As JSON has it: the element's own value, or the FHIR form of a computed value."""
    if item.__class__ is Node:
        return item.value
    if isinstance(item, Temporal):
        return str(item)
    if isinstance(item, Quantity):
        return item.json()
    if isinstance(item, TypeInfo):
        return {"namespace": item.namespace, "name": item.name}
    return item


def described(item: Any) -> Item:
    """With its type and path."""
    if item.__class__ is Node:
        return Item(item.type.name, item.path, item.value)
    return Item(_NAMES[item.__class__], "", plain(item))
