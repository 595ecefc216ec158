"""Code systems, value sets and concept maps in themselves: what they count, what they name, what their filters compare."""

import re
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import fhirpath
from virage.core.fhir.fhirpath import regex
from virage.core.fhir.validation import ecl, primitives
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
SNOMED = "http://snomed.info/sct"
_CONCEPT = "http://hl7.org/fhir/concept-properties#"
#: the properties that every code system may use (concept-properties), and their types
_PROPERTIES = {
    "status": "code",
    "inactive": "boolean",
    "effectiveDate": "dateTime",
    "deprecated": "dateTime",
    "deprecationDate": "dateTime",
    "retirementDate": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
    "partOf": "code",
    "synonym": "code",
    "comment": "string",
    "itemWeight": "decimal",
}
_OTHERS = frozenset({"alternateCode", "definition", "order"})
#: those whose value is a code of the same system
_INTERNAL = frozenset({"parent", "child", "partOf", "synonym"})


def code_system(item: Item, session: Session) -> None:
    """What a code system says of itself: a supplement of what, how many concepts, which properties, which value set of all."""
    value = item.value
    content = value.get("content")
    concepts = _concepts(item)
    if "supplements" in value and content != "supplement":
        text = "Un système de codes qui en complète un autre a pour contenu « supplement »."
        session.add("invalid", text, (item.place, "content", -1))
    elif content == "supplement" and "supplements" not in value:
        session.add("required", "Un supplément dit de quel système de codes (supplements).", item.place)
    if content == "not-present" and concepts:
        text = "Ce système dit ne pas donner ses codes, et en donne : corrigez content ou retirez-les."
        session.add("invalid", text, (item.place, "concept", 0))
    count = value.get("count")
    if content == "complete" and type(count) is int and count != len(concepts):
        text = f"Ce système est complet et compte {len(concepts)} codes, pas {count}."
        session.add("invalid", text, (item.place, "count", -1))
    _all_of_it(item, session)
    kinds = _defined(item, session)
    codes = {each.value.get("code") for each in concepts}
    base = value.get("supplements")
    for concept in concepts:
        code = concept.value.get("code")
        if type(base) is str and type(code) is str and session.terminology.knows(base.partition("|")[0], code) is False:
            session.add("code-invalid", "Ce code n'est pas dans le système que celui-ci complète.", concept.place)
        for prop in children(concept, "property"):
            _property(prop, kinds, codes if content == "complete" else None, session)


def _all_of_it(item: Item, session: Session) -> None:
    """The value set of all its codes includes this system, whole, and nothing else."""
    named = item.value.get("valueSet")
    source = session.registry.value_set(named) if type(named) is str else None
    if source is None:
        return
    compose = source.get("compose")
    includes = compose.get("include", ()) if isinstance(compose, Mapping) else ()
    parts = [each for each in includes if isinstance(each, Mapping)]
    if len(parts) != 1 or parts[0].get("system") != item.value.get("url"):
        text = "La liste de valeurs de tous les codes (valueSet) doit inclure ce système, et lui seul."
        session.add("invalid", text, item.place)
    elif parts[0].keys() & {"concept", "filter", "valueSet"}:
        text = "La liste de valeurs de tous les codes (valueSet) doit inclure ce système sans rien en choisir."
        session.add("invalid", text, item.place)


