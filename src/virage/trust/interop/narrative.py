"""CDA narrative blocks to safe, semantic HTML: a closed list of elements, every text escaped, no attribute passed through."""

from collections.abc import Callable
from html import escape
from typing import Any

_INLINE = {"content": "span", "sub": "sub", "sup": "sup", "footnote": "small", "caption": "span"}
_STYLES = {"bold": "strong", "italics": "em", "emphasis": "em", "underline": "u"}
_CELL = {"td", "th"}
_LINKS = ("http://", "https://", "mailto:", "tel:")

Media = Callable[[str], str]


def local_name(node: Any) -> str:
    """The tag without its namespace; empty for comments and instructions."""
    return node.tag.rpartition("}")[2] if isinstance(node.tag, str) else ""


def html(node: Any, media: Media) -> str:
    """The inside of a `section/text`. `media` gives the HTML of a referenced multimedia by its ID."""
    return _inside(node, media, top=True)


def _inside(node: Any, media: Media, *, top: bool = False) -> str:
    parts: list[str] = [_text(node.text, top)]
    for child in node:
        parts.append(_element(child, media))
        parts.append(_text(child.tail, top))
    return "".join(parts)


def _text(value: str | None, top: bool) -> str:
    if not value or not value.strip():
        return " " if value and not top else ""
    shown = escape(value)
    return f"<p>{shown}</p>" if top else shown


def _element(node: Any, media: Media) -> str:
    name = local_name(node)
    render = _RENDERERS.get(name)
    if render:
        return render(node, media)
    if name in _INLINE:
        styles = [tag for word in (node.get("styleCode") or "").lower().split() if (tag := _STYLES.get(word))]
        inside = _inside(node, media)
        for tag in styles or ([_INLINE[name]] if _INLINE[name] != "span" else []):
            inside = f"<{tag}>{inside}</{tag}>"
        return inside
    return _inside(node, media) if name else ""


def _paragraph(node: Any, media: Media) -> str:
    return f"<p>{_inside(node, media)}</p>"


def _break(node: Any, media: Media) -> str:
    return "<br>"


def _list(node: Any, media: Media) -> str:
    tag = "ol" if node.get("listType") == "ordered" else "ul"
    items = "".join(f"<li>{_inside(item, media)}</li>" for item in node if local_name(item) == "item")
    title = "".join(_inside(child, media) for child in node if local_name(child) == "caption")
    return (f"<p>{title}</p>" if title else "") + f"<{tag}>{items}</{tag}>"


def _span(cell: Any, name: str) -> str:
    value = cell.get(name) or ""
    return f' {name}="{int(value)}"' if value.isascii() and value.isdigit() and 1 < int(value[:4]) < 1000 else ""


def _row(node: Any, media: Media, *, head: bool) -> str:
    cells = []
    for cell in node:
        name = local_name(cell)
        if name in _CELL:
            inside = _inside(cell, media)
            if not inside.strip():
                name = "td"  # a header without words is none
            scope = (' scope="col"' if head else ' scope="row"') if name == "th" else ""
            spans = _span(cell, "colspan") + _span(cell, "rowspan")
            cells.append(f"<{name}{scope}{spans}>{inside}</{name}>")
    return f"<tr>{''.join(cells)}</tr>"


def _table(node: Any, media: Media) -> str:
    parts: list[str] = []
    for child in node:
        name = local_name(child)
        if name == "caption":
            parts.append(f"<caption>{_inside(child, media)}</caption>")
        elif name in {"thead", "tbody", "tfoot"}:
            rows = "".join(_row(row, media, head=name == "thead") for row in child if local_name(row) == "tr")
            parts.append(f"<{name}>{rows}</{name}>" if rows else "")
        elif name == "tr":
            parts.append(_row(child, media, head=False))
    return (
        '<div class="fr-table cda-table" role="group" aria-label="Tableau" tabindex="0">'
        f"<table>{''.join(parts)}</table></div>"
    )


def _link(node: Any, media: Media) -> str:
    target = (node.get("href") or "").strip()
    inside = _inside(node, media).strip() or escape(target)
    if target.startswith("#") and len(target) > 1:
        return media(target[1:]) or inside
    if not target.lower().startswith(_LINKS):
        return inside
    return f'<a class="fr-link" rel="noopener noreferrer nofollow" href="{escape(target)}">{inside}</a>'


def _media(node: Any, media: Media) -> str:
    return "".join(media(one) for one in (node.get("referencedObject") or "").split())


_RENDERERS: dict[str, Callable[[Any, Media], str]] = {
    "paragraph": _paragraph,
    "br": _break,
    "list": _list,
    "table": _table,
    "linkHtml": _link,
    "renderMultiMedia": _media,
}
