"""Rules of a few resource types that R4 states in words or that invariants cannot say."""

import re
from collections.abc import Callable

from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.validation import guides, maps, measures, questionnaires, shapes, structures, vocabularies
from virage.core.fhir.validation.conformance import check_profile
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session

Rule = Callable[[Item, Session], None]


# A path of plain names from a type; a name before a parenthesis is a function.
_PATH = re.compile(r"(?<![\w.%'])[A-Z][A-Za-z]+(?:\.[a-z]\w*(?![\w(]))+")


def search_expression(item: Item, session: Session) -> None:
    """The expression of a search parameter is readable, and starts from a base type."""
    expression = item.value.get("expression")
    bases = item.value.get("base", [])
    if type(expression) is not str:
        return
    place = (item.place, "expression", -1)
    try:
        fhirpath.compile(expression)
    except fhirpath.FhirPathError as error:
        session.add("invalid", f"L'expression FHIRPath n'est pas lisible : {error}", place)
        return
    for first in re.findall(r"(?:^|\|)\s*\(?\s*([A-Z][A-Za-z]+)\.", expression):
        if definitions.kind(first) != "resource" or type(bases) is not list:
            continue
        if not any(base == "Resource" or definitions.is_a(str(base), first) for base in bases):
            session.add("invalid", f"L'expression part de {first}, qui n'est pas dans base.", place)
            return
    for path in _PATH.findall(expression):
        if definitions.kind(path.partition(".")[0]) == "resource" and (
            unknown := shapes.stray(path, path.partition(".")[0])
        ):
            session.add("invalid", f"L'expression nomme {unknown}, qui n'existe pas.", place)
            return


def search_parameter(item: Item, session: Session) -> None:
    """A parameter keeps to the one it derives from; a composite has at least two components."""
    value = item.value
    bases = value.get("base", [])
    known = guides.parameter(value.get("derivedFrom"), session)
    if known is not None:
        kind, theirs = known
        if kind != value.get("type"):
            session.add("invalid", "Le type n'est pas celui du paramètre dont il dérive.", item.place)
        if type(bases) is list and theirs and not {str(each) for each in bases} <= theirs and "Resource" not in theirs:
            session.add("invalid", "Une base n'est pas de celles du paramètre dont il dérive.", item.place)
    if value.get("type") == "composite" and len(value.get("component", ())) < 2:
        session.add("invalid", "Un paramètre composite a au moins deux composants (component).", item.place)


# Observations with these codes are vital signs, which R4 asks to follow its profiles (R4, vital signs profile). A profile
# wants the first code of its line; a more precise one is given beside it, never instead of it.
_VITAL_LOINC = {
    "vitalspanel": ("85353-1",),
    "resprate": ("9279-1", "19840-8", "33438-3"),
    "heartrate": ("8867-4", "8889-8", "8890-6", "8891-4", "8892-2", "8893-0", "11328-2"),
    "oxygensat": ("2708-6", "59408-5", "20564-1", "2709-4", "2710-2"),
    "bodytemp": ("8310-5", "8328-7", "8329-5", "8330-3", "8331-1", "8332-9", "8333-7", "8334-5"),
    "bodyheight": ("8302-2", "3137-7", "3138-5", "8306-3", "8308-9"),
    "headcircum": ("9843-4", "8287-5"),
    "bodyweight": ("29463-7", "3141-9", "3142-7", "8350-1", "8351-9"),
    "bmi": ("39156-5", "59574-4"),
    "bp": ("85354-9", "35094-2", "55284-4", "76534-7"),
}
_VITAL_SNOMED = {
    "bp": ("75367002",),
    "heartrate": ("364075005",),
    "resprate": ("86290005",),
    "bodytemp": ("386725007", "276885007"),
    "bodyheight": ("50373000",),
    "bodyweight": ("27113001",),
    "bmi": ("60621009",),
    "oxygensat": ("103228002", "431314004"),
    "headcircum": ("363812007",),
}
_VITAL = {
    system: {code: profile for profile, codes in table.items() for code in codes}
    for system, table in (("http://loinc.org", _VITAL_LOINC), ("http://snomed.info/sct", _VITAL_SNOMED))
}


def observation(item: Item, session: Session) -> None:
    """Vital signs follow their profile, whether the observation declares it or not."""
    concept = item.value.get("code")
    codings = concept.get("coding", ()) if type(concept) is dict else ()
    for each in codings if type(codings) is list else ():
        if type(each) is not dict:
            continue
        profile = _VITAL.get(str(each.get("system")), {}).get(str(each.get("code")))
        if profile is not None:
            with session.after(item.place):
                check_profile(item, "http://hl7.org/fhir/StructureDefinition/" + profile, session)
            return


#: rules that speak of one element, told among those of the elements
EARLY: dict[str, Rule] = {"SearchParameter": search_expression}
#: rules of the whole, told after those of the elements
RULES: dict[str, Rule] = {
    "CapabilityStatement": guides.capability_statement,
    "CodeSystem": vocabularies.code_system,
    "ValueSet": vocabularies.value_set,
    "SearchParameter": search_parameter,
    "StructureDefinition": structures.check,
    "ConceptMap": vocabularies.concept_map,
    "Measure": measures.measure,
    "MeasureReport": measures.report,
    "ImplementationGuide": guides.guide,
    "Observation": observation,
    "OperationDefinition": guides.operation,
    "Questionnaire": questionnaires.definition,
    "QuestionnaireResponse": questionnaires.check,
    "StructureMap": maps.check,
}
