"""Shows a CDA to a person: our own accessible HTML, whatever sheet the document came with (none is ever executed)."""

import base64
import binascii
from collections.abc import Iterator
from html import escape
from typing import Any

from virage.trust.interop import narrative
from virage.trust.interop.header import find, find_all, metadata, text_of
from virage.trust.interop.reader import NS, Document, read
from virage.trust.interop.values import CdaMetadata, Participant, Traits
from virage.trust.interop.volets import document_types

_SHOWN_IMAGES = {"image/jpeg", "image/png", "image/gif"}
_MONTHS = [
    "janvier",
    "février",
    "mars",
    "avril",
    "mai",
    "juin",
    "juillet",
    "août",
    "septembre",
    "octobre",
    "novembre",
    "décembre",
]
_SEXES = {"M": "Masculin", "F": "Féminin", "U": "Indéterminé"}
_BORN = {"M": "né", "F": "née"}
_CONFIDENTIALITY = {"N": "Normale", "R": "Restreinte", "V": "Très restreinte"}
_DEEPEST_HEADING = 6
_HEAVY = 1024 * 1024


def french_date(value: str) -> str:
    """`2024-03-05T10:30:00+01:00` as « 5 mars 2024 à 10 h 30 »; shorter dates as far as they go."""
    date, _, time = value.partition("T")
    parts = date.split("-")
    if not parts[0]:
        return ""
    shown = parts[0]
    if len(parts) > 1:
        shown = f"{_MONTHS[int(parts[1]) - 1]} {shown}"
    if len(parts) > 2:
        day = int(parts[2])
        shown = f"{'1er' if day == 1 else day} {shown}"
    return f"{shown} à {int(time[:2])} h {time[3:5]}" if time else shown


def render(document: bytes, *, level: int = 2, pieces: str = "") -> str:
    """An `<article>` to put in a page, its title a heading of this level, its sections below.

    With `pieces`, an address, files of more than 1 Mio that the document carries are not put into the page: each is a link to
    `PIECES?piece=N`, to be answered by `piece`. Raises `Malformed` as `check` does; never executes anything of the document.
    """
    return _article(document, level, _Files(pieces))


def piece(document: bytes, number: int) -> tuple[bytes, str] | None:
    """The file that `render` numbered so, and its media type; None when there is none."""
    files = _Files("")
    _article(document, 2, files)
    return files.found[number - 1] if 0 < number <= len(files.found) else None


def _article(document: bytes, level: int, files: "_Files") -> str:
    tree = read(document)
    facts = metadata(tree)
    body = _unstructured(tree, files) if facts.level == "N1" else _structured(tree, level + 1, files)
    title = escape(facts.title or "Document de santé")
    return (
        f'<article class="cda" lang="fr"><h{level} class="cda-title">{title}</h{level}>{_card(facts)}{body}</article>'
    )


def page(document: bytes) -> str:
    """A whole HTML page around `render`, for viewers outside our portals; forbids scripts by policy."""
    policy = "default-src 'none'; img-src data:; object-src data:; frame-src data:; style-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="fr"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><title>Document de santé</title></head>'
        f"<body>{render(document, level=1)}</body></html>"
    )


def _card(facts: CdaMetadata) -> str:
    known = document_types().get(facts.code.code) if facts.code else None
    rows = [
        ("Patient", _patient(facts.traits)),
        ("Matricule INS", escape(facts.traits.matricule)),
        ("Type", escape(known.title if known else (facts.code.display if facts.code else ""))),
        ("Date", escape(french_date(facts.effective_time))),
        ("Auteur", "<br>".join(filter(None, (_person(author) for author in facts.authors)))),
        ("Responsable", _person(facts.legal_authenticator)),
        ("Conservé par", escape(facts.custodian.name if facts.custodian else "")),
        ("Acte", escape(_period(facts))),
        ("Version", escape(str(facts.version or ""))),
        (
            "Confidentialité",
            escape(_CONFIDENTIALITY.get(facts.confidentiality.code, "") if facts.confidentiality else ""),
        ),
    ]
    inside = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in rows if value)
    return f'<header class="fr-card cda-header"><dl>{inside}</dl></header>'


def _period(facts: CdaMetadata) -> str:
    start, stop = french_date(facts.service_start), french_date(facts.service_stop)
    if start and stop and start != stop:
        return f"du {start} au {stop}"
    return start


def _patient(traits: Traits) -> str:
    said = _BORN.get(traits.sex, "né(e)")
    used = " ".join(filter(None, (traits.used_given or traits.first_given, traits.used_name or traits.birth_name)))
    born = (
        f", {said} {traits.birth_name}" if traits.birth_name and traits.used_name not in ("", traits.birth_name) else ""
    )
    date = f" · {said} le {french_date(traits.birth_date)}" if traits.birth_date else ""
    sex = f" · {_SEXES[traits.sex]}" if traits.sex in _SEXES else ""
    return escape(f"{used}{born}{date}{sex}")


