"""Rules of StructureDefinition that invariants do not say: its base, its type, what its elements narrow."""

import functools
import re
from collections.abc import Mapping
from typing import Any

from virage.core.fhir import definitions, fhirpath
from virage.core.fhir.definitions import ElementDef
from virage.core.fhir.validation import shapes
from virage.core.fhir.validation.extensions import is_for_r4, is_modifier
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.session import Session
from virage.core.fhir.validation.slicing import steps_of

_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")
_VALUED = ("fixed", "pattern", "minValue", "maxValue", "defaultValue")


def check(item: Item, session: Session) -> None:
    """A type that R4 does not have is named by an absolute address; a profile keeps the type and kind of its base."""
    value = item.value
    name, base, derivation = value.get("type"), value.get("baseDefinition"), value.get("derivation")
    if type(name) is not str:
        return
    if not _ABSOLUTE.match(name) and not definitions.kind(name):
        text = "Ce type n'existe pas en FHIR R4 : un modèle logique se nomme par une adresse absolue."
        session.add("invalid", text, (item.place, "type", -1))
    elif _ABSOLUTE.match(name) and value.get("kind") != "logical":
        session.add("invalid", "Seul un modèle logique a un type nommé par une adresse.", (item.place, "type", -1))
    elif definitions.kind(name) and derivation == "specialization" and value.get("url") != shapes.STRUCTURE + name:
        text = "Un type de FHIR R4 ne se redéfinit pas : un profil le contraint (derivation : constraint)."
        session.add("invalid", text, (item.place, "type", -1))
    _extension_rules(item, name, session)
    _obligations(item, session)
    if base is not None and derivation is None:
        session.add("required", "Une définition qui a une base dit comment elle en dérive (derivation).", item.place)
    source = session.registry.structure(base) if type(base) is str and base else None
    if source is not None:
        _base(item, source, name, derivation, session)
    if derivation == "constraint" and definitions.kind(name):
        for side in ("differential", "snapshot"):
            for holder in children(item, side):
                elements = [each for each in children(holder, "element") if type(each.value) is dict]
                for element in elements:
                    _element(element, item, name, side, session)
                if side == "differential":
                    _slices(elements, name, item, session)


def _slices(elements: list[Item], name: str, item: Item, session: Session) -> None:
    """What slices demand together fits in what the element permits."""
    demanded: dict[str, int] = {}
    for each in elements:
        ident, least = each.value.get("id"), each.value.get("min")
        if type(ident) is str and type(least) is int and each.value.get("sliceName") is not None:
            sliced, colon, last = ident.rpartition(":")
            if colon and "/" not in last and "." not in last:
                demanded[sliced] = demanded.get(sliced, 0) + least
    for each in elements:
        ident, most = each.value.get("id"), each.value.get("max")
        if type(ident) is not str or ident not in demanded:
            continue
        if type(most) is not str:
            base = _base_element(each.value.get("path"), name)
            most = "*" if base is None or base.max is None else str(base.max)
        if most.isdecimal() and demanded[ident] > int(most[:9]):
            text = f"Les tranches de {ident} en demandent {demanded[ident]}, l'élément en permet {most}."
            session.add("invalid", text, each.place)


def _extension_rules(item: Item, name: str, session: Session) -> None:
    """Contexts are those of extensions alone; an extension fixes its own address, and goes where there is something."""
    value = item.value
    if name != "Extension":
        for key in ("context", "contextInvariant"):
            for each in children(item, key):
                session.add("invalid", "Seule une extension dit où elle va (context).", each.place)
        return
    for each in children(item, "context"):
        line = each.value if type(each.value) is dict else {}
        if (
            line.get("type") == "element"
            and is_for_r4(line)
            and not _leads_somewhere(str(line.get("expression", "")), session)
        ):
            text = "Cet élément n'existe pas : une extension va sur un élément de FHIR R4."
            session.add("invalid", text, each.place)
    if value.get("derivation") != "constraint" or value.get("baseDefinition") != shapes.STRUCTURE + "Extension":
        return
    held = value.get("differential")
    lines = held.get("element", ()) if type(held) is dict else ()
    fixed = next(
        (line.get("fixedUri") for line in lines if type(line) is dict and line.get("path") == "Extension.url"), None
    )
    if type(held) is dict and fixed != value.get("url"):
        text = "Une extension fixe son adresse (Extension.url, fixedUri) à celle de sa définition (url)."
        session.add("invalid", text, item.place)


_FLAGS = (shapes.STRUCTURE + "obligation-profile-flag", shapes.STRUCTURE + "obligation-profile")


