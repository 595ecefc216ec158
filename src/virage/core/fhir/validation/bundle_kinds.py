"""What each kind of bundle adds: answers to a search, documents whose entries hang together, links between pages."""

from collections import defaultdict
from typing import Any
from urllib.parse import parse_qs

from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Entries, Session, is_resource_type

_PAGES = frozenset({"self", "first", "prev", "previous", "next", "last"})
_STYLE = "hl7.org/fhir/fhir.css"
_ADDRESSES = ("reference", "url", "uri", "valueUrl", "valueUri")


def check(item: Item, entries: list[Item], session: Session) -> None:
    """Links, then what the type of the bundle asks of its entries."""
    kind = item.value.get("type")
    links = children(item, "link")
    _links(links, kind, item, session)
    if kind == "searchset":
        _search(links, entries, session)
    elif kind in ("batch", "transaction"):
        for entry in entries:
            _request(entry, session)
    elif kind in ("document", "message"):
        _reached(item, entries, "error" if kind == "document" else "warning", session)


def _links(links: list[Item], kind: Any, item: Item, session: Session) -> None:
    seen: set[Any] = set()
    paged = kind in ("searchset", "history")
    for link in links:
        relation = link.value.get("relation") if type(link.value) is dict else None
        url = link.value.get("url") if type(link.value) is dict else None
        if type(relation) is not str or type(url) is not str:
            continue
        if relation in _PAGES and not paged and relation != "self":
            text = f"Un lien « {relation} » mène d'une page à l'autre d'une recherche : il n'a pas de sens ici."
            session.add("invalid", text, (link.place, "relation", -1))
        elif relation in _PAGES:
            if relation in seen:
                text = f"Un seul lien « {relation} » est permis."
                session.add("invalid", text, link.place if paged else (link.place, "relation", -1))
            seen.add(relation)
        if relation != "stylesheet":
            continue
        place = (link.place, "url", -1)
        if not url.startswith(("http:", "https:")):
            held = session.entries(item.value)
            if not (held.by_url.get(url) or held.meant_by(url, "")):
                text = "La feuille de style n'est pas dans le bundle : ajoutez-la comme entrée (Binary)."
                session.add("not-found", text, place)
        elif not url.endswith(_STYLE):
            session.add("invalid", "Une feuille de style extérieure ne devrait pas être employée.", place, "warning")


def _search(links: list[Item], entries: list[Item], session: Session) -> None:
    wanted: set[str] = set()
    for link in links:
        if type(link.value) is dict and link.value.get("relation") == "self":
            wanted = _types_of(str(link.value.get("url", "")))
    for entry in entries:
        if type(entry.value) is not dict:
            continue
        resource = entry.value.get("resource")
        mode = _mode(entry)
        if type(resource) is not dict:
            session.add("invalid", "Une réponse à une recherche porte une ressource dans chaque entrée.", entry.place)
            continue
        place, name = (entry.place, "resource", -1), resource.get("resourceType")
        if mode == "outcome":
            if name != "OperationOutcome":
                session.add("invalid", "Une entrée de mode « outcome » est un OperationOutcome.", place)
            continue
        if "id" not in resource and name != "OperationOutcome":
            severity = "error" if mode else "warning"
            session.add("invalid", "Une ressource trouvée par une recherche a un id.", place, severity)
        if mode == "match" and wanted and name not in wanted:
            session.add("invalid", f"La recherche porte sur {', '.join(sorted(wanted))}, pas sur {name}.", place)


def _request(entry: Item, session: Session) -> None:
    """What a request writes is there, is of the type that its address names, and has the id that it names (R4, http: update)."""
    line = entry.value if type(entry.value) is dict else {}
    request, content = line.get("request"), line.get("resource")
    method = request.get("method") if type(request) is dict else None
    if type(request) is not dict or method not in ("POST", "PUT"):
        return
    path, query, _ = str(request.get("url", "")).partition("?")
    name, slash, ident = path.partition("/")
    if not is_resource_type(name) or ident.startswith("$"):
        return  # an operation, or an address that cannot be followed
    if type(content) is not dict:
        if not (slash and ident):
            session.add("required", f"Une requête {method} porte la ressource à écrire (resource).", entry.place)
        return
    if content.get("resourceType") != name:
        text = f"L'adresse de la requête est celle d'une ressource {name}, pas {content.get('resourceType')}."
        session.add("invalid", text, entry.place)
    elif method == "PUT" and slash and not query and content.get("id") != ident:
        text = "Une ressource mise à jour (PUT) porte l'id que nomme l'adresse de la requête."
        session.add("invalid", text, entry.place)


def _mode(entry: Item) -> Any:
    search = entry.value.get("search")
    return search.get("mode") if type(search) is dict else None


def _types_of(url: str) -> set[str]:
    """The types that a search looks for, as far as its address tells."""
    path, _, query = url.partition("?")
    last = path.removesuffix("/_search").rpartition("/")[2]
    if is_resource_type(last):
        return {last}
    return {each for given in parse_qs(query).get("_type", ()) for each in given.split(",") if is_resource_type(each)}


def _reached(item: Item, entries: list[Item], severity: str, session: Session) -> None:
    """Every entry hangs on the first by references, one way or the other."""
    held = session.entries(item.value)
    places: dict[int, int] = {}
    for index, entry in enumerate(entries):
        if type(entry.value) is dict and type(entry.value.get("resource")) is dict:
            places[id(entry.value)] = index
    if 0 not in places.values():
        return
    near: dict[int, set[int]] = defaultdict(set)
    for index, entry in enumerate(entries):
        if type(entry.value) is not dict:
            continue
        url = entry.value.get("fullUrl")
        for text in _references(entry.value.get("resource")):
            for other in _meant(held, text, url if type(url) is str else ""):
                if (target := places.get(id(other))) is not None:
                    near[index].add(target)
                    near[target].add(index)
    start = {0, *_styles(item, held, places)}
    reached, waiting = start, list(start)
    while waiting:
        following = near[waiting.pop()] - reached
        reached |= following
        waiting.extend(following)
    for index in places.values():
        if index not in reached:
            text = "Rien ne relie cette entrée à la première, dans un sens ni dans l'autre : citez-la ou retirez-la."
            session.add("invalid", text, entries[index].place, severity)


def _styles(item: Item, held: Entries, places: dict[int, int]) -> set[int]:
    """The entries that are style sheets of the bundle."""
    found: set[int] = set()
    for link in children(item, "link"):
        if type(link.value) is dict and link.value.get("relation") == "stylesheet":
            for entry in held.by_url.get(str(link.value.get("url")), []) or held.meant_by(
                str(link.value.get("url")), ""
            ):
                if (target := places.get(id(entry))) is not None:
                    found.add(target)
    return found


def _meant(held: Entries, text: str, full_url: str) -> list[Any]:
    plain = text.partition("#")[0]
    return held.meant_by(plain, full_url) or held.meant_by(plain.partition("/_history/")[0], full_url)


def _references(value: Any) -> list[str]:
    """What a resource points at: by references, and by the addresses that it gives, such as that of an attachment."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if type(each) is dict:
            for name in _ADDRESSES:
                text = each.get(name)
                if type(text) is str and not text.startswith("#"):
                    found.append(text)
            waiting.extend(each.values())
        elif type(each) is list:
            waiting.extend(each)
    return found