def _person(person: Participant | None) -> str:
    if person is None:
        return ""
    who = person.name or person.device
    parts = [
        who,
        person.specialty.display if person.specialty else "",
        person.organisation.name if person.organisation else "",
    ]
    return escape(" · ".join(part for part in parts if part))


def _clean_base64(node: Any) -> bytes:
    try:
        return base64.b64decode("".join("".join(node.itertext()).split()), validate=True)
    except (binascii.Error, ValueError):
        return b""


class _Files:
    """The files that a document carries, in the order shown."""

    def __init__(self, pieces: str) -> None:
        self._pieces = pieces
        self.found: list[tuple[bytes, str]] = []

    def show(self, content: bytes, media: str, label: str) -> str:
        """HTML of one file: in the page, or a link where it is heavy."""
        self.found.append((content, media))
        if not self._pieces or len(content) <= _HEAVY:
            return embedded(content, media, label)
        kind = media.split(";")[0].rpartition("/")[2].upper().removeprefix("X-")
        address = escape(f"{self._pieces}?piece={len(self.found)}")
        return (
            f'<figure class="cda-file"><p><a class="fr-link" href="{address}">Ouvrir {escape(label)} '
            f'<span class="fr-link__detail">{escape(kind)}, {len(content) // 1024 // 1024} Mio</span></a></p></figure>'
        )


def embedded(content: bytes, media: str, label: str) -> str:
    """A file inside the document, shown where browsers do it safely and always offered for download."""
    media = media.split(";")[0].strip().lower()
    encoded = base64.b64encode(content).decode()
    size = f"{max(1, len(content) // 1024)} Kio"
    kind = media.rpartition("/")[2].upper().removeprefix("X-")
    name = f"document.{media.rpartition('/')[2] if media.rpartition('/')[2].isalnum() else 'bin'}"
    if media in _SHOWN_IMAGES:
        shown = f'<img class="cda-image" alt="{escape(label)}" src="data:{media};base64,{encoded}">'
    elif media == "application/pdf":
        shown = (
            f'<object class="cda-pdf" type="application/pdf" aria-label="{escape(label)}" '
            f'data="data:application/pdf;base64,{encoded}" width="100%" height="900">'
            "<p>Votre navigateur n'affiche pas ce PDF ici : téléchargez-le.</p></object>"
        )
    elif media.startswith("text/plain"):
        shown = f'<pre class="cda-text">{escape(content.decode("utf-8", "replace"))}</pre>'
    else:
        shown = ""
    safe = media if media in _SHOWN_IMAGES | {"application/pdf", "image/tiff"} else "application/octet-stream"
    link = (
        f'<p><a class="fr-link fr-link--download" download="{escape(name)}" href="data:{safe};base64,{encoded}">'
        f'Télécharger {escape(label)} <span class="fr-link__detail">{escape(kind)}, {size}</span></a></p>'
    )
    return f'<figure class="cda-file">{shown}{link}</figure>'


def _unstructured(tree: Document, files: _Files) -> str:
    node = find(tree.root, "component/nonXMLBody/text")
    media = node.get("mediaType", "text/plain")
    content = _clean_base64(node) if node.get("representation") == "B64" else "".join(node.itertext()).encode()
    if not content:
        return '<p class="fr-alert fr-alert--warning">Le corps de ce document ne se lit pas.</p>'
    return f'<section aria-label="Document">{files.show(content, media, "le document")}</section>'


def _structured(tree: Document, level: int, files: _Files) -> str:
    sections = find_all(tree.root, "component/structuredBody/component/section")
    if not sections:
        return '<p class="fr-alert fr-alert--warning">Ce document ne contient aucune section à lire.</p>'
    return "".join(_sections(sections, _Media(tree, files), level))


def _sections(nodes: list[Any], media: "_Media", level: int) -> Iterator[str]:
    for node in nodes:
        title = text_of(find(node, "title"))
        if not title:
            code = find(node, "code")
            title = (code.get("displayName") or "") if code is not None else ""
        heading = f"<h{level}>{escape(title)}</h{level}>" if title else ""
        text = find(node, "text")
        inside = narrative.html(text, media.show) if text is not None else ""
        below = "".join(
            _sections(find_all(node, "component/section"), media, min(level + 1, _DEEPEST_HEADING) if title else level)
        )
        yield f'<section class="cda-section">{heading}{inside}{below}</section>'


class _Media:
    """The multimedia of a document by its ID; each is shown once, further mentions are left out."""

    def __init__(self, tree: Document, files: _Files) -> None:
        self._files = files
        self._nodes = {node.get("ID"): node for node in tree.root.iterfind(".//c:observationMedia[@ID]", NS)}
        self._shown: set[str] = set()

    def show(self, ident: str) -> str:
        """HTML of one multimedia, empty when unknown or already shown."""
        node = self._nodes.get(ident)
        value = find(node, "value")
        if value is None or ident in self._shown:
            return ""
        self._shown.add(ident)
        content = _clean_base64(value)
        return self._files.show(content, value.get("mediaType", ""), "la pièce jointe") if content else ""