def _defined(item: Item, session: Session) -> dict[str, tuple[Any, Any]]:
    """The properties that a code system defines: (type, URI) by code."""
    found: dict[str, tuple[Any, Any]] = {}
    uris: set[str] = set()
    for prop in children(item, "property"):
        if type(prop.value) is not dict:
            continue
        code, uri, kind = str(prop.value.get("code")), prop.value.get("uri"), prop.value.get("type")
        known = uri[len(_CONCEPT) :] if type(uri) is str and uri.startswith(_CONCEPT) else ""
        if known in _PROPERTIES:
            if kind is not None and kind != _PROPERTIES[known]:
                session.add("invalid", f"Cette propriété connue est de type {_PROPERTIES[known]}.", prop.place)
            if code in _PROPERTIES and code != known:
                text = f"Cette adresse est celle de la propriété « {known} » : « {code} » en désigne une autre."
                session.add("invalid", text, prop.place)
        elif known and known not in _OTHERS:
            session.add("invalid", "Cette adresse n'est celle d'aucune propriété de concepts d'HL7.", prop.place)
        if type(uri) is str and not _ABSOLUTE.fullmatch(uri):
            session.add("invalid", "L'adresse (uri) d'une propriété doit être absolue.", prop.place)
        if code in found or uri in uris:
            session.add("duplicate", "Cette propriété est déjà définie : gardez-en une.", prop.place)
        found[code] = (kind, uri)
        if type(uri) is str:
            uris.add(uri)
    return found


def _concepts(item: Item) -> list[Item]:
    found: list[Item] = []
    waiting = children(item, "concept")
    while waiting:
        each = waiting.pop()
        if type(each.value) is dict:
            found.append(each)
            waiting.extend(children(each, "concept"))
    return found


def _property(item: Item, kinds: Mapping[str, tuple[Any, Any]], codes: set[Any] | None, session: Session) -> None:
    """The value of a property has the type defined; where it is a code of this system, it is one."""
    wanted, uri = kinds.get(str(item.value.get("code")), (None, None)) if type(item.value) is dict else (None, None)
    for each in children(item, "value"):
        if wanted is not None and each.type != wanted:
            text = f"Cette propriété est définie de type {wanted}, et porte une valeur de type {each.type}."
            session.add("invalid", text, item.place)
        elif codes is not None and str(uri).removeprefix(_CONCEPT) in _INTERNAL and each.value not in codes:
            session.add("code-invalid", "Cette propriété désigne un code que le système n'a pas.", item.place)


def value_set(item: Item, session: Session) -> None:
    """Systems are absolute and are code systems; codes and filters fit those that are known."""
    for compose in children(item, "compose"):
        for side in ("include", "exclude"):
            for part in children(compose, side):
                _include(part, session)


def _include(part: Item, session: Session) -> None:
    system = part.value.get("system")
    if type(system) is not str:
        return
    if not _ABSOLUTE.fullmatch(system):
        text = "Le système d'une liste de valeurs se donne par son adresse absolue, même s'il est contenu."
        session.add("invalid", text, part.place)
        return
    plain, bar, version = system.partition("|")
    if bar and version:
        text = "La version d'un système se donne à part (version), pas à la suite de son adresse."
        session.add("invalid", text, part.place)
    source = session.registry.code_system(plain)
    if source is None and session.registry.value_set(plain) is not None:
        text = "C'est une liste de valeurs qui est nommée ici, pas un système de codes : citez-la par valueSet."
        session.add("invalid", text, part.place)
        return
    if source is not None and source.get("content") == "supplement":
        text = "Ce système n'est qu'un supplément : nommez le système qu'il complète."
        session.add("invalid", text, part.place)
        return
    for concept in children(part, "concept"):
        code = concept.value.get("code") if type(concept.value) is dict else None
        if type(code) is str and session.terminology.knows(plain, code) is False:
            session.add("code-invalid", "Ce code n'existe pas dans le système indiqué.", concept.place, "warning")
    for rule in children(part, "filter"):
        line = rule.value if type(rule.value) is dict else {}
        if (
            system == SNOMED
            and line.get("property") == "constraint"
            and not ecl.is_readable(str(line.get("value", "")))
        ):
            session.add("invalid", "Cette contrainte n'est pas une expression ECL lisible.", rule.place)
        if line.get("op") == "regex" and not _is_pattern(line.get("value")):
            session.add("invalid", "Ce filtre n'est pas une expression régulière lisible.", rule.place)
        elif line.get("op") == "exists" and "value" in line and line["value"] not in ("true", "false"):
            session.add("invalid", "Un filtre « exists » vaut true ou false.", rule.place)
        elif source is not None:
            _filter(rule, source, plain, session)


