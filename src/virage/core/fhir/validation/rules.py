"""Rules of a few resource types that R4 states in words or that invariants cannot say."""

import re
from collections.abc import Callable
from typing import Any

from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.validation import ecl, measures, questionnaires, structures
from virage.core.fhir.validation.conformance import check_profile
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

Rule = Callable[[Item, Session], None]
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
SNOMED = "http://snomed.info/sct"
_CONCEPT = "http://hl7.org/fhir/concept-properties#"
_PROPERTIES = {
    "inactive": "boolean",
    "deprecated": "dateTime",
    "deprecationDate": "dateTime",
    "notSelectable": "boolean",
    "parent": "code",
    "child": "code",
    "partOf": "code",
    "comment": "string",
}


def search_parameter(item: Item, session: Session) -> None:
    """The expression must be readable and start from a base type; a composite has at least two components."""
    value = item.value
    expression = value.get("expression")
    bases = value.get("base", [])
    if type(expression) is str:
        try:
            fhirpath.compile(expression)
        except fhirpath.FhirPathError as error:
            session.add("invalid", f"L'expression FHIRPath n'est pas lisible : {error}", (item.place, "expression", -1))
        else:
            for first in re.findall(r"(?:^|\|)\s*\(?\s*([A-Z][A-Za-z]+)\.", expression):
                if definitions.kind(first) != "resource" or type(bases) is not list:
                    continue
                if not any(base == "Resource" or definitions.is_a(str(base), first) for base in bases):
                    text = f"L'expression part de {first}, qui n'est pas dans base."
                    session.add("invalid", text, (item.place, "expression", -1))
                    break
    known = session.registry.find("SearchParameter", str(value.get("derivedFrom", "")))
    if known is not None:
        if known.get("type") != value.get("type"):
            session.add("invalid", "Le type n'est pas celui du paramètre dont il dérive.", item.place)
        theirs = set(known.get("base", ()))
        if type(bases) is list and theirs and not {str(each) for each in bases} <= theirs and "Resource" not in theirs:
            session.add("invalid", "Une base n'est pas de celles du paramètre dont il dérive.", item.place)
    if value.get("type") == "composite" and len(value.get("component", ())) < 2:
        session.add("invalid", "Un paramètre composite a au moins deux composants (component).", item.place)


def code_system(item: Item, session: Session) -> None:
    """A supplement says so, and says of what."""
    value = item.value
    if "supplements" in value and value.get("content") != "supplement":
        text = "Un système de codes qui en complète un autre a pour contenu « supplement »."
        session.add("invalid", text, (item.place, "content", -1))
    codes: set[str] = set()
    uris: set[str] = set()
    for prop in children(item, "property"):
        if type(prop.value) is not dict:
            continue
        code, uri = str(prop.value.get("code")), prop.value.get("uri")
        wanted = _PROPERTIES.get(uri.rpartition("#")[2]) if type(uri) is str and uri.startswith(_CONCEPT) else None
        if wanted is not None and prop.value.get("type") != wanted:
            session.add("invalid", f"Cette propriété connue est de type {wanted}.", prop.place)
        if code in codes or uri in uris:
            session.add("duplicate", "Cette propriété est déjà définie : gardez-en une.", prop.place)
        codes.add(code)
        if type(uri) is str:
            uris.add(uri)
    types = {str(prop.get("code")): prop.get("type") for prop in value.get("property", ()) if type(prop) is dict}
    base = value.get("supplements")
    for concept in _concepts(item):
        code = concept.value.get("code")
        if type(base) is str and type(code) is str and session.terminology.knows(base.partition("|")[0], code) is False:
            session.add("code-invalid", "Ce code n'est pas dans le système que celui-ci complète.", concept.place)
        for prop in children(concept, "property"):
            _property(prop, types, session)


def _concepts(item: Item) -> list[Item]:
    found: list[Item] = []
    waiting = children(item, "concept")
    while waiting:
        each = waiting.pop()
        if type(each.value) is dict:
            found.append(each)
            waiting.extend(children(each, "concept"))
    return found


