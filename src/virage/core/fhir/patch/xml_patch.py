"""XML Patch (RFC 5261): add, replace, remove, by XPath selectors on the XML form of a resource."""

import copy
import re
from typing import Any

from lxml import etree

from virage.core.fhir import patch

FHIR = "http://hl7.org/fhir"
_NAMESPACES = {"f": FHIR, "h": "http://www.w3.org/1999/xhtml"}
_PARSER: dict[str, Any] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "dtd_validation": False,
    "huge_tree": False,
    "remove_blank_text": False,
}
# Only location paths with simple predicates: no function that could run for long.
_SELECTOR = re.compile(r"[\w:/@\[\]='\"\-. ()*]{1,500}\Z")
_FUNCTION = re.compile(r"([\w-]+)\s*\(")
_ALLOWED_FUNCTIONS = frozenset({"text", "comment", "node", "id", "last", "position", "processing-instruction"})


def parse(body: bytes) -> etree._Element:
    """The patch document. Raises MalformedPatch for what is not safe XML or holds a DTD."""
    try:
        root = etree.fromstring(body, etree.XMLParser(**_PARSER))
    except (etree.XMLSyntaxError, ValueError):
        raise patch.MalformedPatch("Le XML du patch est illisible.") from None
    if root.getroottree().docinfo.internalDTD is not None:
        raise patch.MalformedPatch("Un patch XML n'a pas de DTD.")
    return root


def apply_to_resource(resource: dict[str, Any], change: etree._Element) -> dict[str, Any]:
    """The patched resource, through its XML form. Raises PatchFailed (422), Malformed when the result is not FHIR."""
    from virage.core.fhir import xml

    root = etree.fromstring(xml.dumps(resource), etree.XMLParser(**_PARSER))
    return xml.loads(etree.tostring(apply(root, change)))


def apply(root: etree._Element, change: etree._Element) -> etree._Element:
    """The patched tree; the one given is left as it is."""
    operations = [node for node in change if isinstance(node.tag, str)]
    if not operations:
        raise patch.MalformedPatch("Le patch n'a aucune opération.", issue="required")
    if len(operations) > patch.MOST_OPERATIONS:
        raise patch.MalformedPatch(f"Un patch a {patch.MOST_OPERATIONS} opérations au plus.")
    # A document above the root, so that selectors begin at the root's own name.
    tree = etree.ElementTree(copy.deepcopy(root))
    for index, operation in enumerate(operations):
        kind = etree.QName(operation).localname
        if kind not in _DO:
            raise patch.MalformedPatch("Une opération XML Patch est add, replace ou remove.", path=f"[{index}]")
        _DO[kind](tree, operation, _select(tree, operation, index), f"[{index}]")
    return tree.getroot()


def _select(tree: Any, operation: etree._Element, index: int) -> Any:
    selector = operation.get("sel", "")
    if not _SELECTOR.match(selector) or any(name not in _ALLOWED_FUNCTIONS for name in _FUNCTION.findall(selector)):
        raise patch.MalformedPatch("Le sélecteur du patch est absent ou n'est pas admis.", path=f"[{index}].sel")
    path = selector if selector.startswith("/") else "/" + selector
    try:
        found = tree.xpath(path, namespaces=_NAMESPACES)
    except etree.XPathError:
        raise patch.MalformedPatch("Le sélecteur du patch est illisible.", path=f"[{index}].sel") from None
    if not isinstance(found, list) or len(found) != 1:
        what = "ne trouve rien" if not found else "trouve plusieurs nœuds"
        raise patch.PatchFailed(f"Le sélecteur du patch {what}.", path=f"[{index}].sel")
    return found[0]


def _add(tree: Any, operation: etree._Element, target: Any, where: str) -> None:
    kind, pos = operation.get("type", ""), operation.get("pos", "append")
    if isinstance(target, str):
        raise patch.PatchFailed("On n'ajoute rien à un attribut ni à un texte.", path=where)
    if kind.startswith("@"):
        target.set(kind[1:], operation.text or "")
        return
    if kind.startswith("namespace::"):
        _declare(tree, target, kind.removeprefix("namespace::"), (operation.text or "").strip())
        return
    nodes = [copy.deepcopy(node) for node in operation]
    for node in nodes:
        if node is not nodes[-1] or not (node.tail or "").strip():
            node.tail = None
    text = operation.text or ""
    if pos in ("before", "after"):
        parent = target.getparent()
        if parent is None:
            raise patch.PatchFailed("Rien ne s'ajoute à côté de la racine.", path=where)
        place = parent.index(target) + (pos == "after")
        for offset, node in enumerate(nodes):
            parent.insert(place + offset, node)
        return
    if pos == "prepend":
        for offset, node in enumerate(nodes):
            target.insert(offset, node)
        if not nodes:
            target.text = text + (target.text or "")
        return
    if text.strip() and len(target):
        target[-1].tail = (target[-1].tail or "") + text
    elif text.strip():
        target.text = (target.text or "") + text
    target.extend(nodes)


def _declare(tree: Any, target: etree._Element, prefix: str, uri: str) -> None:
    """lxml fixes namespaces at birth: the element is made again with one more."""
    names: Any = {**target.nsmap, prefix: uri}
    made = etree.Element(target.tag, nsmap=names)
    for name, value in target.attrib.items():
        made.set(name, value)
    made.text, made.tail = target.text, target.tail
    made.extend(list(target))
    _exchange(tree, target, made)


def _replace(tree: Any, operation: etree._Element, target: Any, where: str) -> None:
    if isinstance(target, str):
        _write(target, operation.text or "")
        return
    nodes = list(operation)
    if len(nodes) != 1:
        raise patch.MalformedPatch("Un élément se remplace par un élément.", path=where)
    made = copy.deepcopy(nodes[0])
    made.tail = target.tail
    _exchange(tree, target, made)


def _exchange(tree: Any, old: Any, new: Any) -> None:
    parent = old.getparent()
    if parent is None:
        tree._setroot(new)
    else:
        parent.replace(old, new)


def _remove(tree: Any, operation: etree._Element, target: Any, where: str) -> None:
    if isinstance(target, str):
        _write(target, None)
        return
    parent = target.getparent()
    if parent is None:
        raise patch.PatchFailed("La racine ne se retire pas.", path=where)
    tail, before = target.tail, target.getprevious()
    parent.remove(target)
    # The text that follows belongs to the parent, and stays.
    if tail and tail.strip():
        if before is not None:
            before.tail = (before.tail or "") + tail
        else:
            parent.text = (parent.text or "") + tail


def _write(place: Any, text: str | None) -> None:
    """Set or remove an attribute or a text that XPath found."""
    owner = place.getparent()
    if place.is_attribute:
        if text is None:
            del owner.attrib[place.attrname]
        else:
            owner.set(place.attrname, text)
    elif place.is_text:
        owner.text = text
    else:
        owner.tail = text


_DO = {"add": _add, "replace": _replace, "remove": _remove}
