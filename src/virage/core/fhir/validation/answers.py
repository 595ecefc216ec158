"""One answer to a question: its type, its limits, its unit, and whether it is among those proposed.

The extensions read here are those of the specification: minValue, maxValue, minLength, regex, maxDecimalPlaces, maxSize,
mimeType, questionnaire-referenceResource, -referenceProfile, -unitOption and -unitValueSet; and the limits of SDC.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from virage.core.fhir import fhirpath
from virage.core.fhir.fhirpath import regex
from virage.core.fhir.validation.conformance import NUMBERS, compare, conforms_to, is_known
from virage.core.fhir.validation.items import Item, equal
from virage.core.fhir.validation.registry import Registry
from virage.core.fhir.validation.session import REFERENCE, Session, is_resource_type
from virage.core.fhir.validation.terminology import BuiltIn, Terminology

Line = Mapping[str, Any]
CORE = "http://hl7.org/fhir/StructureDefinition/"
SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition/"
TYPES = {
    "boolean": ("boolean",),
    "decimal": ("decimal",),
    "integer": ("integer",),
    "date": ("date",),
    "dateTime": ("dateTime",),
    "time": ("time",),
    "string": ("string",),
    "text": ("string",),
    "url": ("uri",),
    "choice": ("Coding", "date", "time", "integer", "string", "Reference"),
    "open-choice": ("Coding", "string", "date", "time", "integer", "Reference"),
    "attachment": ("Attachment",),
    "reference": ("Reference",),
    "quantity": ("Quantity",),
}


def check(line: Line, value: Item, questionnaire: Line, session: Session) -> None:
    """One value against the question `line` that it answers."""
    kind = line.get("type", "group")
    permitted = TYPES.get(kind, ())
    if permitted and value.type not in permitted:
        text = f"La réponse doit être de type {permitted[0]}, pas {value.type}."
        session.add("structure", text, value.place)
        return
    _limits(line, value, session)
    if value.type == "Attachment":
        _attached(line, value, session)
    elif value.type == "Reference":
        _referred(line, value, session)
    elif value.type == "Quantity":
        _measured(line, value, questionnaire, session)
    options = line.get("answerOption", ())
    listed = line.get("answerValueSet")
    if options and id(line) not in session.proposed:
        session.proposed[id(line)] = marks(options)
    if options and mark(value.value) not in session.proposed[id(line)]:
        free = kind == "open-choice" and (value.type == "string" or _is_free(value))
        if not free:
            session.add("code-invalid", "Cette réponse n'est pas parmi celles qui sont proposées.", value.place)
    elif type(listed) is str:
        _listed(listed, kind, value, questionnaire, session)


def _is_free(value: Item) -> bool:
    """Whether a coded answer is in truth a text."""
    coding = value.value
    return value.type == "Coding" and "display" in coding and "code" not in coding and "system" not in coding


def _listed(listed: str, kind: str, value: Item, questionnaire: Line, session: Session) -> None:
    lists, listed = _list(listed, questionnaire, session)
    if value.type == "Coding":
        if kind == "open-choice" and _is_free(value):
            return
        if lists.member_of(value.value, "Coding", listed) is False:
            session.add("code-invalid", f"Cette réponse n'est pas dans la liste {listed}.", value.place)
    elif kind == "string" and value.type == "string":
        if lists.contains(listed, None, value.value) is False:
            session.add("code-invalid", f"Cette réponse n'est pas dans la liste {listed}.", value.place)
    elif kind == "choice" and value.type == "string":
        session.add("code-invalid", f"Une réponse codée, prise dans la liste {listed}, est attendue.", value.place)


def _list(listed: str, questionnaire: Line, session: Session) -> tuple[Terminology, str]:
    """A value set, and what knows it. One that the questionnaire contains is nobody else's: the registry, which others share,
    does not learn it; it has no name when it is not there."""
    if not listed.startswith("#"):
        return session.terminology, listed
    ident = listed[1:]
    found = (each for each in questionnaire.get("contained", ()) if each.get("id") == ident)
    own = next((each for each in found if each.get("resourceType") == "ValueSet"), None)
    if own is None:
        return session.terminology, ""
    name = f"{questionnaire.get('url', '')}::{ident}"
    return BuiltIn(Registry([{**own, "url": name}], above=session.registry)), name


def _limits(line: Line, value: Item, session: Session) -> None:
    data = value.value
    add = session.add
    if type(data) is str:
        most, least = line.get("maxLength"), extension(line, "minLength")
        if type(most) is int and len(data) > most:
            add("too-long", f"Au plus {most} caractères sont permis.", value.place)
        if type(least) is int and len(data) < least:
            add("invalid", f"Au moins {least} caractères sont attendus.", value.place)
        pattern = extension(line, "regex")
        if type(pattern) is str and not _has_form(pattern, data):
            add("invalid", "La réponse n'a pas la forme demandée.", value.place)
    places = extension(line, "maxDecimalPlaces")
    number = data.get("value") if value.type == "Quantity" and type(data) is dict else data
    if type(places) is int and isinstance(number, int | float | Decimal) and type(number) is not bool:
        text = getattr(number, "text", str(number))
        if len(text.partition(".")[2]) > places:
            add("invalid", f"Au plus {places} décimales sont permises.", value.place)
    for name, sign, word in (("minValue", -1, "inférieure au minimum"), ("maxValue", 1, "supérieure au maximum")):
        limit = extension(line, name)
        if limit is None:
            limit = extension(line, "sdc-questionnaire-" + name.replace("Value", "Quantity"), SDC)
        if limit is None:
            continue
        if type(limit) is dict and type(data) is dict and not (limit.get("code") and data.get("code")):
            if limit.get("unit") is not None or data.get("unit") is not None:
                text = "Cette quantité ne peut être comparée à la limite : donnez système et code d'unité."
                add("invalid", text, value.place)
            continue
        order = compare(data, limit)
        if order is not None and order * sign > 0:
            add("invalid", f"La valeur est {word} permis.", value.place)


def _measured(line: Line, value: Item, questionnaire: Line, session: Session) -> None:
    """The unit of a quantity is one of those proposed, unless the question leaves it open."""
    data: Line = value.value if type(value.value) is dict else {}
    if extension(line, "sdc-questionnaire-unitOpen", SDC) in ("optionsOrType", "optionsOrString"):
        return
    options = [each for each in _extensions(line, "questionnaire-unitOption") if type(each) is dict]
    listed = extension(line, "questionnaire-unitValueSet")
    if not options and type(listed) is not str:
        return
    for each in options:
        if "code" in data and agree(data, each):
            return
        if "code" not in data and "unit" in data and data["unit"] in (each.get("display"), each.get("code")):
            return
    answer: bool | None = False
    if type(listed) is str:
        lists, listed = _list(listed, questionnaire, session)
        answer = lists.member_of(data, "Quantity", listed) if "code" in data else False
    if answer is False:
        session.add("code-invalid", "Cette unité n'est pas parmi celles qui sont proposées.", value.place)


def _attached(line: Line, value: Item, session: Session) -> None:
    data: Line = value.value if type(value.value) is dict else {}
    most = extension(line, "maxSize")
    size = data.get("size")
    if type(size) is not int and type(data.get("data")) is str:
        size = len(data["data"]) * 3 // 4
    if isinstance(most, NUMBERS) and type(size) is int and size > most:
        session.add("too-long", f"Le fichier dépasse la taille permise ({most} octets).", value.place)
    kinds = [str(each) for each in _extensions(line, "mimeType")]
    held = str(data.get("contentType", ""))
    if kinds and not any(held.startswith(each.removesuffix("*")) for each in kinds):
        session.add("invalid", f"Le format du fichier doit être : {', '.join(kinds)}.", value.place)


def _referred(line: Line, value: Item, session: Session) -> None:
    data: Line = value.value if type(value.value) is dict else {}
    reference = str(data.get("reference", ""))
    kinds = _extensions(line, "questionnaire-referenceResource")
    match = REFERENCE.fullmatch(reference)
    if session.options.assume_rest and match is not None and match[1] and not is_resource_type(match[2]):
        text = "Cette référence nomme un type de ressource qui n'existe pas en FHIR R4."
        session.add("invalid", text, value.place)
        return
    found = session.resolve(reference, value.frame) if reference else None
    kind = str(found[0].get("resourceType")) if found else match[2] if match else data.get("type")
    if kinds and kind and kind not in kinds:
        session.add("structure", f"La ressource désignée doit être : {', '.join(map(str, kinds))}.", value.place)
        return
    profiles = [str(each) for each in _extensions(line, "questionnaire-referenceProfile")]
    if found and profiles and all(is_known(each, session) for each in profiles):
        inner = Item(found[0], None, str(kind), value.place, found[1])
        if not any(conforms_to(inner, each, session) for each in profiles):
            text = f"La ressource désignée n'est conforme à aucun des profils attendus : {', '.join(profiles)}."
            session.add("structure", text, value.place)


def _extensions(line: Line, name: str, space: str = CORE) -> list[Any]:
    """The values of the extensions of this name."""
    return [
        next((value for key, value in each.items() if key.startswith("value")), None)
        for each in line.get("extension", ())
        if each.get("url") == space + name
    ]


def extension(line: Line, name: str, space: str = CORE) -> Any:
    """The value of the first extension of this name."""
    found = _extensions(line, name, space)
    return found[0] if found else None


def _has_form(pattern: str, text: str) -> bool:
    """Whether a text has the form that a questionnaire asks for; a pattern that cannot be read asks for nothing."""
    try:
        return regex.matches(pattern, text, full=True)
    except fhirpath.FhirPathError:
        return True


def agree(value: Any, wanted: Any) -> bool:
    """Whether an answer is the one wanted: quantities by what they measure, codes by system and code, references by what they
    name, other values as they are."""
    if type(value) is dict and type(wanted) is dict:
        if "value" in wanted:
            return compare(value, wanted) == 0
        if "code" in wanted:
            return bool(value.get("code") == wanted.get("code") and value.get("system") == wanted.get("system"))
        if "reference" in wanted:
            return bool(wanted["reference"] == value.get("reference"))
    return equal(value, wanted)


def mark(value: Any) -> Any:
    """What tells an answer among those proposed: two that agree have the same mark."""
    if type(value) is dict:
        if "code" in value:
            return "code", str(value.get("system")), str(value["code"])
        return (
            ("reference", str(value["reference"])) if "reference" in value else ("other", repr(sorted(value.items())))
        )
    if isinstance(value, NUMBERS) and type(value) is not bool:
        return "number", Decimal(str(value))
    return "text", str(value)


def marks(options: Any) -> frozenset[Any]:
    """The marks of options."""
    return frozenset(mark(content) for each in options for key, content in each.items() if key.startswith("value"))