def _obligations(item: Item, session: Session) -> None:
    """A profile inherits obligations from obligation profiles of the same base (extension inherit-obligations)."""
    for each in children(item, "extension"):
        line = each.value if type(each.value) is dict else {}
        target = line.get("valueCanonical")
        if line.get("url") != shapes.STRUCTURE + "inherit-obligations" or type(target) is not str:
            continue
        source = session.registry.structure(target)
        flags = source.get("extension", ()) if source is not None else ()
        if not any(one.get("url") in _FLAGS and one.get("valueBoolean") is True for one in flags):
            session.add("invalid", "Ce profil n'est pas un profil d'obligations, ou il est inconnu ici.", each.place)
        elif source is not None and source.get("baseDefinition") != item.value.get("baseDefinition"):
            session.add("invalid", "Ce profil d'obligations n'a pas la même base.", each.place)


def _leads_somewhere(expression: str, session: Session) -> bool:
    """Whether an element context names a type, or an element of one, as far as it can be followed."""
    profile, hash_, inner = expression.partition("#")
    path = inner if hash_ else expression.removeprefix(shapes.STRUCTURE)
    name = path.partition(".")[0]
    if name in ("CanonicalResource", "MetadataResource", "Base", "Element", "*", ""):
        return True
    if not definitions.kind(name):
        return _ABSOLUTE.match(path) is not None and session.registry.structure(path) is not None
    del profile
    return not shapes.stray(path, name)


def _base(item: Item, source: Mapping[str, Any], name: str, derivation: Any, session: Session) -> None:
    theirs = str(source.get("type", ""))
    if derivation == "constraint":
        if theirs and theirs != name:
            text = f"Le type d'un profil est celui de sa base : {theirs}, pas {name[:80]}."
            session.add("invalid", text, (item.place, "type", -1))
        if source.get("kind") and item.value.get("kind") not in (None, source["kind"]):
            text = f"La nature (kind) d'un profil est celle de sa base : {source['kind']}."
            session.add("invalid", text, (item.place, "kind", -1))
    elif derivation == "specialization" and theirs == name and not definitions.kind(name):
        text = "Un type nouveau ne porte pas le nom du type dont il dérive."
        session.add("invalid", text, (item.place, "type", -1))


def _element(element: Item, item: Item, name: str, side: str, session: Session) -> None:
    line: Mapping[str, Any] = element.value
    path = line.get("path")
    if type(path) is str and path != name and not path.startswith(name + "."):
        session.add("invalid", f"Les chemins d'un profil de {name} commencent par {name}.", element.place)
        return
    if side == "differential" and (unknown := shapes.stray(path, name)):
        text = f"Le chemin {unknown} n'existe pas dans {name}, ou abrège un choix [x] par un type qu'il n'a pas."
        session.add("invalid", text, item.place)
        return
    for kind in children(element, "type"):
        if type(kind.value) is dict:
            _type(kind, str(path), session)
    base = _base_element(path, name)
    if base is not None:
        _narrows(line, base, item, session)
    if side == "differential":
        _suited(element, base, name, session)
        _keeps(line, item, session)
    if side == "differential" and "slicing" in line:
        if path == name:
            session.add("invalid", "La racine d'un profil ne se découpe pas en tranches.", element.place)
        elif base is not None and base.max == 1 and not base.choice and not str(path).endswith("[x]"):
            session.add(
                "invalid",
                "Cet élément n'apparaît qu'une fois : il n'y a rien à découper.",
                (element.place, "slicing", -1),
            )
    if side == "differential" and "meaningWhenMissing" in line and not str(path).endswith("xtension"):
        text = "Un profil ne change pas le sens d'un élément absent (meaningWhenMissing)."
        session.add("invalid", text, element.place)
    for constraint in children(element, "constraint"):
        expression = constraint.value.get("expression") if type(constraint.value) is dict else None
        if side == "differential" and type(constraint.value) is dict:
            _own_rule(constraint, item, session)
        if side == "differential" and type(expression) is str:
            try:
                fhirpath.compile(expression)
            except fhirpath.FhirPathError as error:
                session.add("invalid", f"L'expression FHIRPath n'est pas lisible : {error}", constraint.place)
            else:
                _names(expression, name, path, base, constraint, session)
    slicing = line.get("slicing")
    for each in slicing.get("discriminator", ()) if type(slicing) is dict else ():
        try:
            steps_of(str(each.get("path")) if type(each) is dict else "")
        except ValueError:
            session.add("invalid", "Le chemin d'un discriminant n'est pas lisible.", (element.place, "slicing", -1))
    binding = line.get("binding")
    address = binding.get("valueSet") if type(binding) is dict else None
    if type(address) is str and session.registry.value_set(address) is None and session.registry.code_system(address):
        text = "C'est un système de codes qui est désigné ici, pas une liste de valeurs."
        session.add("invalid", text, (element.place, "binding", -1))


