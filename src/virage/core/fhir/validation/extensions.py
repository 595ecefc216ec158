"""Extensions against their definitions: known, in a place they are meant for, and shaped as defined."""

import re
from collections import Counter
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.validation import invariants
from virage.core.fhir.validation.conformance import check_profile, conforms_to
from virage.core.fhir.validation.items import Item
from virage.core.fhir.validation.session import Session

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
HL7 = "http://hl7.org/fhir/StructureDefinition/"
_EXAMPLE = re.compile(r"//(?:[\w.-]*\.)?(?:example\.(?:org|com|net)|acme\.(?:org|com))(?:[/:]|$)")
_TOOLS = "http://hl7.org/fhir/tools/"  # notes for the programs that publish specifications: they bind no instance
_CROSS = re.compile(r"http://hl7\.org/fhir/([0-9]\.[0-9])/StructureDefinition/extension-([A-Za-z]+)\.(.+)")
# Places that the published contexts of R4 forget and its own definitions use (HL7 ticket FHIR-13328, and R5).
_ALSO: dict[str, list[dict[str, str]]] = {
    HL7 + "regex": [{"type": "element", "expression": "ElementDefinition.type"}],
    HL7 + "structuredefinition-fhir-type": [{"type": "element", "expression": "ElementDefinition.type"}],
    HL7 + "structuredefinition-normative-version": [{"type": "element", "expression": "Element"}],
    HL7 + "capabilitystatement-expectation": [{"type": "element", "expression": "Element"}],
    HL7 + "capabilitystatement-prohibited": [{"type": "element", "expression": "Element"}],
}
# Published by HL7 in later versions of the package of extensions than the one kept here: their content is not checked.
_LATER = frozenset(
    {
        "inherit-obligations",
        "narrative-language-control",
        "narrative-source-control",
        "obligation-profile-flag",
        "textLink",
    }
)
_VERSIONS = frozenset({"1.0", "1.4", "3.0", "4.0", "4.3", "5.0", "6.0"})
_CROSS_MODIFIERS = frozenset({"Patient.animal"})


def check_extension(item: Item, holder: Item, above: list[Item], session: Session) -> None:
    """One extension, on the element `holder`, below the elements `above`."""
    url = item.value.get("url")
    if type(url) is not str or not url:
        return
    nested = holder.type == "Extension"
    if not _ABSOLUTE.fullmatch(url):
        if not nested:
            session.add("extension", "L'adresse d'une extension (url) doit être absolue.", item.place)
        else:
            _part(url, item, holder, session)
        return
    cross = _CROSS.fullmatch(url)
    if cross:
        if cross[1] not in _VERSIONS:
            session.add("extension", "Cette extension vient d'une version de FHIR qui n'existe pas.", item.place)
            return
        _cross_version(item, cross[2], cross[3], session)
        return
    if "|" in url and session.registry.structure(url.partition("|")[0]) is not None:
        text = "L'adresse d'une extension ne porte pas de version : retirez ce qui suit « | »."
        session.add("extension", text, item.place)
        return
    source = session.registry.structure(url)
    modifier = item.place[1] == "modifierExtension"
    if source is None:
        _unknown(item, url, modifier, session)
        return
    if source.get("type") != "Extension":
        session.add("extension", "Cette adresse ne définit pas une extension.", item.place)
        return
    if is_modifier(source) != modifier:
        text = (
            "Cette extension n'est pas un modificateur : écrivez-la dans extension."
            if modifier
            else "Cette extension modifie le sens de l'élément : écrivez-la dans modifierExtension."
        )
        session.add("extension", text, item.place)
    if not nested or "context" in source:
        _context(source, item, holder, above, session)
    check_profile(item, url, session)


def repeated(items: list[Item], holder: Item, session: Session) -> None:
    """Extensions of one element are no more than the root of their definition permits."""
    if len(items) < 2:
        return
    counts = Counter(str(each.value.get("url")) for each in items if type(each.value) is dict)
    for url, count in counts.items():
        source = session.registry.structure(url) if count > 1 else None
        for line in _lines(source)[:1] if source is not None and source.get("type") == "Extension" else ():
            most = line.get("max")
            if line.get("path") == "Extension" and type(most) is str and most.isdecimal() and count > int(most[:9]):
                text = f"L'extension {url} est permise {most} fois au plus ici, {count} trouvées."
                session.add("structure", text, holder.place)


