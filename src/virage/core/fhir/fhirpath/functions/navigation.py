"""Down the tree without naming the way."""

from virage.core.fhir.fhirpath.evaluation import Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.values import Items, Node, extend


def nodes_below(node: Node) -> Items:
    """The children of a node, in the order of its JSON."""
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
            extend(out, node, step)
    return out


@plain("children")
def children(items: Items, env: Evaluation) -> Items:
    """`children()`"""
    out: Items = []
    for item in items:
        if item.__class__ is Node:
            out.extend(nodes_below(item))
    env.spend(len(out))
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
                below.extend(nodes_below(item))
        env.spend(len(below))
        out.extend(below)
        level = below
    return out
