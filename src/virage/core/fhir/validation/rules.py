"""Rules of a few resource types that R4 states in words or that invariants cannot say."""

import re
from collections.abc import Callable
from typing import Any

from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.validation import questionnaires, shapes
from virage.core.fhir.validation.conformance import check_profile
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session

Rule = Callable[[Item, Session], None]
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
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


def structure_definition(item: Item, session: Session) -> None:
    """A type that R4 does not have is named by an absolute address; a specialisation of R4 keeps R4's names."""
    value = item.value
    name = value.get("type")
    if type(name) is str and not _ABSOLUTE.match(name) and not definitions.kind(name):
        text = "Ce type n'existe pas en FHIR R4 : un modèle logique se nomme par une adresse absolue."
        session.add("invalid", text, (item.place, "type", -1))
    if value.get("derivation") == "constraint" and type(name) is str and definitions.kind(name):
        for line in value.get("differential", {}).get("element", ()):
            unknown = shapes.stray(line.get("path"), name) if type(line) is dict else ""
            if unknown:
                text = (
                    f"Le chemin {unknown} n'existe pas dans {name}, ou abrège un choix [x] par un type qu'il n'a pas."
                )
                session.add("invalid", text, item.place)


def measure_report(item: Item, session: Session) -> None:
    """Subjects of a population agree with its count and with the type of the report."""
    kind = item.value.get("type")
    for group in children(item, "group"):
        for population in children(group, "population"):
            results = population.value.get("subjectResults")
            if results is not None and kind != "subject-list":
                text = "Seul un rapport de type « subject-list » désigne ses sujets."
                session.add("invalid", text, population.place)
            if results is None or type(results) is not dict:
                continue
            found = session.resolve(str(results.get("reference", "")), population.frame)
            count = population.value.get("count")
            if found is not None and type(count) is int:
                entries = found[0].get("entry", ())
                if found[0].get("resourceType") == "List" and len(entries) != count:
                    session.add("invalid", "Le compte n'est pas celui des sujets de la liste.", population.place)


def identifiers(item: Item, session: Session) -> None:
    """Identifiers in the system of URIs carry a whole URI (`urn:oid:…`)."""
    for each in children(item, "identifier"):
        value: Any = each.value
        if type(value) is dict and value.get("system") == "urn:ietf:rfc:3986":
            text = value.get("value")
            if type(text) is str and not _ABSOLUTE.match(text):
                session.add(
                    "invalid",
                    "Dans urn:ietf:rfc:3986, la valeur est une URI entière (urn:oid:…, urn:uuid:…).",
                    each.place,
                )


def _both(first: Rule, second: Rule) -> Rule:
    def run(item: Item, session: Session) -> None:
        first(item, session)
        second(item, session)

    return run


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
    "CodeSystem": _both(identifiers, code_system),
    "ValueSet": _both(identifiers, value_set),
    "SearchParameter": search_parameter,
    "StructureDefinition": _both(identifiers, structure_definition),
    "MeasureReport": measure_report,
    "Observation": observation,
    "QuestionnaireResponse": questionnaires.check,
}