def _names(
    expression: str, name: str, path: Any, base: definitions.ElementDef | None, constraint: Item, session: Session
) -> None:
    """A rule names elements that exist where it stands, whichever type stands there."""
    if "%resource" in expression:
        return  # of another type than the element
    types = [name] if path == name else [base.type_name(each.code) for each in base.types] if base is not None else []
    reasons = []
    for each in types:
        try:
            fhirpath.compile(expression, each, strict=True)
            return
        except fhirpath.FhirPathError as error:
            reasons.append(error)
    if reasons and all(each.issue == "not-found" for each in reasons):
        session.add("invalid", f"L'expression FHIRPath ne va pas ici : {reasons[0]}", constraint.place)


_STRENGTHS = ("example", "preferred", "extensible", "required")


def _keeps(line: Mapping[str, Any], item: Item, session: Session) -> None:
    """What a profile says of an element is no laxer than what the profile it derives from says already."""
    base = item.value.get("baseDefinition")
    ident = line.get("id", line.get("path"))
    if type(base) is not str or definitions.kind(base.removeprefix(shapes.STRUCTURE)):
        return
    try:
        found = [each for each in shapes.shape_of(base, session.registry).walk() if each.id == ident]
    except shapes.BadProfile:
        return
    if len(found) != 1:
        return
    shape, where = found[0], str(line.get("path"))
    least, most, binding = line.get("min"), line.get("max"), line.get("binding")
    if type(least) is int and least < shape.min:
        told = f"{where} : le minimum ne peut être plus petit que dans la base ({shape.min})."
        session.add("invalid", told, item.place)
    if shape.max is not None and type(most) is str and (most == "*" or (most.isdigit() and int(most) > shape.max)):
        told = f"{where} : le maximum ne peut être plus grand que dans la base ({shape.max})."
        session.add("invalid", told, item.place)
    if type(binding) is dict and shape.binding is not None:
        _as_strong(where, binding.get("strength"), shape.binding.get("strength"), item, session)


def _as_strong(where: str, strength: Any, base: Any, item: Item, session: Session) -> None:
    if base == "required" and strength in _STRENGTHS and strength != "required":
        text = f"{where} : la liaison est « required » dans la base, et ne peut être plus faible."
        session.add("invalid", text, item.place)


def _own_rule(constraint: Item, item: Item, session: Session) -> None:
    """A rule that a profile adds is its own: its source is the profile, its key is none of those of R4."""
    line: Mapping[str, Any] = constraint.value
    source, url = line.get("source"), item.value.get("url")
    if source is not None and source not in (url, f"{url}|{item.value.get('version')}"):
        text = "Une règle ajoutée par un profil a ce profil pour source : retirez source, ou corrigez-la."
        session.add("invalid", text, constraint.place)
        return
    known = _rules_of_r4().get(str(line.get("key")))
    if known is not None and line.get("expression") not in known:
        text = "Cette clé est celle d'une règle de FHIR R4, qui dit autre chose : prenez-en une autre."
        session.add("invalid", text, constraint.place)


@functools.cache
def _rules_of_r4() -> dict[str, set[str]]:
    """The invariants of the types of R4: their expressions, by key."""
    found: dict[str, set[str]] = {}
    for name in definitions.types():
        try:
            type_def = definitions.element(name)
        except KeyError:
            continue
        held = [*type_def.invariants, *(each for child in type_def.children.values() for each in child.invariants)]
        for each in held:
            found.setdefault(each.key, set()).add(each.expression)
    return found


_BOUND = frozenset(
    {"code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "url", "oid", "uuid", "Age", "Count", "Distance",
     "Duration", "MoneyQuantity", "SimpleQuantity", "Range", "Extension", "canonical", "id", "markdown"}
)  # fmt: skip
_RANGED = frozenset(
    {"integer", "decimal", "instant", "date", "dateTime", "time", "positiveInt", "unsignedInt", "Age", "Count", "Distance",
     "Duration", "Money", "MoneyQuantity", "Quantity", "SimpleQuantity"}
)  # fmt: skip


def _suited(element: Item, base: ElementDef | None, name: str, session: Session) -> None:
    """Bindings, lengths and bounds are for the types that can have them."""
    line: Mapping[str, Any] = element.value
    told = line.get("type")
    codes = {str(each.get("code")) for each in told if type(each) is dict} if type(told) is list else set()
    if not codes:
        codes = {each.code for each in base.types} if base is not None else set()
    if line.get("path") == name:
        codes = {name}
    if not codes or any(not definitions.kind(code) for code in codes):
        return
    primitive = any(definitions.kind(code) == "primitive-type" and code not in ("boolean", "xhtml") for code in codes)
    asked = {
        "binding": bool(codes & _BOUND),
        "maxLength": primitive,
        "minValue": bool(codes & _RANGED),
        "maxValue": bool(codes & _RANGED),
    }
    for key in line:
        word = next((each for each in asked if key == each or (key.startswith(each) and each.endswith("Value"))), None)
        if word is not None and not asked[word]:
            text = f"« {word} » n'a pas de sens pour le type {', '.join(sorted(codes))}."
            session.add("invalid", text, element.place)


