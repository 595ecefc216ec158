"""Structural validation: each type of R4 compiled once to closures that walk the JSON value.

Covers names, JSON shapes, cardinalities, choices, primitive formats, required bindings, references (syntax and target
type), contained resources, the twins `_x` of primitives, nulls and empties. Profiles, invariants and the rest are in
`profiles`.
"""

import re
import threading
from collections.abc import Callable
from typing import Any

from virage.core.fhir import definitions, json, narrative
from virage.core.fhir.definitions import ElementDef, TypeDef, TypeRef
from virage.core.fhir.recent import LONGEST, Recent
from virage.core.fhir.validation import primitives
from virage.core.fhir.validation.report import Place, Report

Walk = Callable[[Any, Place, Report], None]
Handler = Callable[[Any, dict[str, Any], Place, Report], None]

_WALKS: dict[str, Walk] = {}
# Types refer to each other: a walk is shown to other threads once all those that it leads to are whole.
_MAKING: dict[str, Walk] = {}
_making = threading.RLock()
# Types whose values come again and again from one resource to the next.
MAX_ITEMS = 500_000  # the largest cohorts are Groups of some hundred thousand members
_REPEATED = frozenset({"CodeableConcept", "Coding", "Reference"})
_HISTORY = r"(?:/_history/[A-Za-z0-9\-.]{1,64})?"
_RELATIVE = re.compile(rf"([A-Za-z]+)/([A-Za-z0-9\-.]{{1,64}}){_HISTORY}(?:#.+)?")
_ABSOLUTE = re.compile(rf"https?://[^\s?#]+/([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{{1,64}}){_HISTORY}(?:#.+)?")
_CONDITIONAL = re.compile(r"([A-Za-z]+)\?[^\s]+")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:\S+")


def walk_of(name: str) -> Walk:
    """The compiled walk of a type or backbone; compiled at first use."""
    found = _WALKS.get(name)
    if found is not None:
        return found
    with _making:
        found = _WALKS.get(name) or _MAKING.get(name)
        if found is not None:
            return found
        outermost = not _MAKING
        try:
            found = _compile(definitions.element(name))
            if outermost:
                _WALKS.update(_MAKING)
            return found
        finally:
            if outermost:
                _MAKING.clear()


def resource(value: Any, place: Place, report: Report) -> None:
    """Walk a resource whose type is told by its `resourceType`."""
    if type(value) is not dict:
        report.add("structure", "Une ressource est attendue : un objet JSON entre accolades.", place)
        return
    name = value.get("resourceType")
    if type(name) is not str or name not in definitions.resource_types():
        text = "resourceType manque : dites le type de la ressource." if name is None else (
            "resourceType ne nomme pas un type de ressource de FHIR R4 : vérifiez l'orthographe et les majuscules."
        )  # fmt: skip
        report.add("structure" if name is None else "invalid", text, place)
        return
    contained = value.get("contained")
    if report.inside:
        if contained is not None:
            report.add(
                "structure",
                "Une ressource contenue ne peut en contenir d'autres : remontez-les d'un niveau.",
                place,
                "contained",
            )
        (_WALKS.get(name) or walk_of(name))(value, place, report)
        return
    outer = report.contained
    report.contained = _contained(contained) if contained is not None else {}
    (_WALKS.get(name) or walk_of(name))(value, place, report)
    report.contained = outer


def _contained(value: Any) -> dict[str, str]:
    if type(value) is not list:
        return {}
    return {
        each["id"]: each.get("resourceType", "") for each in value if type(each) is dict and type(each.get("id")) is str
    }


