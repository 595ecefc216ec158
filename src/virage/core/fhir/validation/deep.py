"""The walk over every element of a resource: invariants of its types, extensions, codes, references, declared profiles."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

from virage.core.fhir import definitions
from virage.core.fhir.definitions import Binding, ElementDef, Invariant
from virage.core.fhir.validation import bundles, datatypes, invariants, narratives
from virage.core.fhir.validation.conformance import bound, check_profile, furthest
from virage.core.fhir.validation.extensions import check_extension, repeated
from virage.core.fhir.validation.items import Item, children
from virage.core.fhir.validation.registry import KEPT
from virage.core.fhir.validation.rules import EARLY, RULES
from virage.core.fhir.validation.session import Session

# Elements of HTML, opened or closed; « <LOD » or « a<b » are no markup.
_TAG = re.compile(
    r"<(?:!--|!doctype|[/?]?(?:a|abbr|address|applet|area|article|audio|b|base|blockquote|body|br|button|canvas|center|cite|code|div"
    r"|dl|dt|dd|em|embed|fieldset|font|footer|form|frame|frameset|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|li|link"
    r"|main|math|meta|nav|object|ol|option|p|param|pre|s|script|section|select|small|source|span|strong|style|sub|sup|svg"
    r"|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|u|ul|video|xml)(?=[\s/>]))",
    re.IGNORECASE,
)
# Those whose addresses are taken one for the other; to look among all would ask a store too often.
_CONFUSED = ("CodeSystem", "StructureDefinition", "ValueSet")
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*:")


class _Child(NamedTuple):
    """A child of a type as the walk needs it; `plain` when the structural walk has said all there is to say of it."""

    name: str
    definition: ElementDef
    plain: bool


@lru_cache(4096)
def _children_of(type_name: str) -> dict[str, _Child]:
    """The children of a type by JSON name, those of their extensions (`_x`) included."""
    found: dict[str, _Child] = {}
    for name, child in definitions.element(type_name).children.items():
        codes = {ref.code for ref in child.json.values()}
        binding = child.binding
        told = binding is None or (
            definitions.codes(binding.valueset) is not None
            if binding.strength == "required"
            else binding.strength != "extensible" and not binding.max
        )
        plain = (
            all(definitions.kind(child.type_name(code)) == "primitive-type" for code in codes)
            and not child.invariants
            and told
            and not codes & {"canonical", "uri"}
        )
        for json in child.json:
            found[json] = _Child(name, child, plain)
            found["_" + json] = _Child(name, child, False)
    return found


class _Type(NamedTuple):
    """What the walk needs to know of a type."""

    is_primitive: bool
    is_resource: bool
    invariants: tuple[Invariant, ...]
    rule: Callable[[Item, Session], None] | None
    children: dict[str, _Child]


@lru_cache(4096)
def _type_of(name: str) -> _Type:
    if definitions.kind(name) == "primitive-type":
        return _Type(True, False, (), None, {})
    found = definitions.element(name)
    rules = tuple(each for each in found.invariants if not invariants.is_elsewhere(each.key))
    rule = narratives.links if name == "Narrative" else datatypes.RULES.get(name)
    return _Type(False, found.kind == "resource", rules, rule, _children_of(name))


@lru_cache(4096)
def _is_told(binding: Binding) -> bool:
    """Whether the structural walk has checked this binding already."""
    return binding.strength == "required" and not binding.max and definitions.codes(binding.valueset) is not None


def resource(item: Item, session: Session) -> None:
    """Everything about a resource and what it holds."""
    ids: set[str] = set()
    _walk(item, None, session, ids, [item])
    early = EARLY.get(item.type)
    if early is not None:
        early(item, session)
    rule: Callable[[Item, Session], None] | None = RULES.get(item.type)
    if rule is not None:
        with session.after(item.place):
            rule(item, session)
    if item.type == "Bundle":
        bundles.check(item, session)
    meta = item.value.get("meta")
    if type(meta) is dict and "security" in meta:
        _labels(item, session)
    for canonical in meta.get("profile", ()) if type(meta) is dict else ():
        if type(canonical) is str:
            with session.after(item.place):
                check_profile(item, canonical, session, severity=session.options.unknown_profiles)
    for canonical in session.registry.global_profiles(item.type):
        with session.after(item.place):
            check_profile(item, canonical, session, severity=session.options.unknown_profiles)
    with session.after(item.place):
        narratives.contained(item, session)


def _labels(item: Item, session: Session) -> None:
    """Security labels are a set: each is given once (R4, Resource.meta)."""
    seen: set[tuple[Any, Any]] = set()
    for meta in children(item, "meta"):
        for each in children(meta, "security"):
            mark = (each.value.get("system"), each.value.get("code")) if type(each.value) is dict else (None, None)
            if mark in seen:
                session.add("duplicate", "Cette étiquette de sécurité est déjà donnée : gardez-en une.", each.place)
            seen.add(mark)


def _walk(item: Item, definition: ElementDef | None, session: Session, ids: set[str], above: list[Item]) -> None:
    session.spend()
    if definition is not None:
        for each in definition.invariants:
            invariants.run(each.key, each.severity, each.expression, item, session)
        binding = definition.binding
        if binding is not None and binding.valueset and not _is_told(binding):
            bound({"strength": binding.strength, "valueSet": binding.valueset}, item, session, "")
            if binding.max:
                furthest(binding.max, binding.strength, item, session)
    type_name = item.type
    kind = _type_of(type_name)
    if kind.is_primitive:
        _primitive(item, definition, session)
        if type(item.twin) is not dict:
            return
        held = children(item, "extension")
        repeated(held, item, session)
        for child in held:
            _extension(child, item, above, session, ids)
        return
    value = item.value
    if type(value) is not dict:
        return
    if kind.invariants:
        session.closing = "." not in type_name
        for each in kind.invariants:
            invariants.run(each.key, each.severity, each.expression, item, session)
        session.closing = False
    ident = value.get("id")
    if type(ident) is str and not kind.is_resource and type_name != "ElementDefinition":
        if ident in ids:
            session.add("duplicate", "Deux éléments de la ressource portent le même id : changez-en un.", item.place)
        ids.add(ident)
    if type_name == "Reference":
        bundles.reference(item, definition, session)
    elif kind.rule is not None:
        kind.rule(item, session)
    if type_name == "Quantity" and definition is not None:
        for ref in definition.types:
            for canonical in ref.profiles if ref.code == type_name else ():  # SimpleQuantity
                check_profile(item, canonical, session)
    table = kind.children
    check_text = session.options.check_text
    done: set[str] = set()
    for key in value:
        known = table.get(key)
        if known is None or (known.plain and not check_text) or known.name in done:
            continue
        name = known.name
        done.add(name)
        found = children(item, name)
        if len(found) > 1 and name in ("extension", "modifierExtension"):
            repeated(found, item, session)
        for child in found:
            if child.type == "Extension" and name in ("extension", "modifierExtension"):
                _extension(child, item, above, session, ids)
            elif definitions.kind(child.type) == "resource":
                if type(child.value) is dict and (name != "contained" or session.options.contained):
                    resource(child, session)
            else:
                above.append(child)
                _walk(child, known.definition, session, ids, above)
                above.pop()


def _extension(child: Item, holder: Item, above: list[Item], session: Session, ids: set[str]) -> None:
    if type(child.value) is not dict:
        return
    check_extension(child, holder, above, session)
    above.append(child)
    _walk(child, None, session, ids, above)
    above.pop()


def _primitive(item: Item, definition: ElementDef | None, session: Session) -> None:
    value = item.value
    binding = definition.binding if value is None and definition is not None else None
    if binding is not None and binding.strength == "required":
        text = "Un code de la liste imposée est exigé ici : une extension ne peut en tenir lieu."
        session.add("code-invalid", text, item.place)
    if session.options.check_text and item.type == "string" and type(value) is str and _TAG.search(value):
        session.add("security", "Un texte simple ne peut contenir de balises HTML : retirez-les.", item.place)
    above: Any = item.place[0]
    if item.type == "uri" and item.place[1] == "url" and _is_resource(above) and not _ABSOLUTE.match(str(value)):
        session.add("invalid", "L'adresse (url) d'une ressource doit être absolue.", item.place)
    if type(value) is str and value.startswith("urn:uuid:") and value[9:45] != value[9:45].lower():
        session.add("value", "Un UUID s'écrit en minuscules (R4, uri).", item.place)
    if item.type == "canonical" and type(value) is str:
        _canonical(item, value, definition, session)


def _is_resource(place: Any) -> bool:
    """Whether a place is that of a whole resource."""
    return type(place) is tuple and (place[0] is None or place[1] in ("contained", "resource"))


def _canonical(item: Item, value: str, definition: ElementDef | None, session: Session) -> None:
    """An address that is absolute, or of a contained resource; what is known at it is of a type that the element allows."""
    if value.startswith("#"):
        if session.resolve(value, item.frame) is None:
            text = "Cette adresse désigne une ressource contenue qui n'est pas là."
            session.add("not-found", text, item.place)
        return
    if not _ABSOLUTE.match(value):
        session.add("invalid", "Une adresse canonique doit être absolue (http://…, urn:…).", item.place)
        return
    targets = {target for ref in definition.types for target in ref.targets} if definition is not None else set()
    if not targets or "Resource" in targets:
        return
    if not targets & KEPT or any(session.registry.find(kind, value) is not None for kind in targets & KEPT):
        return
    found = next((kind for kind in _CONFUSED if kind not in targets and session.registry.find(kind, value)), None)
    if found is not None:
        text = f"Cette adresse est celle d'une ressource {found} ; attendu : {', '.join(sorted(targets))}."
        session.add("structure", text, item.place)
