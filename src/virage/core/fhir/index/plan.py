"""From a resource to its index entries, in one walk over its JSON. Pure.

All parameters of a type are merged into one tree of JSON properties, so that a resource is gone through once and only where
some parameter looks. Clinical data says the same codes, units and people over and over: what a property of such a type gave
is remembered under the bytes of its value.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from virage.core.fhir import definitions, json
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import calendar, composites, forms, keys, pairs, paths, phonetics, positions, prose
from virage.core.fhir.index.aliases import Alias, widely
from virage.core.fhir.index.contained import add_contained
from virage.core.fhir.index.entries import Entries
from virage.core.fhir.index.strings import fold, unmarked, words
from virage.core.fhir.recent import LONGEST, Recent

MASK = keys.MASK
_PRESENT = keys.value_hash(keys.present())


Leaf = Callable[[Any, Entries], None]


# Types whose values come again and again from one resource to the next.
_REPEATED = frozenset(["CodeableConcept", "Coding", "Reference", "boolean", "canonical", "code"])


@dataclass(slots=True)
class _Node:
    """The leaves that take a value, and what is below it."""

    leaves: list[Leaf] = field(default_factory=list)
    children: dict[paths.Step, "_Node"] = field(default_factory=dict)
    repeated: bool = True
    """Whether all leaves from here down take values that come again and again."""
    fields: tuple["_Field", ...] = ()

    def add(self, path: paths.Path, leaf: Leaf) -> None:
        node = self
        repeated = path.type in _REPEATED
        for step in path.steps:
            node = node.children.setdefault(step, _Node())
            node.repeated &= repeated
        node.leaves.append(leaf)

    def freeze(self) -> None:
        """Group what is below by the name of the property, ready to walk."""
        below: dict[str, list[tuple[paths.Step, _Node]]] = {}
        for step, node in self.children.items():
            below.setdefault(step.name, []).append((step, node))
            node.freeze()
        self.fields = tuple(_Field(name, ways) for name, ways in below.items())


class _Field:
    """A JSON property where some parameter looks, by one way or by several that keep different values."""

    __slots__ = ("name", "prose", "recent", "ways")

    def __init__(self, name: str, ways: list[tuple[paths.Step, _Node]]) -> None:
        self.name = name
        self.ways = tuple((step.where, step.target, step.first, node) for step, node in ways)
        self.prose: Leaf | None = None
        """Takes the words that people read in the property, at the top of a resource."""
        self.recent: Recent[Entries] | None = Recent() if all(node.repeated for _, node in ways) else None

    def take(self, found: Any, out: Entries) -> None:
        """Add the entries of the property's value."""
        if self.prose is not None:
            self.prose(found, out)
        for where, target, first, node in self.ways:
            if type(found) is list:
                for item in found[:1] if first else found:
                    if item is not None and ((where is None and not target) or paths.kept(item, where, target)):
                        _enter(node, item, out)
            elif found is not None and ((where is None and not target) or paths.kept(found, where, target)):
                _enter(node, found, out)


def _enter(node: _Node, value: Any, out: Entries) -> None:
    for leaf in node.leaves:
        leaf(value, out)
    if node.fields and type(value) is dict:
        _walk(node, value, out)


def _walk(node: _Node, value: dict[str, Any], out: Entries) -> None:
    for each in node.fields:
        if each.name not in value:
            continue
        found = value[each.name]
        recent = each.recent
        if recent is None or (type(found) is list and len(found) > 4):
            each.take(found, out)
            continue
        mark = found if type(found) is str else json.dumps(found)
        known = recent.get(mark)
        if known is None:
            known = Entries()
            each.take(found, known)
            if len(mark) <= LONGEST:
                recent.keep(mark, known)
        out.add(known)


# ── leaves ───────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _token_leaf(key: int, values: forms.Forms, truth: bool) -> Leaf:
    hashed = keys.value_hash
    present = (key ^ _PRESENT) & MASK

    def leaf(value: Any, out: Entries) -> None:
        add = out.tokens.add
        for form in values(value):
            add((key ^ hashed(form)) & MASK)
        add(present)
        if type(value) is dict:
            for text in forms.texts(value):
                for word in words(text):
                    add((key ^ hashed(keys.word(word))) & MASK)

    def true(value: Any, out: Entries) -> None:
        if value is not False:
            leaf(True, out)

    return true if truth else leaf


