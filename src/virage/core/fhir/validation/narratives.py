"""What narratives link to, and whether every contained resource is used."""

from typing import Any

from lxml import etree

from virage.core.fhir.narrative import parse
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session

# Addresses that name something without leading anywhere, or that run something.
_DEAD = frozenset({"urn", "cid", "javascript", "vbscript"})
# What XHTML does not let a paragraph hold.
_BLOCKS = frozenset(
    {
        "blockquote",
        "dd",
        "div",
        "dl",
        "dt",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "li",
        "ol",
        "p",
        "pre",
        "table",
        "ul",
    }
)


def links(item: Item, session: Session) -> None:
    """Links and images of a narrative lead somewhere that a reader can follow; no block stands in a paragraph."""
    text = item.value.get("div")
    if type(text) is not str or not ("href" in text or "<p" in text or "<img" in text):
        return
    root = parse(text)
    if root is None:
        return
    place = (item.place, "div", -1)
    anchors = {node.get(name) for node in root.iter() if isinstance(node.tag, str) for name in ("id", "name")}
    ids: set[Any] | None = None
    for node in root.iter(etree.Element):
        tag = etree.QName(node).localname
        if tag == "p" and any(etree.QName(each).localname in _BLOCKS for each in node.iterdescendants(etree.Element)):
            text = "Un paragraphe du texte (p) contient un bloc (div, table, liste…) : fermez-le avant."
            session.add("invalid", text, place)
        target = node.get("src") if tag == "img" else node.get("href")
        if target is None:
            continue
        scheme, colon, _ = target.partition(":")
        if not target.strip():
            session.add("invalid", "Un lien du texte a une adresse vide : donnez-en une ou retirez-le.", place)
        elif target.startswith("#"):
            if len(target) < 2 or target[1:] in anchors:
                continue
            ids = _ids(item.frame.root) if ids is None else ids
            if target[1:] not in ids:
                session.add("invalid", "Un lien du texte mène à une ancre qui n'existe pas : corrigez-le.", place)
        elif tag == "a" and colon and scheme.lower() in _DEAD:
            session.add(
                "invalid", "Un lien du texte a une adresse qu'un lecteur ne peut ouvrir (urn…) : retirez-le.", place
            )


def _strings(value: Any) -> list[str]:
    """Every text of a JSON value."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
        elif isinstance(each, str):
            found.append(each)
    return found


def _ids(value: Any) -> set[Any]:
    """Every id of a resource and of its elements."""
    found: set[Any] = set()
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict):
            if isinstance(each.get("id"), str):
                found.add(each["id"])
            waiting.extend(each.values())
        elif isinstance(each, list):
            waiting.extend(each)
    return found


def contained(item: Item, session: Session) -> None:
    """Each contained resource is named from the resource, at once or through others, or points at it (rule dom-3 of R4)."""
    held = item.value.get("contained")
    if type(held) is not list or not session.options.contained:
        return
    named = _named({key: value for key, value in item.value.items() if key != "contained"})
    within = {index: _named(each) for index, each in enumerate(held) if isinstance(each, dict)}
    reached: set[int] = set()
    waiting = [index for index in within if held[index].get("id") in named or "" in within[index]]
    while waiting:
        index = waiting.pop()
        reached.add(index)
        waiting.extend(each for each in within if each not in reached and held[each].get("id") in within[index])
    for index in within:
        if isinstance(held[index].get("id"), str) and index not in reached:
            text = (
                "Une ressource contenue n'est désignée par rien dans la ressource : désignez-la ou retirez-la (dom-3)."
            )
            session.add("invariant", text, (item.place, "contained", index))


def _named(value: Any) -> set[str]:
    """The ids that a value points at by `#id`; the empty one for the resource itself."""
    found: set[str] = set()
    for text in _strings(value):
        if text.startswith("#"):
            found.add(text[1:])
        elif "#" in text and text.startswith("<"):
            found.update(_targets(text))
    return found


def _targets(text: str) -> set[str]:
    root = parse(text)
    if root is None:
        return set()
    targets = [node.get(name) for node in root.iter(etree.Element) for name in ("href", "src")]
    return {each[1:] for each in targets if each and each.startswith("#")}
