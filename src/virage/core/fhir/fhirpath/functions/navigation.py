"""Down the tree without naming the way."""

from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.values import Items, Node, extend


def nodes_below(node: Node, env: Evaluation | None = None) -> Items:
    """The children of a node, in the order of its JSON. An evaluation pays for long arrays before they are walked."""
    data = node.data
    if data is None:
        return []
    if not node.type.loaded:
        node.type.load()
    keys = node.type.keys
    out: Items = []
    for key in data:
        step = keys.get(key)
        if step is None and key[:1] == "_" and key[1:] not in data:
            step = keys.get(key[1:])
        if step is not None:
            if env is not None and data[key].__class__ is list:
                env.spend(len(data[key]))
            extend(out, node, step)
    return out


@plain("children")
def children(items: Items, env: Evaluation) -> Items:
    """`children()`"""
    out: Items = []
    for item in items:
        if item.__class__ is Node:
            out.extend(nodes_below(item, env))
    return out


@plain("descendants")
def descendants(items: Items, env: Evaluation) -> Items:
    """`descendants()`: every element below, repetitions kept."""
    out: Items = []
    level = items
    while level:
        below: Items = []
        for item in level:
            if item.__class__ is Node:
                below.extend(nodes_below(item, env))
        env.spend(1 + len(level))
        out.extend(below)
        level = below
    return out
