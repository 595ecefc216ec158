"""The narrative between its two forms: a string in JSON, a `div` of the XHTML namespace in XML."""

from typing import Any

from lxml import etree

from virage.core.fhir.xml.form import MAX_DEPTH, XHTML, MalformedXml, escape, parser

DIV = f"{{{XHTML}}}div"


def sound_div(text: Any) -> str:
    """The narrative as it stands, once sure that it is one whole `div` and nothing else."""
    try:
        root = etree.fromstring(text, parser()) if type(text) is str else None
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None or root.tag != DIV or root.getroottree().docinfo.internalDTD is not None:
        raise MalformedXml("Le texte XHTML n'est pas un élément div bien formé : il ne peut être écrit en XML.")
    start = text.index("<div") if "<div" in text else 0
    # A declaration or a comment before the div would break the document around it.
    return str(text[start:]).rstrip() if root.prefix is None else div(root)


def div(root: etree._Element) -> str:
    """XHTML written in the default namespace, free of the prefixes and declarations of the document around it."""
    out: list[str] = []
    _div_node(root, out, True, 0)
    return "".join(out)


def _div_node(node: etree._Element, out: list[str], top: bool, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise MalformedXml(f"Le texte XHTML est imbriqué sur plus de {MAX_DEPTH} niveaux : c'est refusé.")
    tag: Any = node.tag
    if not isinstance(tag, str):
        out.append(f"<!--{node.text or ''}-->" if tag is etree.Comment else str(node))
        return
    qualified = etree.QName(node)
    name = qualified.localname
    out.append(f"<{name}")
    if top or qualified.namespace != XHTML:
        out.append(f' xmlns="{qualified.namespace or ""}"')
    for attribute, text in node.attrib.items():
        shown = str(attribute).replace("{http://www.w3.org/XML/1998/namespace}", "xml:")
        out.append(f' {shown.rpartition("}")[2]}="{escape(str(text))}"')
    if node.text is None and not len(node):
        out.append("/>")
        return
    out.append(">" + _content(node.text))
    for child in node:
        _div_node(child, out, False, depth + 1)
        out.append(_content(child.tail))
    out.append(f"</{name}>")


def _content(text: Any) -> str:
    return (
        ""
        if text is None
        else str(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace("\r", "&#13;")
    )
