"""`_list`: the resources that a List names."""

from virage.core.access import Filter
from virage.core.fhir.index.forms import REFERENCE
from virage.core.fhir.search.context import split
from virage.core.fhir.search.errors import BadSearch, TooDear, bad_value
from virage.core.fhir.search.facts import facts
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import read
from virage.core.fhir.store.space import by_code

MAX_ITEMS = 5000


def listed(space: int, type_: str, value: str, rule: Filter) -> list[str]:
    """The ids of the resources of a type that Lists name, those that they mark as deleted left out.

    A List that the caller may not see, or that is not there, names nothing. Raises BadSearch, TooDear.
    """
    found: dict[str, None] = {}
    for id_ in split(value):
        if id_.startswith("$"):
            raise BadSearch(
                "« _list » : les listes calculées ($current-problems, …) ne sont pas servies ; donnez l'identifiant d'une List.",
                code="FHIR.SEARCH_UNSERVED",
                issue="not-supported",
                path="_list",
            )
        id_ = id_.removeprefix("List/")
        if not places.ID.fullmatch(id_):
            raise bad_value("_list", "l'identifiant d'une List est attendu.")
        version = read(by_code(space), "List", id_)
        if version is None or version.deleted or not rule.admits(facts(space, version.resource)).allowed:
            continue
        for entry in version.resource.get("entry", ()):
            match = REFERENCE.fullmatch((entry.get("item") or {}).get("reference") or "")
            if match and match[1] == type_ and entry.get("deleted") is not True:
                found[match[2]] = None
    if len(found) > MAX_ITEMS:
        raise TooDear(
            f"« _list » nomme plus de {MAX_ITEMS} ressources {type_} : prenez des listes plus courtes.", path="_list"
        )
    return list(found)