def _base_element(path: Any, name: str) -> ElementDef | None:
    """The element of the base type at a path, as far as it can be followed without profiles."""
    if type(path) is not str or not path.startswith(name + "."):
        return None
    current: ElementDef | None = None
    at = name
    for step in path.split(".")[1:]:
        try:
            type_def = definitions.element(at)
        except KeyError:
            return None
        current = type_def.children.get(step.removesuffix("[x]"))
        if current is None:
            return None
        at = shapes.child_type(at, step.removesuffix("[x]"))
    return current


def _narrows(line: Mapping[str, Any], base: ElementDef, item: Item, session: Session) -> None:
    least, most = line.get("min"), line.get("max")
    where = str(line.get("path"))
    if type(least) is int and least < base.min and not line.get("sliceName"):
        session.add(
            "invalid", f"{where} : le minimum ne peut être plus petit que dans la base ({base.min}).", item.place
        )
    if base.max is not None and type(most) is str and (most == "*" or (most.isdigit() and int(most) > base.max)):
        session.add(
            "invalid", f"{where} : le maximum ne peut être plus grand que dans la base ({base.max}).", item.place
        )
    binding = line.get("binding")
    if type(binding) is dict and base.binding is not None:
        _as_strong(where, binding.get("strength"), base.binding.strength, item, session)
    codes = {each.code for each in base.types}
    if "http" in "".join(codes) or not codes:
        return
    told = line.get("type")
    own = {each.get("code") for each in told if type(each) is dict} if type(told) is list else set()
    for code in sorted(str(each) for each in own - codes):
        narrower = any(definitions.is_a(code, each) for each in codes if definitions.kind(each))
        if (
            definitions.kind(code)
            and not narrower
            and not codes & {"Element", "BackboneElement", "Resource"}
            and code != "Resource"
        ):
            session.add("invalid", f"{where} : le type {code} n'est pas de ceux de la base.", item.place)
    _targets(where, told, base, item, session)
    for key in line:
        start = next((each for each in _VALUED if key.startswith(each) and key != each), None)
        if start is None:
            continue
        code = key[len(start) :]
        kinds = own or codes
        if base.xml_attribute or base.name == "id":
            continue  # types of FHIRPath itself, which definitions name in several ways
        if not any(code in (each, str(each)[:1].upper() + str(each)[1:]) for each in kinds):
            session.add("invalid", f"{where} : une valeur de type {code} n'est pas de ceux de l'élément.", item.place)


def _targets(where: str, told: Any, base: ElementDef, item: Item, session: Session) -> None:
    """What a profile lets a reference designate is of the types that the base lets it designate."""
    permitted = {target for each in base.types if each.code == "Reference" for target in each.targets}
    for each in told if permitted and "Resource" not in permitted and type(told) is list else ():
        named = each.get("targetProfile") if type(each) is dict and each.get("code") == "Reference" else None
        for canonical in named if type(named) is list else ():
            source = session.registry.structure(canonical) if type(canonical) is str else None
            name = str(source.get("type", "")) if source is not None else ""
            if definitions.kind(name) == "resource" and name not in permitted:
                text = (
                    f"{where} : une référence à {name} n'est pas permise par la base ({', '.join(sorted(permitted))})."
                )
                session.add("invalid", text, item.place)


def _type(kind: Item, path: str, session: Session) -> None:
    code = str(kind.value.get("code", "")).removeprefix(shapes.STRUCTURE)
    for name in ("profile", "targetProfile"):
        for each in children(kind, name):
            source = session.registry.structure(each.value) if type(each.value) is str else None
            if source is None:
                continue
            theirs = str(source.get("type", ""))
            if name == "profile" and theirs != code and not definitions.is_a(theirs, code):
                text = f"Ce profil porte sur {theirs}, et l'élément est de type {code}."
                session.add("invalid", text, each.place)
            elif name == "profile" and code == "Extension":
                if is_modifier(source) != path.endswith("modifierExtension"):
                    text = "Un modificateur va dans modifierExtension, et rien d'autre n'y va."
                    session.add("invalid", text, each.place)
            elif name == "targetProfile" and definitions.kind(code) and code not in ("Reference", "canonical"):
                session.add("invalid", f"Le type {code} ne désigne rien : pas de targetProfile ici.", each.place)
            elif name == "targetProfile" and source.get("kind") != "resource":
                text = f"Une référence ne peut désigner {theirs}, qui n'est pas une ressource."
                session.add("invalid", text, each.place)
