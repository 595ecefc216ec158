"""Maps from one form to another (StructureMap): groups and variables that are there, as R4 asks."""

from collections.abc import Mapping
from typing import Any

from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

# The parameters of these are the names of variables and, for some, words of their own.
_NAMED = frozenset({"copy", "truncate", "cast", "append", "translate", "reference", "pointer", "qty", "id", "cc", "c"})


def check(item: Item, session: Session) -> None:
    """Groups are named once; what a rule reads, writes or calls is known where it stands."""
    imports = item.value.get("import")
    groups: dict[str, int] = {}
    for group in children(item, "group"):
        line = _line(group)
        name = str(line.get("name"))
        if name in groups:
            session.add("duplicate", "Ce nom de groupe est déjà pris : gardez-en un.", group.place)
        groups[name] = len(line.get("input", ()))
    for group in children(item, "group"):
        line = _line(group)
        names: set[str] = set()
        for each in children(group, "input"):
            name = str(_line(each).get("name"))
            if name in names:
                session.add("duplicate", "Ce nom d'entrée est déjà pris dans le groupe.", each.place)
            names.add(name)
        extended = line.get("extends")
        if type(extended) is str and extended not in groups and not imports:
            session.add("not-found", "Le groupe étendu n'est pas dans cette carte, qui n'en importe pas.", group.place)
        _rules(group, names, {} if imports else groups, session)


def _line(item: Item) -> Mapping[str, Any]:
    return item.value if type(item.value) is dict else {}


def _rules(holder: Item, above: set[str], groups: Mapping[str, int], session: Session) -> None:
    """The rules of a group or of a rule; no groups: they may be elsewhere."""
    for rule in children(holder, "rule"):
        known = set(above)
        for source in children(rule, "source"):
            _context(source, "Type ou variable", known, session)
            known.add(str(_line(source).get("variable", "")))
        for target in children(rule, "target"):
            line = _line(target)
            if line.get("contextType") != "type":
                _context(target, "Variable", known, session)
            if line.get("transform") in _NAMED:
                for parameter in children(target, "parameter"):
                    if (name := _line(parameter).get("valueId")) is not None and name not in known:
                        session.add("not-found", "Cette variable n'est pas connue à cet endroit.", parameter.place)
            known.add(str(line.get("variable", "")))
        for call in children(rule, "dependent"):
            line = _line(call)
            given = line.get("variable", [])
            if groups and line.get("name") not in groups:
                session.add(
                    "not-found", "Le groupe appelé n'est pas dans cette carte, qui n'en importe pas.", call.place
                )
            elif groups and len(given) != groups[str(line.get("name"))]:
                session.add("invalid", "Le groupe appelé n'attend pas ce nombre de variables.", call.place)
            if any(each not in known for each in given):
                session.add("not-found", "Une variable donnée n'est pas connue à cet endroit.", call.place)
        _rules(rule, known, groups, session)


def _context(item: Item, what: str, known: set[str], session: Session) -> None:
    context = _line(item).get("context")
    if type(context) is str and context not in known and not context[:1].isupper():
        session.add("not-found", f"{what} inconnue à cet endroit : nommez une variable donnée plus haut.", item.place)