def _lines(source: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The elements of a definition: of its snapshot, else of its differential."""
    found: list[Mapping[str, Any]] = source.get("snapshot", {}).get("element") or source.get("differential", {}).get(
        "element", []
    )
    return found


def _part(url: str, item: Item, holder: Item, session: Session) -> None:
    """A part of a complex extension is one that its definition names."""
    source = session.registry.structure(str(holder.value.get("url", "")))
    if source is None or source.get("type") != "Extension":
        return
    for side in ("snapshot", "differential"):
        lines = source.get(side, {}).get("element", ())
        names = {line.get("fixedUri") for line in lines if line.get("path") == "Extension.extension.url"} - {None}
        if names and url not in names:
            session.add("extension", "L'extension qui contient celle-ci ne définit pas cette partie.", item.place)
        if names:
            return


def is_modifier(source: Mapping[str, Any]) -> bool:
    """Whether an extension's definition says that it modifies the meaning of what holds it."""
    for side in ("snapshot", "differential"):
        for line in source.get(side, {}).get("element", ())[:1]:
            if "isModifier" in line:
                return bool(line["isModifier"])
    return False


def _unknown(item: Item, url: str, modifier: bool, session: Session) -> None:
    if modifier:
        text = "Ce modificateur est inconnu ici : le sens de l'élément ne peut être compris. Chargez sa définition."
        session.add("extension", text, item.place)
        return
    # The specification keeps these domains for examples, which are not published anywhere.
    harmless = _EXAMPLE.search(url) or url.startswith(_TOOLS) or url.removeprefix(HL7) in _LATER
    severity = "information" if harmless else session.options.unknown_extensions
    if severity:
        session.add(
            "extension",
            "Cette extension n'est définie nulle part ici : chargez le paquet qui la définit.",
            item.place,
            severity,
        )


def _cross_version(item: Item, type_name: str, path: str, session: Session) -> None:
    """Extensions that carry elements of other versions of FHIR: those that modified there must modify here."""
    if f"{type_name}.{path}" in _CROSS_MODIFIERS or path == "doNotPerform":
        if item.place[1] != "modifierExtension":
            session.add(
                "extension",
                "Cette extension modifie le sens de l'élément : écrivez-la dans modifierExtension.",
                item.place,
            )
        return


def _context(source: Mapping[str, Any], item: Item, holder: Item, above: list[Item], session: Session) -> None:
    contexts = [*source.get("context", ()), *_ALSO.get(str(source.get("url")), ())]
    contexts = [each for each in contexts if is_for_r4(each)]
    if contexts and not any(_fits(each, holder, above, session) for each in contexts):
        permitted = ", ".join(str(each.get("expression")) for each in contexts)
        text = f"Cette extension n'est pas permise ici ; elle va sur : {permitted}."
        session.add("extension", text, holder.place)
    for expression in source.get("contextInvariant", ()):
        try:
            holds = invariants.holds_on(expression, holder, session)
        except fhirpath.FhirPathError:
            continue
        if not holds:
            session.add(
                "extension", f"La condition d'emploi de cette extension n'est pas remplie : {expression}", holder.place
            )


def _fits(context: Mapping[str, Any], holder: Item, above: list[Item], session: Session) -> bool:
    expression = str(context.get("expression", ""))
    kind = context.get("type", "element")
    if kind == "extension":
        around = [holder, *reversed(above[-2:])]
        nearest = next((each for each in around if each.type == "Extension"), None)
        return nearest is not None and nearest.value.get("url") == expression.partition("#")[0]
    if kind == "fhirpath":
        resource = holder.frame.resource
        try:
            nodes = fhirpath.compile(expression).nodes(resource)
        except fhirpath.FhirPathError:
            return True
        return any(getattr(each, "value", None) is holder.value for each in nodes)
    if expression in ("Element", "Base", "*") or (expression == "Resource" and _is(holder, "Resource")):
        return True
    profile, hash_, inner = expression.partition("#")
    if hash_:
        expression = inner
        if not _follows(profile, holder, session):
            return False
    expression = expression.removeprefix(HL7)
    if "." not in expression:
        return _is(holder, expression)
    return _by_path(expression, holder, above)


def is_for_r4(context: Mapping[str, Any]) -> bool:
    """Whether a context holds for this version of FHIR, where its definition speaks of several (version-specific-use)."""
    for each in context.get("extension", ()):
        if each.get("url") != HL7 + "version-specific-use":
            continue
        bounds = {
            part.get("url"): next((str(value) for key, value in part.items() if key.startswith("value")), "")
            for part in each.get("extension", ())
        }
        first, last = bounds.get("startFhirVersion", ""), bounds.get("endFhirVersion", "")
        if (first and first[:3] > "4.0") or (last and last[:3] < "4.0"):
            return False
    return True


def _follows(profile: str, holder: Item, session: Session) -> bool:
    """Whether the resource around conforms to the profile that a context names; a profile that is not here forbids."""
    resource = holder.frame.resource
    whole = Item(resource, None, str(resource.get("resourceType", "")), holder.place, holder.frame)
    return conforms_to(whole, profile, session)


def _is(holder: Item, name: str) -> bool:
    if definitions.is_a(holder.type.partition(".")[0], name) and "." not in holder.type:
        return True
    if "." in holder.type and name in ("BackboneElement", "Element"):
        return True
    return name == "CanonicalResource" and "url" in holder.value if type(holder.value) is dict else False


def _by_path(expression: str, holder: Item, above: list[Item]) -> bool:
    """Whether the holder is at `Type.a.b`, Type being a resource or a data type on the way down."""
    names = [each.removesuffix("[x]") for each in expression.split(".")]
    steps: list[str] = []
    place: Any = holder.place
    while isinstance(place, tuple):
        steps.append(str(place[1]).partition(".")[0])
        place = place[0]
    steps.reverse()
    chain = above if above and above[-1] is holder else [*above, holder]
    # A backbone that holds itself (Questionnaire.item) keeps its name at any depth.
    for count in range(len(names), 1, -1):
        rest = names[count:]
        stands = len(chain) > len(rest) and steps[len(steps) - len(rest) :] == rest
        if stands and chain[-len(rest) - 1].type == ".".join(names[:count]):
            return True
    if steps[-len(names) + 1 :] != names[1:]:
        return False
    depth = len(names)
    if len(chain) < depth:
        return False
    start = chain[-depth]
    return definitions.is_a(start.type, names[0]) or start.type == names[0] or names[0] in ("Element", "Resource")