def _date_leaf(key: int, values: Callable[[Any], list[tuple[int, int]]]) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        for low, high in values(value):
            out.dates.add((key & MASK, low, high))
            for hashed in calendar.hashes_of(low, high):
                out.tokens.add((key ^ hashed) & MASK)

    return leaf


def _string_leaf(key: int, values: Callable[[Any], Iterator[str]]) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        for text in values(value):
            folded = fold(text)
            out.strings.add((key & MASK, folded, text[:500]))
            for form in unmarked(folded):
                out.strings.add((key & MASK, form, ""))

    return leaf


def _sound_leaf(key: int, values: Callable[[Any], Iterator[str]]) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        for text in values(value):
            out.tokens.update((key ^ keys.value_hash(keys.sound(each))) & MASK for each in phonetics.sounds(text))
            out.tokens.add((key ^ _PRESENT) & MASK)

    return leaf


def _number_leaf(key: int, values: Callable[[Any], list[forms.Number]]) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        for low, high, code, unit in values(value):
            out.numbers.add((key & MASK, low, high, keys.value_hash(code), keys.value_hash(unit)))

    return leaf


def _uri_leaf(key: int) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        for form in forms.uri(value):
            out.tokens.add((key ^ keys.value_hash(form)) & MASK)
        out.tokens.add((key ^ _PRESENT) & MASK)
        out.strings.add((key & MASK, str(value)[:500], str(value)[:500]))

    return leaf


def _reference_leaf(space: int, key: int, rank: int | None, widely: bool) -> Leaf:
    """`rank` is the place of the parameter among those that put a resource in a patient's compartment, None for others;
    `widely` is true when it may point at so many types that an id alone is indexed too.
    """

    def leaf(value: Any, out: Entries) -> None:
        text = value.get("reference") if type(value) is dict else value
        if type(text) is str:
            match = forms.REFERENCE.fullmatch(text)
            if match:
                out.tokens.add((key ^ keys.row_id(space, match[1], match[2])) & MASK)
                if widely:
                    out.tokens.add((key ^ keys.value_hash(keys.bare(match[2]))) & MASK)
                if rank is not None and match[1] == "Patient":
                    out.found.append((rank, match[2]))
            elif text.startswith("#"):
                out.locals += ((key, text[1:]),)
            else:
                for form in forms.uri(text):
                    out.tokens.add((key ^ keys.value_hash(form)) & MASK)
                if type(value) is str:
                    for form in forms.versions(text):
                        out.tokens.add((key ^ keys.value_hash(form)) & MASK)
        elif type(value) is dict and type(value.get("resourceType")) is str and type(value.get("id")) is str:
            out.tokens.add((key ^ keys.row_id(space, value["resourceType"], value["id"])) & MASK)
        if type(value) is dict and type(value.get("display")) is str:
            for word in words(value["display"]):
                out.tokens.add((key ^ keys.value_hash(keys.word(word))) & MASK)
        if type(value) is dict and type(value.get("identifier")) is dict:
            identifier = value["identifier"]
            named = identifier.get("system") if type(identifier.get("system")) is str else ""
            if type(identifier.get("value")) is str:
                for form in (keys.identified(named, identifier["value"]), keys.any_system(identifier["value"])):
                    out.tokens.add((key ^ keys.value_hash(form)) & MASK)
            if named:
                out.tokens.add((key ^ keys.value_hash(keys.of_system(named))) & MASK)
        out.tokens.add((key ^ keys.value_hash(keys.present(paths.reference_type(value)))) & MASK)

    return leaf


@lru_cache(maxsize=512)
def patient_params(type_: str) -> tuple[str, ...]:
    """The parameters that put a resource of this type in a patient's compartment, the most significant first."""
    listed = list(definitions.compartments().get("Patient", {}).get(type_, ()))
    known = {each.code for each in definitions.search_parameters(type_)}
    return tuple(
        sorted(
            (code for code in listed if code in known),
            key=lambda code: (code not in ("subject", "patient"), code != "subject"),
        )
    )


def _patient_leaf(rank: int) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        target = value.get("reference") if type(value) is dict else value
        if type(target) is str and target.startswith("Patient/"):
            match = forms.REFERENCE.fullmatch(target)
            if match:
                out.found.append((rank, match[2]))

    return leaf


