"""Reads a CDA R2 document that a stranger sent, safely.

Two passes. The first, by expat, builds nothing: it refuses a document type declaration (so no entity can exist), too deep a
tree, too many elements or attributes, before memory is spent. The second, by lxml without network or entities, builds the
tree of what is then known to be bounded. A self-rendering document (a CDA inside an XSL sheet, `application/xslt+xml`) is
unwrapped; its sheet is never executed.
"""

from dataclasses import dataclass
from typing import Any
from xml.parsers import expat

from lxml import etree

from virage.core.errors import Malformed

CDA = "urn:hl7-org:v3"
XSL = "http://www.w3.org/1999/XSL/Transform"
NS = {"c": CDA}

MAX_BYTES = 32 * 1024 * 1024
MAX_DEPTH = 100
MAX_ELEMENTS = 400_000
MAX_ATTRIBUTES = 64


class _TooMuchError(Exception):
    pass


@dataclass(frozen=True, slots=True)
class Document:
    """A tree whose `root` is the `ClinicalDocument` element; `self_rendering` when it came inside an XSL sheet."""

    root: Any
    self_rendering: bool


def _guard(document: bytes) -> None:
    """Refuses what must not be built. Raises `_TooMuchError` with a French sentence, or `expat.ExpatError`."""
    parser = expat.ParserCreate(namespace_separator=None)
    depth = elements = 0

    def start(name: str, attributes: list[str]) -> None:
        nonlocal depth, elements
        depth += 1
        elements += 1
        if depth > MAX_DEPTH:
            raise _TooMuchError(f"l'imbrication des éléments dépasse {MAX_DEPTH} niveaux")
        if elements > MAX_ELEMENTS:
            raise _TooMuchError(f"le document compte plus de {MAX_ELEMENTS} éléments")
        if len(attributes) > 2 * MAX_ATTRIBUTES:
            raise _TooMuchError(f"un élément porte plus de {MAX_ATTRIBUTES} attributs")

    def end(name: str) -> None:
        nonlocal depth
        depth -= 1

    def doctype(*_: object) -> None:
        raise _TooMuchError("la déclaration de type de document (DOCTYPE) et les entités sont interdites")

    parser.ordered_attributes = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.StartDoctypeDeclHandler = doctype
    parser.Parse(document, True)


def read(document: bytes) -> Document:
    """The `ClinicalDocument` in these bytes; raises `Malformed` (`INTEROP.…`) when there is none that can be trusted."""
    if not document.strip():
        raise Malformed("Le document est vide : joignez le contenu du document CDA.", code="INTEROP.EMPTY")
    if len(document) > MAX_BYTES:
        raise Malformed(
            f"Le document dépasse {MAX_BYTES // 1024 // 1024} Mio : réduisez les pièces incluses.",
            code="INTEROP.TOO_LARGE",
            status=413,
            issue="too-long",
        )
    try:
        _guard(document)
    except _TooMuchError as refusal:
        raise Malformed(f"Document XML refusé par sécurité : {refusal}.", code="INTEROP.XML_UNSAFE") from None
    except (expat.ExpatError, ValueError, LookupError) as error:
        where = f" (ligne {error.lineno}, colonne {error.offset})" if isinstance(error, expat.ExpatError) else ""
        raise Malformed(
            f"Le document n'est pas du XML bien formé{where} : corrigez-le avant de le publier.",
            code="INTEROP.XML_MALFORMED",
        ) from None
    parser = etree.XMLParser(
        resolve_entities=False, no_network=True, load_dtd=False, huge_tree=True, remove_comments=True, remove_pis=True
    )
    try:
        tree = etree.fromstring(document, parser)
    except (etree.XMLSyntaxError, ValueError):
        raise Malformed(
            "Le document n'est pas du XML bien formé : corrigez-le avant de le publier.", code="INTEROP.XML_MALFORMED"
        ) from None
    name = f"{{{CDA}}}ClinicalDocument"
    if tree.tag == name:
        return Document(tree, False)
    if tree.tag in (f"{{{XSL}}}stylesheet", f"{{{XSL}}}transform"):
        inside = [child for wrapper in tree for child in wrapper if child.tag == name]
        if len(inside) == 1:
            return Document(inside[0], True)
    raise Malformed(
        "Ce XML n'est pas un document CDA R2 : l'élément ClinicalDocument (urn:hl7-org:v3) est attendu.",
        code="INTEROP.NOT_CDA",
    )


def is_cda_type(mime: str) -> bool:
    """Whether a declared media type announces a CDA (`text/xml`, `application/xml`, or the self-rendering form)."""
    return mime.split(";")[0].strip().lower() in {
        "text/xml",
        "application/xml",
        "application/xslt+xml",
        "application/hl7-sda+xml",
        "application/cda+xml",
    }