def _contained_resources(value: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
    if not _is_filled_list(value, place, report, "contained"):
        return
    inside, report.inside = report.inside, True
    seen: set[str] = set()
    for index, each in enumerate(value):
        here: Place = (place, "contained", index)
        resource(each, here, report)
        ident = each.get("id") if type(each) is dict else None
        if type(each) is dict and ident is None:
            report.add("required", "Une ressource contenue doit avoir un id, pour qu'on puisse la désigner.", here)
        elif type(ident) is str:
            if ident in seen:
                report.add("duplicate", "Deux ressources contenues portent le même id : changez-en un.", here, "id")
            seen.add(ident)
    report.inside = inside


def _is_filled_list(value: Any, place: Place, report: Report, name: str) -> bool:
    if type(value) is not list:
        report.add(
            "structure", "Cet élément se répète : il s'écrit comme un tableau JSON, entre crochets.", place, name
        )
        return False
    if not value:
        report.add("structure", "Un tableau vide n'est pas permis : retirez l'élément.", place, name)
        return False
    if len(value) > MAX_ITEMS:
        text = f"Un tableau de plus de {MAX_ITEMS} éléments est refusé : répartissez-les sur plusieurs ressources."
        report.add("too-costly", text, place, name)
        return False
    return True


def _compile(type_def: TypeDef) -> Walk:
    handlers: dict[str, Handler] = {}
    required: list[tuple[str, str, frozenset[str]]] = []
    choices: list[tuple[str, frozenset[str]]] = []
    is_resource = type_def.kind == "resource"
    is_extension = type_def.name == "Extension"
    is_twin = type_def.name == "Element"

    def walk(value: Any, place: Place, report: Report) -> None:
        if type(value) is not dict:
            report.add("structure", "Un objet JSON entre accolades est attendu ici.", place)
            return
        if len(value) < 2 and not is_resource:
            if not value:
                report.add("structure", "Un objet vide n'est pas permis : donnez-lui un contenu ou retirez-le.", place)
                return
            if "id" in value and not is_twin:
                report.add(
                    "invariant", "Un élément a un contenu ou des extensions, pas seulement un id (ele-1).", place
                )
        for shown, first, names in required:
            if first not in value and names.isdisjoint(value):
                report.add("required", f"L'élément « {shown} » est obligatoire ici : ajoutez-le.", place)
        for name, item in value.items():
            handler = handlers.get(name)
            if handler is not None:
                handler(item, value, place, report)
            elif name != "resourceType" or not is_resource:
                _unknown(name, type_def, place, report)
        for shown, alternatives in choices:
            present = [name for name in value if name in alternatives]
            if len(present) > 1 and len({name.removeprefix("_") for name in present}) > 1:
                report.add("structure", f"Un seul type est permis pour « {shown}[x] » : gardez-en un.", place)
        if is_extension:
            _extension_shape(value, place, report)

    _MAKING[type_def.name] = walk
    for child in type_def.children.values():
        names: list[str] = []
        for name, ref in child.json.items():
            handlers[name] = _handler(type_def, child, ref, name)
            names.append(name)
            if definitions.kind(child.type_name(ref.code)) == "primitive-type" and ref.code != "xhtml":
                names.append("_" + name)
                handlers["_" + name] = _twin(child, ref, name)
        if child.min:
            required.append((child.name, names[0], frozenset(names)))
        if child.choice:
            choices.append((child.name, frozenset(names)))
    return walk


def _unknown(name: str, type_def: TypeDef, place: Place, report: Report) -> None:
    known = name if len(name) <= 64 and name.isascii() and name.isprintable() else "?"
    text = f"L'élément « {known} » n'existe pas dans {type_def.name} : retirez-le, ou passez par une extension."
    if name.removeprefix("_") in type_def.children and type_def.children[name.removeprefix("_")].choice:
        text = f"« {known} » porte le nom de son type en JSON : écrivez par exemple {next(iter(type_def.children[name.removeprefix('_')].json))}."
    # There is no such place: the finding is told at the element that holds it.
    report.add("invalid" if type_def.name == "Element" else "structure", text, place)


def _extension_shape(value: dict[str, Any], place: Place, report: Report) -> None:
    has_value = any(name.startswith(("value", "_value")) for name in value)
    if has_value == ("extension" in value):
        text = (
            "Une extension porte soit une valeur (value[x]), soit d'autres extensions, jamais les deux : gardez l'une."
            if has_value
            else "Une extension porte une valeur (value[x]) ou d'autres extensions : ajoutez l'une ou l'autre."
        )
        report.add("invariant", text, place)


def _handler(type_def: TypeDef, child: ElementDef, ref: TypeRef, name: str) -> Handler:
    shown = f"{child.name}.ofType({ref.code})" if child.choice else child.name
    target = child.type_name(ref.code)
    if definitions.kind(target) == "resource":
        if child.name == "contained":
            return _contained_resources
        walk = resource if target == "Resource" else _resource_walk(target)
        return _many(walk, shown) if child.is_list else _one(walk, shown)
    if ref.code == "xhtml":
        return _primitive(narrative.narrative, shown, None, "")
    if definitions.kind(target) == "primitive-type":
        check = primitives.FORMATS[ref.code]
        if child.name == "id" and type_def.kind != "resource":
            check = primitives.element_id
        allowed, sentence = _required_codes(child) if ref.code in ("code", "uri", "string") else (None, "")
        if child.is_list:
            return _primitives(check, shown, allowed, sentence, name)
        return _primitive(check, shown, allowed, sentence)
    special: Walk | None = None
    if ref.code == "Reference":
        special = _reference_walk(ref.targets)
    elif ref.code in ("CodeableConcept", "Coding"):
        allowed_codes = _required_concepts(child)
        if allowed_codes is not None:
            special = _coded_walk(ref.code, allowed_codes)
    if special is not None:
        handler = _many(special, shown) if child.is_list else _one(special, shown)
    else:
        handler = _many_typed(target, shown) if child.is_list else _one_typed(target, shown)
    return _once(handler) if ref.code in _REPEATED else handler


def _resource_walk(target: str) -> Walk:
    """The walk of a resource that stands where one type alone may."""

    def walk(value: Any, place: Place, report: Report) -> None:
        resource(value, place, report)
        found = value.get("resourceType") if type(value) is dict else None
        if type(found) is str and found != target and found in definitions.resource_types():
            report.add("structure", f"Une ressource {target} est attendue ici, pas {found}.", place)

    return walk


def _once(handler: Handler) -> Handler:
    """The same for values that come again and again: one that was sound lately is not walked another time."""
    sound: Recent[bool] = Recent()

    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        try:
            mark = json.dumps(item)
        except TypeError:  # no JSON could say it, or too deep: the walk tells
            handler(item, parent, place, report)
            return
        if sound.get(mark):
            return
        before = len(report.issues)
        handler(item, parent, place, report)
        # What points at a contained resource is sound in its own resource only.
        if len(report.issues) == before and len(mark) <= LONGEST and b'"#' not in mark:
            sound.keep(mark, True)

    return handle


def _one(walk: Walk, name: str) -> Handler:
    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        walk(item, (place, name, -1), report)

    return handle


def _many(walk: Walk, name: str) -> Handler:
    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        if _is_filled_list(item, place, report, name):
            for index, each in enumerate(item):
                walk(each, (place, name, index), report)

    return handle


def _one_typed(target: str, name: str) -> Handler:
    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        (_WALKS.get(target) or walk_of(target))(item, (place, name, -1), report)

    return handle


def _many_typed(target: str, name: str) -> Handler:
    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        if _is_filled_list(item, place, report, name):
            walk = _WALKS.get(target) or walk_of(target)
            for index, each in enumerate(item):
                walk(each, (place, name, index), report)

    return handle


def _primitive(check: primitives.Check, name: str, allowed: frozenset[str] | None, sentence: str) -> Handler:
    if check is primitives.string and allowed is None:
        # Half the primitives of a resource are strings: the usual case is decided here, without a call.
        def handle_text(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
            if type(item) is not str or not item or len(item) > 4096 or not item.isprintable():
                problem = check(item)
                if problem is not None:
                    _wrong(item, problem, place, report, name)

        return handle_text
    if allowed is not None:

        def handle_code(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
            if type(item) is not str or item not in allowed:
                problem = check(item)
                if problem is not None:
                    _wrong(item, problem, place, report, name)
                else:
                    report.add("code-invalid", sentence, place, name)

        return handle_code

    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        problem = check(item)
        if problem is not None:
            _wrong(item, problem, place, report, name)

    return handle


def _wrong(item: Any, problem: str, place: Place, report: Report, name: str, index: int = -1) -> None:
    if type(item) is list:
        report.add("structure", "Cet élément ne se répète pas : écrivez sa valeur sans crochets.", place, name, index)
    elif item is None:
        report.add("structure", "La valeur null n'est pas permise ici : retirez l'élément.", place, name, index)
    elif type(item) is dict:
        report.add("structure", "Une valeur simple est attendue ici, pas un objet JSON.", place, name, index)
    else:
        report.add("value", problem, place, name, index)


def _primitives(
    check: primitives.Check, name: str, allowed: frozenset[str] | None, sentence: str, json_name: str
) -> Handler:
    twin_name = "_" + json_name

    def handle(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        if not _is_filled_list(item, place, report, name):
            return
        for index, each in enumerate(item):
            problem = check(each)
            if problem is None:
                if allowed is not None and each not in allowed:
                    report.add("code-invalid", sentence, place, name, index)
                continue
            if each is not None:
                _wrong(each, problem, place, report, name, index)
            else:
                twins = parent.get(twin_name)
                if type(twins) is not list or len(twins) <= index or not twins[index]:
                    text = f"null n'est permis dans ce tableau que si « {twin_name} » donne un contenu au même rang."
                    report.add("structure", text, place, name, index)

    return handle


def _twin(child: ElementDef, ref: TypeRef, json_name: str) -> Handler:
    shown = f"{child.name}.ofType({ref.code})" if child.choice else child.name

    def one(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        walk_of("Element")(item, (place, shown, -1), report)
        if type(item) is dict and item.keys() == {"id"} and json_name not in parent:
            report.add("required", "Un élément a une valeur ou des extensions, pas seulement un id.", place, shown)

    def many(item: Any, parent: dict[str, Any], place: Place, report: Report) -> None:
        if not _is_filled_list(item, place, report, shown):
            return
        values = parent.get(json_name)
        if type(values) is list and len(values) < len(item):
            text = f"« _{json_name} » est plus long que « {json_name} » : complétez « {json_name} » par null."
            report.add("structure", text, place, shown)
        walk = walk_of("Element")
        for index, each in enumerate(item):
            if each is not None:
                walk(each, (place, shown, index), report)
            elif values is None:
                report.add(
                    "structure", "null n'est permis que si la valeur est donnée au même rang.", place, shown, index
                )

    return many if child.is_list else one


def _required_codes(child: ElementDef) -> tuple[frozenset[str] | None, str]:
    if child.binding is None or child.binding.strength != "required":
        return None, ""
    allowed = definitions.plain_codes(child.binding.valueset)
    if allowed is None:
        return None, ""
    listed = ", ".join(sorted(allowed)) if len(allowed) <= 15 else child.binding.valueset
    return allowed, f"Ce code n'est pas dans la liste imposée ; sont permis : {listed}."


def _required_concepts(child: ElementDef) -> frozenset[tuple[str, str]] | None:
    if child.binding is None or child.binding.strength != "required":
        return None
    return definitions.codes(child.binding.valueset)


def _coded_walk(code: str, allowed: frozenset[tuple[str, str]]) -> Walk:
    plain = walk_of(code)

    def holds(coding: Any) -> bool:
        if type(coding) is not dict:
            return False
        system, found = coding.get("system"), coding.get("code")
        return type(system) is str and type(found) is str and (system, found) in allowed

    def walk(value: Any, place: Place, report: Report) -> None:
        plain(value, place, report)
        if type(value) is not dict:
            return
        codings = value.get("coding", []) if code == "CodeableConcept" else [value]
        if type(codings) is list and not any(holds(each) for each in codings):
            report.add("code-invalid", "Aucun code n'est pris dans la liste imposée pour cet élément.", place)

    return walk


def _reference_walk(targets: tuple[str, ...]) -> Walk:
    plain = walk_of("Reference")
    permitted = frozenset(targets)
    listed = ", ".join(targets)

    def walk(value: Any, place: Place, report: Report) -> None:
        plain(value, place, report)
        if type(value) is not dict:
            return
        found = value.get("type") if type(value.get("type")) is str else ""
        text, told = value.get("reference"), ""
        if type(text) is str and text:
            told = _target(text, place, report)
            if told and found and told != found:
                report.add("invalid", "Le type annoncé n'est pas celui de la référence : accordez-les.", place)
            found = told or found
        if permitted and found and found not in permitted:
            if definitions.kind(found) == "resource":
                report.add("value", f"Cette référence doit désigner : {listed} ; pas {found}.", place)
            elif not told and ":" not in found:  # an absolute one is of a logical model
                report.add("invalid", "Ce type de ressource n'existe pas en FHIR R4.", place)

    return walk


def _target(text: str, place: Place, report: Report) -> str:
    """The resource type a literal reference points at, as far as its text tells; findings on the way."""
    if text[0] == "#":
        if len(text) == 1:
            if not report.inside:
                sentence = "« # » désigne la ressource autour : seule une ressource contenue peut l'écrire (ref-1)."
                report.add("not-found", sentence, place)
            return ""
        kind = report.contained.get(text[1:])
        if kind is None:
            report.add("not-found", "Cette référence désigne une ressource contenue qui n'est pas là.", place)
        return kind if type(kind) is str else ""  # a damaged resource may give its type as anything
    match = _RELATIVE.fullmatch(text) or _CONDITIONAL.fullmatch(text)
    if match:
        if match[1] in definitions.resource_types():
            return match[1]
        report.add("invalid", "La référence commence par un type de ressource inconnu de FHIR R4.", place)
        return ""
    match = _ABSOLUTE.fullmatch(text)
    if match:
        return match[1] if match[1] in definitions.resource_types() else ""
    if not _SCHEME.fullmatch(text):
        sentence = (
            "Une référence s'écrit Type/id, #id d'une ressource contenue, ou une adresse complète (http, urn:uuid)."
        )
        report.add("invalid", sentence, place)
    return ""