def _pointer_leaf(rank: int) -> Leaf:
    def leaf(value: Any, out: Entries) -> None:
        target = value.get("reference") if type(value) is dict else value
        if type(target) is str:
            out.found.append((rank, target))

    return leaf


def _composite_leaf(plan: composites.Plan, key: int) -> Leaf:
    present = (key ^ _PRESENT) & MASK
    kind = plan.row.param.type if plan.row else ""
    read = composites.Reader(plan, key).read

    def leaf(element: Any, out: Entries) -> None:
        if type(element) is not dict:
            return
        for own, value in read(element):
            if not kind:
                out.tokens.add(own)
                out.tokens.add(present)
            elif kind == "date":
                out.dates.add((own, *value))
            elif kind == "string":
                out.strings.add((own, fold(value), value[:500]))
            else:
                low, high, code, unit = value
                out.numbers.add((own, low, high, keys.value_hash(code), keys.value_hash(unit)))

    return leaf


def _position_leaf(key: int) -> Leaf:
    present = (key ^ _PRESENT) & MASK

    def leaf(value: Any, out: Entries) -> None:
        place = positions.position(value)
        if place is not None:
            out.tokens.update((key ^ keys.value_hash(form)) & MASK for form in positions.forms_of(*place))
            out.tokens.add(present)
            out.numbers.add((key & MASK, *place, keys.value_hash(""), keys.value_hash("")))

    return leaf


def _prose_leaf(key: int, below: str) -> Leaf:
    """For a property of which `prose.read` says `below`."""

    def leaf(value: Any, out: Entries) -> None:
        found: list[str] = []
        prose.gather(value, below, found)
        for text in found:
            out.tokens.update((key ^ hashed) & MASK for hashed in prose.hashes(text))

    return leaf


def _properties_leaf(leaves: dict[str, Leaf]) -> Leaf:
    """For the properties where no parameter looks."""

    def leaf(resource: Any, out: Entries) -> None:
        for name in leaves.keys() & resource.keys():
            leaves[name](resource[name], out)

    return leaf


def _narrative_leaf(key: int) -> Leaf:
    def leaf(resource: Any, out: Entries) -> None:
        out.tokens.update((key ^ hashed) & MASK for hashed in prose.hashes(prose.narrative(resource)))

    return leaf


def _pair_leaf(pair: pairs.Pair, key: int) -> Leaf:
    def leaf(resource: Any, out: Entries) -> None:
        for own, first, second in pairs.entries(pair, key, resource):
            out.numbers.add((own, first, second, keys.value_hash(""), keys.value_hash("")))

    return leaf


OWN_STEPS = 20_000
"""How much the expression of a user's parameter may do on one resource; beyond, the resource is not found by it."""
MOST_OWN = 1000


def _evaluated_leaf(space: int, type_: str, param: SearchParam, rank: int | None) -> Leaf:
    """For an expression that is more than a path: FHIRPath itself, a good deal slower."""
    from virage.core.fhir import fhirpath

    expression = fhirpath.compile(param.expression, type_)
    # What a user wrote may cost so much, and can fail a search, never a write.
    steps = OWN_STEPS if param.key else fhirpath.MAX_STEPS
    failing: tuple[type[Exception], ...] = (Exception,) if param.key else ()
    key = keys.param_hash(space, type_, param.code)
    known: dict[str, Leaf | None] = {}

    def leaf(resource: Any, out: Entries) -> None:
        try:
            items = expression.typed(resource, steps=steps)[:MOST_OWN]
        except failing:
            return
        for item in items:
            kind = item.type.rpartition(".")[2]
            if kind not in known:
                kind_path = paths.Path((), {"Boolean": "boolean", "String": "string"}.get(kind, kind))
                known[kind] = bind(space, type_, param, kind_path, rank, key)
            found = known[kind]
            if found is not None:
                found(item.value, out)

    return leaf


