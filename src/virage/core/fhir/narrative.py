"""XHTML of narratives: read safely, only the basic formatting that R4 allows, nothing that runs or reaches out."""

import functools
import re
from typing import Any

from lxml import etree

XHTML = "http://www.w3.org/1999/xhtml"
MAX_NARRATIVE = 1_048_576

# Sections of HTML 4.0 that R4 names for narratives (chapters 7 to 11 except 9.4 forms of change, and 15), `a` and `img`.
ELEMENTS = frozenset(
    [
        "a",
        "abbr",
        "acronym",
        "b",
        "big",
        "blockquote",
        "br",
        "caption",
        "cite",
        "code",
        "col",
        "colgroup",
        "dd",
        "dfn",
        "div",
        "dl",
        "dt",
        "em",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "hr",
        "i",
        "img",
        "li",
        "ol",
        "p",
        "pre",
        "q",
        "samp",
        "small",
        "span",
        "strong",
        "sub",
        "sup",
        "table",
        "tbody",
        "td",
        "tfoot",
        "th",
        "thead",
        "tr",
        "tt",
        "ul",
        "var",
    ]
)
ATTRIBUTES = frozenset(
    [
        "abbr",
        "accesskey",
        "align",
        "alt",
        "axis",
        "bgcolor",
        "border",
        "cellhalign",
        "cellpadding",
        "cellspacing",
        "cellvalign",
        "char",
        "charoff",
        "charset",
        "cite",
        "class",
        "color",
        "colspan",
        "compact",
        "coords",
        "dir",
        "frame",
        "headers",
        "height",
        "href",
        "hreflang",
        "hspace",
        "id",
        "lang",
        "longdesc",
        "name",
        "nowrap",
        "rel",
        "rev",
        "rowspan",
        "rules",
        "scope",
        "shape",
        "span",
        "src",
        "start",
        "style",
        "summary",
        "tabindex",
        "title",
        "type",
        "valign",
        "value",
        "vspace",
        "width",
    ]
)
_NAMES = frozenset(f"{{{XHTML}}}{name}" for name in ELEMENTS)
_XML = frozenset({f"{{http://www.w3.org/XML/1998/namespace}}{name}" for name in ("lang", "space")})
_DANGEROUS = re.compile(r"\s*(javascript|vbscript|data\s*:\s*text/html|file)\s*:?", re.IGNORECASE)
_STYLE = re.compile(r"expression\s*\(|javascript\s*:|behavior\s*:|@import", re.IGNORECASE)


_PARSER = etree.XMLParser(
    resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False, remove_comments=False
)


def parse(text: str) -> etree._Element | None:
    """The tree of a narrative, or None when it is not safe, well-formed XML."""
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None
    try:
        return etree.fromstring(text, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        return None


def narrative(value: Any) -> str | None:
    """None when the text is a safe XHTML `div` with content; otherwise a French sentence."""
    if type(value) is not str:
        return "Un texte XHTML entre guillemets est attendu."
    if len(value) > MAX_NARRATIVE:
        return "Le texte XHTML dépasse 1 Mo : raccourcissez-le."
    if _is_plainly_sound(value):
        return None
    if "<!DOCTYPE" in value or "<!ENTITY" in value:
        return "Le texte XHTML ne peut contenir ni DOCTYPE ni déclaration d'entité : retirez-les."
    root = parse(value)
    if root is None:
        return (
            "Le texte n'est pas du XHTML bien formé : fermez chaque balise, et écrivez &#160; plutôt que &nbsp; "
            "(les entités HTML n'existent pas en XML)."
        )
    return _tree(root)


# Most narratives are plain: their tags, taken one by one, are all of this shape. Reading them so takes a tenth of the
# time of a parser; whatever is not of this shape goes to the parser, which alone pronounces a refusal.
_OPENING = re.compile(r'([a-z][a-z0-9]*)((?:\s+[a-z]+="[^"<&]*")*)\s*(/?)')
_ATTRIBUTE = re.compile(r'([a-z]+)="([^"]*)"')
_ENTITY = re.compile(r"&(?:amp|lt|gt|quot|apos|#[1-9][0-9]{1,4});")
_TOP = re.compile(rf'div\s+xmlns="{re.escape(XHTML)}"')


@functools.lru_cache(4096)
def _opening(text: str) -> tuple[str, bool] | None:
    """Name of an opening tag and whether it closes itself; None when the parser has to look."""
    match = _OPENING.fullmatch(text)
    if match is None or match[1] not in ELEMENTS or len(text) > 300:
        return None
    seen = set()
    for name, value in _ATTRIBUTE.findall(match[2]):
        if name not in ATTRIBUTES or name in seen or name in ("style", "src"):
            return None
        if name == "href" and not value.startswith(("http://", "https://", "#")):
            return None
        seen.add(name)
    return match[1], bool(match[3])


def _printable(value: str) -> bool:
    return value.replace("\n", "").replace("\t", "").replace("\r", "").isprintable()


def _is_plainly_sound(value: str) -> bool:
    pieces = value.split("<")
    if pieces[0] or len(pieces) < 3 or "]]>" in value or not _printable(value):
        return False
    if "&" in value and value.count("&") != len(_ENTITY.findall(value)):
        return False
    top, mark, text = pieces[1].partition(">")
    if not mark or not _TOP.fullmatch(top):
        return False
    content = bool(text) and not text.isspace()
    stack = ["div"]
    for piece in pieces[2:]:
        tag, mark, text = piece.partition(">")
        if not mark or not tag or not stack:
            return False
        if tag[0] == "/":
            if tag[1:] != stack.pop():
                return False
        else:
            opened = _opening(tag)
            if opened is None:
                return False
            if not opened[1]:
                stack.append(opened[0])
        if text and not content and not text.isspace():
            content = bool(stack)
    return content and not stack and (not text or text.isspace())


def _tree(root: etree._Element) -> str | None:
    if root.tag != f"{{{XHTML}}}div":
        return f'Le texte XHTML doit être un élément div de l\'espace de noms {XHTML} : <div xmlns="{XHTML}">…</div>.'
    content = False
    for node in root.iter():
        if node.text and not content and not node.text.isspace():
            content = True
        if node.tail and not content and node is not root and not node.tail.isspace():
            content = True
        tag: Any = node.tag
        if tag not in _NAMES:
            if tag is etree.Comment:
                continue
            if tag is etree.Entity:
                return "Le texte XHTML contient une entité inconnue : écrivez le caractère lui-même."
            return "Le texte XHTML contient un élément qui n'est pas permis (mise en forme simple, liens et images seulement)."
        attributes: list[tuple[Any, Any]] = node.attrib.items()
        for name, text in attributes:
            if name not in ATTRIBUTES and name not in _XML:
                return "Le texte XHTML contient un attribut qui n'est pas permis (pas d'événement, pas de script)."
            if (name in ("href", "src") and _DANGEROUS.match(text)) or (name == "style" and _STYLE.search(text)):
                return "Le texte XHTML contient un lien ou un style qui exécuterait quelque chose : retirez-le."
        if not content and tag == f"{{{XHTML}}}img":
            content = True
    return None if content else "Le texte XHTML est vide : écrivez un résumé lisible ou retirez l'élément text."