def _is_pattern(value: Any) -> bool:
    try:
        regex.matches(str(value), "", full=True)
    except fhirpath.FhirPathError:
        return False
    return True


#: the properties that a filter may always name (R4, code system: filters), and the code of whose system they compare
_USUAL = frozenset(
    {
        "concept",
        "code",
        "display",
        "definition",
        "designation",
        "parent",
        "child",
        "status",
        "inactive",
        "notSelectable",
    }
)
_CODES = frozenset({"concept", "code", "parent", "child", "partOf"})
_KINDS = ("boolean", "dateTime", "integer", "decimal")
_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def _filter(rule: Item, source: Mapping[str, Any], system: str, session: Session) -> None:
    """A filter on a known system: a property it has, compared to a value that this property may have."""
    line = rule.value if type(rule.value) is dict else {}
    prop, operator, value = line.get("property"), line.get("op"), line.get("value")
    kinds = {each.get("code"): each.get("type") for each in source.get("property", ())}
    known = {*kinds, *(each.get("code") for each in source.get("filter", ()))}
    if prop not in known | _USUAL and known:
        session.add("invalid", "Ce filtre porte sur une propriété que le système n'a pas.", rule.place)
        return
    if type(value) is not str or operator == "regex":
        return
    target, hash_, code = value.rpartition("#")
    if hash_ and _ABSOLUTE.fullmatch(target) and session.terminology.knows(target.partition("|")[0], code) is False:
        session.add("code-invalid", "Ce filtre compare à un code qui n'existe pas dans son système.", rule.place)
        return
    if operator == "exists":
        return
    listed = value.split(",") if operator in ("in", "not-in") else [value]
    if prop in _CODES and not hash_:
        if any(session.terminology.knows(system, each.strip()) is False for each in listed):
            session.add("code-invalid", "Ce filtre compare à un code qui n'existe pas dans ce système.", rule.place)
        return
    kind = kinds.get(prop) or ("boolean" if prop in ("inactive", "notSelectable") else None)
    if kind in _KINDS and not all(_fits(each.strip(), str(kind)) for each in listed):
        session.add("invalid", f"Cette propriété est de type {kind} : le filtre compare à autre chose.", rule.place)


def _fits(text: str, kind: str) -> bool:
    if kind == "boolean":
        return text in ("true", "false")
    if kind == "dateTime":
        return primitives.date_time(text) is None
    return bool(_NUMBER.fullmatch(text)) and (kind == "decimal" or text.lstrip("+-").isdigit())


def concept_map(item: Item, session: Session) -> None:
    """Codes mapped from or to a system that is here exist in it, and are in the value sets that the map is made for."""
    scopes = {side: _scope(item, side, session) for side in ("source", "target")}
    for group in children(item, "group"):
        if type(group.value) is not dict:
            continue
        source, target = group.value.get("source"), group.value.get("target")
        for element in children(group, "element"):
            _mapped(element, source, scopes["source"], session)
            for each in children(element, "target"):
                _mapped(each, target, scopes["target"], session)


def _scope(item: Item, side: str, session: Session) -> str:
    """The value set of one side of a map; "" where none is told or known."""
    for each in children(item, side):
        if type(each.value) is str and session.registry.value_set(each.value) is not None:
            return each.value
        if type(each.value) is str and session.registry.code_system(each.value) is not None:
            session.add(
                "invalid", "C'est un système de codes qui est désigné ici, pas une liste de valeurs.", each.place
            )
    return ""


def _mapped(item: Item, system: Any, scope: str, session: Session) -> None:
    code = item.value.get("code") if type(item.value) is dict else None
    if type(system) is not str or type(code) is not str:
        return
    plain = system.partition("|")[0]
    known = session.terminology.knows(plain, code)
    if known is False:
        text = "Ce code n'existe pas dans le système indiqué par le groupe."
        session.add("code-invalid", text, (item.place, "code", -1))
    elif known and scope and session.terminology.contains(scope, plain, code) is False:
        text = "Ce code n'est pas dans la liste de valeurs pour laquelle la table est faite."
        session.add("code-invalid", text, (item.place, "code", -1))
