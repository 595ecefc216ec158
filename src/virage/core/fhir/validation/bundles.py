"""Bundles: full URLs, documents, messages; and references, which bundles help to resolve."""

import re
from typing import Any

from virage.core.fhir.definitions import ElementDef
from virage.core.fhir.validation import bundle_kinds
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import REFERENCE, Session, is_resource_type

_REST = re.compile(r"https?://.*/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_RELATIVE = re.compile(r"[A-Z][A-Za-z]+/[A-Za-z0-9\-.]{1,64}")
_PAIR = re.compile(r"[_A-Za-z][\w.\-:]*=[^=&]*")
_UNNAMED = ("transaction", "transaction-response", "batch", "batch-response", None)
_FIRST = {"document": "Composition", "message": "MessageHeader"}


def check(item: Item, session: Session) -> None:
    """What holds between the entries of a bundle."""
    kind = item.value.get("type")
    entries = children(item, "entry")
    wanted = _FIRST.get(kind) if type(kind) is str else None
    if wanted is not None and not entries:
        session.add("invalid", "Un document ou un message a au moins une entrée.", item.place)
    elif wanted is not None:
        first = entries[0].value.get("resource") if entries and type(entries[0].value) is dict else None
        if type(first) is not dict or first.get("resourceType") != wanted:
            session.add("invalid", f"La première entrée doit être une ressource {wanted}.", (item.place, "entry", 0))
    seen: dict[tuple[str, str], int] = {}
    for entry in entries:
        if type(entry.value) is not dict:
            continue
        url = entry.value.get("fullUrl")
        if url is None and kind not in _UNNAMED:
            text = "Chaque entrée a un fullUrl, sauf dans une transaction, un lot ou leur réponse."
            session.add("required", text, entry.place)
        content = entry.value.get("resource")
        if type(content) is not dict:
            continue
        _full_url(entry, url, content, kind, session)
        if type(url) is str and kind not in ("history", "batch", "transaction"):
            meta = content.get("meta")
            version = str(meta.get("versionId", "")) if type(meta) is dict else ""
            if (url, version) in seen:
                session.add("duplicate", "Deux entrées portent le même fullUrl : il doit être unique.", entry.place)
            seen[(url, version)] = 1
    bundle_kinds.check(item, entries, session)


def _full_url(entry: Item, url: Any, content: dict[str, Any], kind: Any, session: Session) -> None:
    if type(url) is not str:
        return
    if not _ABSOLUTE.fullmatch(url):
        session.add("invalid", "fullUrl doit être une adresse absolue (http://…/Type/id ou urn:uuid:…).", entry.place)
        return
    rest = _REST.fullmatch(url)
    if rest is None or not is_resource_type(rest[1]):
        return
    ident = content.get("id")
    if ident is None:
        if kind not in ("transaction", "batch"):
            session.add(
                "invalid", "fullUrl a la forme d'une adresse de serveur, mais la ressource n'a pas d'id.", entry.place
            )
    elif rest[1] != content.get("resourceType") or rest[2] != ident:
        text = f"fullUrl doit finir par le type et l'id de la ressource : /{content.get('resourceType')}/…"
        session.add("invalid", text, entry.place)


def reference(item: Item, definition: ElementDef | None, session: Session) -> None:
    """One Reference: where it leads within the bundle, and whether what is there has the right type."""
    text = item.value.get("reference")
    if type(text) is not str or text.startswith("#"):
        return
    name, mark, query = text.partition("?")
    if mark and is_resource_type(name):
        if not all(_PAIR.fullmatch(each) for each in query.split("&")):
            told = "Une référence par critères s'écrit Type?paramètre=valeur&paramètre=valeur."
            session.add("invalid", told, item.place)
        return
    frame = item.frame
    bundle = frame.bundle
    if bundle is None:
        if session.options.must_resolve and REFERENCE.fullmatch(text) and session.resolve(text, frame) is None:
            session.add("not-found", "La ressource désignée est introuvable.", item.place)
        return
    kind = bundle.get("type")
    if not frame.full_url and kind in ("document", "message", "collection") and _RELATIVE.match(text):
        told = "Une référence relative ne mène nulle part dans une entrée de bundle qui n'a pas de fullUrl."
        session.add("invalid", told, item.place)
    plain = text.partition("#")[0]
    match = REFERENCE.fullmatch(plain)
    held = session.entries(bundle)
    entries = held.meant_by(plain, frame.full_url)
    if len(entries) > 1:
        session.add(
            "invalid", "Plusieurs entrées du bundle répondent à cette référence : précisez la version.", item.place
        )
        return
    if entries:
        found = entries[0]["resource"].get("resourceType")
        if match is not None and found != match[2]:
            session.add("invalid", f"La ressource trouvée est de type {found}, pas {match[2]}.", item.place)
        allowed = {target for ref in definition.types for target in ref.targets} if definition is not None else set()
        if allowed and found not in allowed:
            session.add(
                "structure",
                f"La ressource désignée doit être : {', '.join(sorted(allowed))} ; pas {found}.",
                item.place,
            )
        return
    same = held.by_url.get(f"urn:uuid:{match[3]}", []) if match is not None else []
    if match is not None and same and same[0]["resource"].get("resourceType") != match[2]:
        found = same[0]["resource"].get("resourceType")
        session.add(
            "invalid", f"L'entrée du bundle qui porte cet identifiant est de type {found}, pas {match[2]}.", item.place
        )
    elif kind in ("document", "message") and item.frame.resource.get("resourceType") in (
        "Composition",
        "MessageHeader",
    ):
        other = held.meant_by(plain.partition("/_history/")[0], frame.full_url) if "/_history/" in plain else []
        if other:
            text = "Le bundle n'a pas la version désignée, mais il en a une autre de cette ressource."
            session.add("not-found", text, item.place, "warning")
        elif match is None or not match[1] or kind == "document":
            session.add(
                "not-found", "La ressource désignée n'est pas dans le bundle : ajoutez-la comme entrée.", item.place
            )
    elif session.options.must_resolve and match is not None and session.resolve(text, frame) is None:
        session.add("not-found", "La ressource désignée est introuvable.", item.place)
