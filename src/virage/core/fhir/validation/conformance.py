"""Whether an element conforms to a profile: the walk of a shape over an instance."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.fhirpath import temporal, ucum
from virage.core.fhir.fhirpath.temporal import DateTime, Time
from virage.core.fhir.validation import invariants, limits
from virage.core.fhir.validation.items import Frame, Item, children, equal, matches, mismatch
from virage.core.fhir.validation.report import Enough
from virage.core.fhir.validation.session import REFERENCE, Session
from virage.core.fhir.validation.shapes import STRUCTURE, BadProfile, Shape, lost_base, shape_of
from virage.core.fhir.validation.slicing import belongs

_BY_URL: list[Mapping[str, Any]] = [{"type": "value", "path": "url"}]
_CROSS = re.compile(r"http://hl7\.org/fhir/[0-9]\.[0-9]/StructureDefinition/extension-")
_BY_TYPE: list[Mapping[str, Any]] = [{"type": "type", "path": "$this"}]


def check_profile(item: Item, canonical: str, session: Session, *, severity: str = "error") -> None:
    """Write what makes an element depart from a profile. Unknown profiles are said, with `severity`."""
    if is_base(canonical, item.type):
        return
    key = (id(item.value), canonical)
    if key in session.reported:
        return
    session.reported.add(key)
    try:
        shape = shape_of(canonical, session.registry)
    except BadProfile as error:
        session.add("not-found", f"Profil {canonical} : {error}", item.place, severity)
        return
    if not _suits(shape, item):
        text = f"Le profil {canonical} porte sur {shape.type_name} : il ne convient pas à {item.type}."
        session.add("structure", text, item.place)
        return
    if lost := lost_base(canonical, session.registry):
        text = f"Profil {canonical} : sa base {lost} est inconnue ici, et ce qu'elle exige n'a pu être contrôlé."
        session.add("not-found", text, item.place, severity)
    session.verdicts.setdefault(key, True)
    before = session.errors
    check(shape, item, session)
    session.verdicts[key] = session.errors == before


def subject(item: Item, canonical: str, session: Session) -> Item:
    """What a profile asked for is held against: the resource, or the first entry of a bundle when the profile is of its type."""
    if item.type != "Bundle":
        return item
    try:
        name = shape_of(canonical, session.registry).type_name
    except BadProfile:
        return item
    for entry in children(item, "entry")[:1] if name != "Bundle" else ():
        for first in children(entry, "resource"):
            if first.type == name:
                return first
    return item


def _suits(shape: Shape, item: Item) -> bool:
    """Whether a profile is made for this type."""
    name = shape.type_name
    return not definitions.kind(name.partition(".")[0]) or name == item.type or definitions.is_a(item.type, name)


def is_base(canonical: str, type_name: str) -> bool:
    """Whether a canonical names a base type of R4 that this type is: nothing more to check."""
    name = canonical.partition("|")[0].removeprefix(STRUCTURE)
    return bool(definitions.kind(name)) and definitions.is_a(type_name, name)


def conforms_to(item: Item, canonical: str, session: Session) -> bool:
    """Whether an element conforms to a profile, without writing anything; what is under way counts as conforming."""
    name = canonical.partition("|")[0].removeprefix(STRUCTURE)
    if definitions.kind(name):
        return definitions.is_a(item.type, name)
    key = (id(item.value), canonical)
    if key in session.verdicts:
        return session.verdicts[key]
    try:
        shape = shape_of(canonical, session.registry)
    except BadProfile:
        return False
    if not _suits(shape, item):
        return False
    session.verdicts[key] = True
    session.verdicts[key] = _holds(shape, item, session)
    return session.verdicts[key]


def _holds(shape: Shape, item: Item, session: Session) -> bool:
    """Whether an element is as a shape asks, without writing anything."""
    quiet = Session(
        session.registry, session.options, session.terminology, steps=session.steps, verdicts=session.verdicts
    )
    quiet.expressed = session.expressed
    quiet.depth = session.depth + 1
    quiet.bundles, quiet.named = session.bundles, session.named
    try:
        if quiet.depth > 20:
            return True
        check(shape, item, quiet)
    except Enough:
        pass
    session.steps, session.expressed = quiet.steps, quiet.expressed
    return not quiet.errors


def check(shape: Shape, item: Item, session: Session) -> None:
    """Everything a shape asks of one element and of what is below."""
    session.spend()
    value = item.value
    if shape.fixed:
        _compare(shape, item, shape.fixed[1], True, session)
    if shape.pattern:
        _compare(shape, item, shape.pattern[1], False, session)
    if shape.types is not None:
        _types(shape, item, session)
    if shape.binding is not None:
        bound(shape.binding, item, session, shape.profile)
    if shape.value_rule is not None and value is None:
        _absent_value(shape.value_rule, item, session, shape.profile)
    if shape.max_length is not None and type(value) is str and len(value) > shape.max_length:
        session.add("too-long", f"Au plus {shape.max_length} caractères sont permis ici : raccourcissez.", item.place)
    if shape.min_value or shape.max_value:
        _range(shape, item, session)
    if shape.limits:
        limits.check(shape, item, session)
    for each in shape.constraints.values():
        invariants.run(each["key"], each.get("severity", "error"), each["expression"], item, session, shape.profile)
    for name, child in shape.children.items():
        group(child, children(item, name), item, session)


def _absent_value(rule: Mapping[str, Any], item: Item, session: Session, source: str) -> None:
    """A primitive without value, where a profile asks for one or for an extension in its stead."""
    permitted = rule.get("valueCanonical")
    urls = [each.value.get("url") for each in children(item, "extension") if type(each.value) is dict]
    if permitted is None:
        if rule.get("valueBoolean"):
            session.add("required", f"Une valeur est exigée ici par le profil {source}.", item.place)
    elif permitted not in urls:
        session.add("required", f"Sans valeur, l'extension {permitted} est exigée par le profil {source}.", item.place)


def group(shape: Shape, items: list[Item], parent: Item, session: Session) -> None:
    """The occurrences of one element, or of one slice: how many, each in itself, and by slices."""
    count = len(items)
    label = f"{shape.name}:{shape.slice}" if shape.slice else shape.name
    if count < shape.min:
        text = f"« {label} » doit apparaître au moins {shape.min} fois, {count} trouvée(s) (profil {shape.profile})."
        session.add("required", text, parent.place)
    if shape.max is not None and count > shape.max:
        text = f"« {label} » peut apparaître au plus {shape.max} fois, {count} trouvée(s) (profil {shape.profile})."
        session.add("structure", text, parent.place)
    for each in items:
        check(shape, each, session)
    if shape.slices:
        _slices(shape, items, parent, session)


def _slices(shape: Shape, items: list[Item], parent: Item, session: Session) -> None:
    slicing: Mapping[str, Any] = shape.slicing or {}
    discriminators: list[Mapping[str, Any]] = list(slicing.get("discriminator", ()))
    if not discriminators:
        if shape.name in ("extension", "modifierExtension"):
            discriminators = _BY_URL
        elif any(each.types for each in shape.slices.values()) and definitions_choice(parent.type, shape.name):
            discriminators = _BY_TYPE
    groups: dict[str, list[Item]] = {name: [] for name in shape.slices}
    order: list[int] = []
    names = list(shape.slices)
    rules = slicing.get("rules", "open")
    ended = False
    for item in items:
        found = [
            name
            for name, piece in shape.slices.items()
            if name != "@default"
            and (belongs(item, piece, discriminators, session) if discriminators else _holds(piece, item, session))
        ]
        if not discriminators:
            found = found[:1]  # what tells them apart is all that they ask: an element may suit several
        if not found and "@default" in shape.slices:
            found = ["@default"]
        if len(found) > 1:
            found = _finest(found)
            if len(found) > 1:
                text = f"Cet élément répond à plusieurs tranches du profil {shape.profile} : {', '.join(found)}."
                session.add("structure", text, item.place)
        for name in found[:1]:
            groups[name].append(item)
            if slicing.get("ordered") and order and names.index(name) < max(order):
                text = f"Les « {shape.name} » doivent suivre l'ordre du profil {shape.profile}."
                session.add("structure", text, item.place)
            order.append(names.index(name))
            if rules == "openAtEnd" and ended:
                session.add("structure", "Cet élément doit venir avant ceux qui n'ont pas de tranche.", item.place)
        if not found:
            ended = True
            if rules == "closed":
                text = f"Cet élément ne correspond à aucune tranche permise par le profil {shape.profile}."
                session.add("structure", text, item.place)
    for name, piece in shape.slices.items():
        group(piece, groups[name], parent, session)


def _finest(names: list[str]) -> list[str]:
    """The slices among these that are not slices again of another (`a/b` of `a`)."""
    return [each for each in names if not any(other != each and other.startswith(each + "/") for other in names)]


def definitions_choice(type_name: str, name: str) -> bool:
    """Whether an element of a type is a choice."""
    try:
        child = definitions.element(type_name).children.get(name)
    except KeyError:
        return False
    return child is not None and (child.choice or child.type_name() == "Resource")


def _compare(shape: Shape, item: Item, wanted: Any, exact: bool, session: Session) -> None:
    if (equal if exact else matches)(item.value, wanted):
        return
    word = "la valeur imposée" if exact else "le modèle imposé"
    shown = f" ({wanted})" if isinstance(wanted, str | int | float | bool | Decimal) else ""
    for below, how in mismatch(item.value, wanted, exact):
        if how == "missing":
            text = f"Il manque ici une partie de {word} par le profil {shape.profile}."
        elif how == "extra":
            text = f"Cet élément n'est pas dans {word} par le profil {shape.profile} : retirez-le."
        else:
            text = f"Cette valeur n'est pas {word}{shown} par le profil {shape.profile}."
        session.add("value", text, item.place, below=below)


def _types(shape: Shape, item: Item, session: Session) -> None:
    lines = [each for each in shape.types or () if _allows(each, item)]
    if not lines:
        codes = ", ".join(str(each.get("code")) for each in shape.types or ())
        place = item.place
        above = place[0]
        if shape.name == "value" and isinstance(above, tuple) and above[1] in ("extension", "modifierExtension"):
            place = above  # it is the extension that is not as defined
        session.add("structure", f"Le profil {shape.profile} permet ici : {codes} ; pas {item.type}.", place)
        return
    canonicals = [canonical for each in lines for canonical in each.get("profile", ())]
    if any(is_base(each, item.type) or _is_cross(each) for each in canonicals):
        canonicals = []  # one of them permits the type itself, or cannot be held against anything
    if canonicals and all(each.get("profile") for each in lines) and (item.type != "Extension" or shape.slice):
        if len(canonicals) == 1:
            check_profile(item, canonicals[0], session)
        elif not any(conforms_to(item, each, session) for each in canonicals):
            text = f"Cet élément n'est conforme à aucun des profils permis : {', '.join(canonicals)}."
            session.add("structure", text, item.place)
    if item.type == "Reference":
        _versioned(item, lines, session)
    targets = [canonical for each in lines for canonical in each.get("targetProfile", ())]
    if item.type == "Reference" and targets:
        _target(shape, item, targets, lines, session)


def _allows(line: Mapping[str, Any], item: Item) -> bool:
    code = str(line.get("code", "")).removeprefix(STRUCTURE)
    if code in ("BackboneElement", "Element") or not code:
        return True
    if code.startswith("http://hl7.org/fhirpath/"):
        return True
    if code == item.type or not definitions.kind(code):
        return True
    if definitions.kind(item.type) == "primitive-type":
        # Of a choice, who permits valueString does not permit valueCode, though a code is a string by its definition; elsewhere
        # the base type has told already, and profiles write the type of an id in several ways.
        return ".ofType(" not in str(item.place[1])
    return definitions.is_a(item.type, code)


def _versioned(item: Item, lines: list[Mapping[str, Any]], session: Session) -> None:
    """A reference names a version, or none, as the profile asks."""
    modes = {each.get("versioning", "either") for each in lines}
    match = REFERENCE.fullmatch(str(item.value.get("reference", ""))) if type(item.value) is dict else None
    if match is not None and "either" not in modes and ("specific" if match[4] else "independent") not in modes:
        text = (
            "Cette référence doit nommer une version."
            if match[4] is None
            else "Cette référence ne doit pas nommer de version."
        )
        session.add("structure", text, item.place)


def _is_cross(canonical: str) -> bool:
    """Whether a canonical is that of an element of another version of FHIR, which is published nowhere as a profile."""
    return _CROSS.match(canonical) is not None


def _target(shape: Shape, item: Item, targets: list[str], lines: list[Mapping[str, Any]], session: Session) -> None:
    line = item.value if type(item.value) is dict else {}
    reference, told = line.get("reference"), line.get("type")
    if type(reference) is not str:
        if type(told) is str:
            _named(told, item, targets, session)
        return
    found = session.resolve(reference, item.frame)
    _aggregation(shape, item, reference, found is not None, lines, session)
    if found is None:
        match = REFERENCE.fullmatch(reference.partition("#")[0])
        if match is not None or type(told) is str:
            _named(match[2] if match is not None else str(told), item, targets, session)
        return
    value, frame = found
    inner = Item(value, None, str(value.get("resourceType")), item.place, frame)
    known = [each for each in targets if is_known(each, session)]
    if len(known) == len(targets) and not any(conforms_to(inner, each, session) for each in targets):
        text = f"La ressource désignée n'est conforme à aucun des profils attendus : {', '.join(targets)}."
        session.add("structure", text, item.place)
    for each in targets:
        if each not in known:
            text = f"Profil {each} inconnu ici : la cible n'a pu être contrôlée."
            session.add("not-found", text, item.place, session.options.unknown_targets)


def _named(name: str, item: Item, targets: list[str], session: Session) -> None:
    """The type that a reference tells is of those of its profiles, as far as these are here."""
    names = {_type_of(each, session) for each in targets}
    if "" not in names and definitions.kind(name) and not any(definitions.is_a(name, each) for each in names):
        text = f"Cette référence doit désigner : {', '.join(sorted(names))} ; pas {name}."
        session.add("structure", text, item.place)


def _aggregation(
    shape: Shape, item: Item, reference: str, found: bool, lines: list[Mapping[str, Any]], session: Session
) -> None:
    modes = {mode for each in lines for mode in each.get("aggregation", ())}
    if not modes:
        return
    if reference.startswith("#"):
        mode = "contained"
    elif found and _is_bundled(reference, item, session):
        mode = "bundled"
    else:
        mode = "referenced"
    if mode not in modes and not (mode == "bundled" and "referenced" in modes):
        session.add(
            "structure", f"Une référence « {mode} » n'est pas permise ici par le profil {shape.profile}.", item.place
        )


def _is_bundled(reference: str, item: Item, session: Session) -> bool:
    """Whether a reference is to an entry of one of the bundles around."""
    frame: Frame | None = item.frame
    plain = reference.partition("#")[0]
    while frame is not None:
        if frame.bundle is not None and session.entries(frame.bundle).meant_by(plain, frame.full_url):
            return True
        frame = frame.outer
    return False


def is_known(canonical: str, session: Session) -> bool:
    """Whether a profile is here."""
    return session.registry.structure(canonical) is not None


def _type_of(canonical: str, session: Session) -> str:
    source = session.registry.structure(canonical)
    return str(source["type"]) if source is not None and "type" in source else ""


def bound(binding: Mapping[str, Any], item: Item, session: Session, source: str) -> None:
    """A coded element against the value set it is bound to, by the strength of the binding."""
    strength = binding.get("strength")
    valueset = binding.get("valueSet", "")
    if item.type not in CODED or item.value is None:
        return
    for each in binding.get("extension", ()):
        _additional(each, item, session)
        if each.get("url") == _WIDEST:
            furthest(each.get("valueCanonical") or each.get("valueUri"), strength, item, session)
    if strength not in ("required", "extensible") or not valueset:
        return
    if strength == "extensible" and item.type == "CodeableConcept" and not item.value.get("coding"):
        return
    answer = session.terminology.member_of(item.value, item.type, valueset)
    if answer is False:
        text = f"Aucun code n'est dans la liste {valueset} ({'imposée' if strength == 'required' else 'attendue'})."
        session.add("code-invalid", text, item.place, "error" if strength == "required" else "warning")


_WIDEST = STRUCTURE + "elementdefinition-maxValueSet"


def furthest(valueset: Any, strength: Any, item: Item, session: Session) -> None:
    """The widest list that a binding which is not required still imposes; a mere text passes where codes are but preferred."""
    if type(valueset) is not str or (
        strength == "preferred" and item.type == "CodeableConcept" and not item.value.get("coding")
    ):
        return
    bound({"strength": "required", "valueSet": valueset}, item, session, "")


def _additional(extension: Mapping[str, Any], item: Item, session: Session) -> None:
    """A further binding, as R5 and its backport to R4 write it."""
    if not str(extension.get("url", "")).endswith(("ElementDefinition.binding.additional", "/additional-binding")):
        return
    parts = {
        each.get("url"): next((value for key, value in each.items() if key.startswith("value")), None)
        for each in extension.get("extension", ())
    }
    valueset = parts.get("valueSet")
    if parts.get("purpose") not in ("required", "maximum") or type(valueset) is not str or "usage" in parts:
        return
    if parts.get("any") is True and isinstance(item.place[1], int):
        return  # one of those that repeat is enough
    if session.terminology.member_of(item.value, item.type, valueset) is False:
        session.add("code-invalid", f"Aucun code n'est dans la liste {valueset} (imposée).", item.place)


CODED = frozenset(
    {"code", "Coding", "CodeableConcept", "Quantity", "string", "uri", "Age", "Duration", "Count", "Distance"}
)


def _range(shape: Shape, item: Item, session: Session) -> None:
    for limit, sign, word in ((shape.min_value, -1, "minimum"), (shape.max_value, 1, "maximum")):
        if limit is None:
            continue
        bound = limit[1]
        if type(bound) is dict and item.type in _DATED:
            bound = _moment(bound, sign)
        order = compare(item.value, bound)
        if order is not None and order * sign > 0:
            session.add("value", f"La valeur est hors du {word} permis par le profil {shape.profile}.", item.place)


_DATED = ("date", "dateTime", "instant")
_SPANS = {"a": 365.25, "mo": 30.4375, "wk": 7.0, "d": 1.0, "h": 1 / 24, "min": 1 / 1440, "s": 1 / 86400}


def _moment(span: Mapping[str, Any], sign: int) -> str | None:
    """The date that a span of time sets from now: that long ago for a minimum, that long ahead for a maximum (R4, ElementDefinition)."""
    value, days = span.get("value"), _SPANS.get(str(span.get("code")))
    if not isinstance(value, int | float | Decimal) or days is None:
        return None
    try:
        return (datetime.now(UTC) + sign * timedelta(days=float(value) * days)).strftime("%Y-%m-%d")
    except OverflowError:
        return None


NUMBERS = (int, float, Decimal)


def compare(left: Any, right: Any) -> int | None:
    """-1, 0 or 1 for two JSON values of one type (numbers, texts of dates, quantities); None when they do not compare."""
    if type(left) is dict and type(right) is dict:
        one, other = left.get("value"), right.get("value")
        if not isinstance(one, NUMBERS) or not isinstance(other, NUMBERS):
            return None
        if left.get("code") != right.get("code") or left.get("system") != right.get("system"):
            if not (left.get("system") == right.get("system") == "http://unitsofmeasure.org"):
                return None
            converted = ucum.convert(Decimal(str(one)), str(left.get("code")), str(right.get("code")))
            if converted is None:
                return None
            target = Decimal(str(other))
            return (converted > target) - (converted < target)
        return compare(one, other)
    if isinstance(left, NUMBERS) and isinstance(right, NUMBERS):
        one, other = Decimal(str(left)), Decimal(str(right))
        return (one > other) - (one < other)
    if type(left) is str and type(right) is str:
        order = _moments(left, right)
        if order is not None:
            return order
        size = min(len(left), len(right))
        if left[:size] != right[:size]:
            return 1 if left > right else -1
        return (len(left) > len(right)) - (len(left) < len(right))
    return None


def _moments(left: str, right: str) -> int | None:
    """The order of two times of day, or of two moments wherever their clocks are; None for other texts."""
    kind = DateTime if "T" in left and "T" in right else Time if left[2:3] == right[2:3] == ":" else None
    one, other = (kind.parse(left), kind.parse(right)) if kind is not None else (None, None)
    return None if one is None or other is None else temporal.compare(one, other)