def _property(item: Item, types: dict[str, Any], session: Session) -> None:
    wanted = types.get(str(item.value.get("code"))) if type(item.value) is dict else None
    for each in children(item, "value"):
        if wanted is not None and each.type != wanted:
            text = f"Cette propriété est définie de type {wanted}, et porte une valeur de type {each.type}."
            session.add("invalid", text, item.place)


def value_set(item: Item, session: Session) -> None:
    """Systems are absolute; codes listed from a known system exist in it."""
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
    for concept in children(part, "concept"):
        code = concept.value.get("code") if type(concept.value) is dict else None
        if type(code) is str and session.terminology.knows(system, code) is False:
            session.add("code-invalid", "Ce code n'existe pas dans le système indiqué.", concept.place, "warning")
    for rule in children(part, "filter") if system == SNOMED else ():
        line = rule.value if type(rule.value) is dict else {}
        if line.get("property") == "constraint" and not ecl.is_readable(str(line.get("value", ""))):
            session.add("invalid", "Cette contrainte n'est pas une expression ECL lisible.", rule.place)
    source = session.registry.code_system(system)
    if source is None:
        return
    known = {each.get("code") for each in source.get("property", ())} | {
        each.get("code") for each in source.get("filter", ())
    }
    for rule in children(part, "filter"):
        prop = rule.value.get("property") if type(rule.value) is dict else None
        target, hash_, code = str(rule.value.get("value", "")).rpartition("#") if prop else ("", "", "")
        if hash_ and _ABSOLUTE.fullmatch(target) and session.terminology.knows(target, code) is False:
            session.add("code-invalid", "Ce filtre compare à un code qui n'existe pas dans son système.", rule.place)
        usual = {"concept", "code", "display", "definition", "parent", "child", "status", "inactive", "notSelectable"}
        if prop not in known | usual and (source.get("property") or source.get("filter")):
            session.add("invalid", "Ce filtre porte sur une propriété que le système n'a pas.", rule.place)


def concept_map(item: Item, session: Session) -> None:
    """Codes mapped from or to a system that is here exist in it."""
    for group in children(item, "group"):
        if type(group.value) is not dict:
            continue
        source, target = group.value.get("source"), group.value.get("target")
        for element in children(group, "element"):
            _mapped(element, source, session)
            for each in children(element, "target"):
                _mapped(each, target, session)


def _mapped(item: Item, system: Any, session: Session) -> None:
    code = item.value.get("code") if type(item.value) is dict else None
    if type(system) is str and type(code) is str and session.terminology.knows(system, code) is False:
        text = "Ce code n'existe pas dans le système indiqué par le groupe."
        session.add("code-invalid", text, (item.place, "code", -1))


# Observations with these codes are vital signs, which R4 asks to follow its profiles (R4, vital signs profile).
_VITAL = {
    "85353-1": "vitalspanel",
    "9279-1": "resprate",
    "8867-4": "heartrate",
    "2708-6": "oxygensat",
    "8310-5": "bodytemp",
    "8302-2": "bodyheight",
    "9843-4": "headcircum",
    "29463-7": "bodyweight",
    "39156-5": "bmi",
    "85354-9": "bp",
}
_VITAL_SNOMED = {
    "75367002": "bp",
    "364075005": "heartrate",
    "86290005": "resprate",
    "386725007": "bodytemp",
    "276885007": "bodytemp",
}


def observation(item: Item, session: Session) -> None:
    """Vital signs follow their profile, whether the observation declares it or not."""
    concept = item.value.get("code")
    codings = concept.get("coding", ()) if type(concept) is dict else ()
    for each in codings if type(codings) is list else ():
        if type(each) is not dict:
            continue
        table = {"http://loinc.org": _VITAL, "http://snomed.info/sct": _VITAL_SNOMED}.get(str(each.get("system")), {})
        profile = table.get(str(each.get("code")))
        if profile is not None:
            with session.after(item.place):
                check_profile(item, "http://hl7.org/fhir/StructureDefinition/" + profile, session)
            return


RULES: dict[str, Rule] = {
    "CodeSystem": code_system,
    "ValueSet": value_set,
    "SearchParameter": search_parameter,
    "StructureDefinition": structures.check,
    "ConceptMap": concept_map,
    "Measure": measures.measure,
    "MeasureReport": measures.report,
    "Observation": observation,
    "QuestionnaireResponse": questionnaires.check,
}