def bind(space: int, type_: str, param: SearchParam, path: paths.Path, rank: int | None, key: int) -> Leaf | None:
    """What to do with a value found at a path, or None when the parameter's type takes nothing from values of this type."""
    if param.type == "token" and path.truth:
        return _token_leaf(key, forms.TOKENS["boolean"], True)
    if param.type == "token" and path.type in forms.TOKENS:
        return _token_leaf(key, forms.TOKENS[path.type], False)
    if param.type == "date" and path.type in forms.DATES:
        return _date_leaf(key, forms.DATES[path.type])
    if param.code == phonetics.CODE and not param.key:
        return _sound_leaf(key, forms.STRINGS[path.type]) if path.type in forms.STRINGS else None
    if param.type == "string" and path.type in forms.STRINGS:
        return _string_leaf(key, forms.STRINGS[path.type])
    if param.type in ("number", "quantity") and path.type in forms.NUMBERS:
        return _number_leaf(key, forms.NUMBERS[path.type])
    if param.type == "uri":
        return _uri_leaf(key)
    if param.type == "reference":
        return _reference_leaf(space, key, rank, widely(param))
    if param.code == "near":
        return _position_leaf(key)
    return None


class Indexer:
    """The index plan of one resource type in one space; `epoch` tells which parameters it knows."""

    def __init__(
        self, space: int, type_: str, params: list[SearchParam], aliases: dict[str, Alias], epoch: int = 0
    ) -> None:
        self.space = space
        self.type = type_
        self.epoch = epoch
        self.in_compartments = type_ == "Patient" or bool(patient_params(type_))
        ranks = {code: rank for rank, code in enumerate(patient_params(type_))}
        self._root = _Node()
        self._filed = _Node()
        self._whole: list[tuple[frozenset[str], Leaf]] = []
        for param in params:
            if param.code in ("_id", "_lastUpdated"):
                continue
            try:
                found = paths.read(type_, param.expression)
            except paths.Unreadable:
                self._whole.append((frozenset(), _evaluated_leaf(space, type_, param, ranks.get(param.code))))
                continue
            if param.code in ranks:
                for path in found:
                    self._filed.add(paths.untargeted(path), _pointer_leaf(ranks[param.code]))
            if param.code in aliases and not param.key:
                # Found by other parameters; only what puts the resource in a compartment is still looked at.
                if param.code in ranks:
                    for path in found:
                        self._root.add(path, _patient_leaf(ranks[param.code]))
                continue
            key = keys.param_hash(space, type_, param.code)
            if param.type == "composite":
                self._add_composite(type_, param, key)
                continue
            for path in found:
                leaf = bind(space, type_, param, path, ranks.get(param.code), key)
                if leaf is not None:
                    self._root.add(path, leaf)
        self._root.freeze()
        self._filed.freeze()
        # What is in words and what is contained has no part in a plan of users' parameters alone.
        self._is_whole = not all(param.key for param in params)
        if self._is_whole:
            self._add_prose(space, type_)

    def _add_composite(self, type_: str, param: SearchParam, key: int) -> None:
        try:
            plans = composites.plans(type_, param)
        except paths.Unreadable:
            pair = pairs.plan(type_, param)
            if pair is not None:
                self._whole.append((frozenset(), _pair_leaf(pair, key)))
            return
        for plan in plans:
            if plan.base.steps:
                self._root.add(plan.base, _composite_leaf(plan, key))
            else:
                self._whole.append((plan.gate, _composite_leaf(plan, key)))

    def _add_prose(self, space: int, type_: str) -> None:
        """Take words together with the parameters of a property, so that they are remembered together."""
        content = keys.param_hash(space, type_, prose.CONTENT)
        leaves = {name: _prose_leaf(content, below) for name, below in prose.read(type_).items()}
        for each in self._root.fields:
            each.prose = leaves.pop(each.name, None)
        self._whole.append((frozenset(leaves), _properties_leaf(leaves)))
        self._whole.append((frozenset(["text"]), _narrative_leaf(keys.param_hash(space, type_, prose.TEXT))))

    def filed(self, resource: dict[str, Any]) -> list[str]:
        """The references that may put it in a patient's compartment, as they are written, the most significant first."""
        out = Entries()
        _walk(self._filed, resource, out)
        return out.patients

    def index(self, resource: dict[str, Any]) -> Entries:
        """The entries of a resource of this type."""
        out = Entries()
        _walk(self._root, resource, out)
        for gate, leaf in self._whole:
            if not gate or not gate.isdisjoint(resource):
                leaf(resource, out)
        if self._is_whole and type(resource.get("contained")) is list:
            add_contained(self.space, resource["contained"], out)
        return out
