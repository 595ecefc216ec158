"""From (name, value) conditions to SQL conditions."""

from dataclasses import dataclass, field

from virage.core.access import Filter
from virage.core.fhir.index import keys, param_of, patient_params, phonetics, revised
from virage.core.fhir.index.forms import REFERENCE
from virage.core.fhir.search import chains, conditions, filtering, hierarchies, lists, nearby, prose
from virage.core.fhir.search.composites import composite
from virage.core.fhir.search.context import Context, has, missing, split
from virage.core.fhir.search.errors import BadSearch, bad_modifier, bad_value
from virage.core.fhir.search.naming import named
from virage.core.fhir.search.request import name_and_modifier
from virage.core.fhir.search.sql import FALSE, TRUE, Sql, every, fenced, no
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import present_types
from virage.core.fhir.store.space import Space


@dataclass(slots=True)
class Compiled:
    """The conditions of a query, the compartment to which it is confined if any, what was used and what was not known."""

    parts: list[Sql] = field(default_factory=list)
    compartment: int | None = None
    ids: list[str] | None = None
    used: list[tuple[str, str]] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    def keep(self, ids: list[str]) -> None:
        """Only resources with these ids."""
        self.ids = ids if self.ids is None else [each for each in self.ids if each in set(ids)]


_SPECIAL = frozenset(["_filter", "_list", "_text", "_content", "_query"])


class Compiler:
    """Compiles the conditions of one search. `now` (µs since 1970) is what approximate dates are measured from.

    `rule` limits what chains may pass through; with `inside`, the rows are those of what resources contain.
    """

    def __init__(
        self, space: int, now: int, rule: Filter, inside: bool = False, other: "Compiler | None" = None
    ) -> None:
        self.space = space | keys.CONTAINED if inside else space
        self.now, self.rule, self.inside = now, rule, inside
        self._other = other
        self._held: frozenset[str] | None = other._held if other else None
        self._scene = chains.Scene(self.space, rule, self._inner, self._contained_types)
        self._tools = filtering.Tools(
            self.space,
            now,
            self._conditions,
            lambda type_, head, inner, depth: chains.through(self._scene, type_, head, inner, depth),
            lambda inside: self._of(inside)._tools,
        )

    def _of(self, inside: bool) -> "Compiler":
        """The same search, on resources themselves or on what they contain."""
        if inside == self.inside:
            return self
        if self._other is None:
            self._other = Compiler(keys.outside(self.space), self.now, self.rule, inside, self)
        return self._other

    def _contained_types(self) -> frozenset[str]:
        """The types of which the base holds something contained: none, and nothing to look for, in most."""
        if self._held is None:
            space = Space("", self.space | keys.CONTAINED)
            self._held = frozenset(places.TYPES[code] for code in present_types(space)) if revised(5) else frozenset()
        return self._held

    def compile(self, type_: str, asked: list[tuple[str, str]]) -> Compiled:
        """Raises BadSearch; unknown names are told, not raised."""
        out = Compiled()
        for name, value in asked:
            if not self._one(type_, name, value, out, 1):
                out.unknown.append(name)
            else:
                out.used.append((name, value))
        return out

    def _inner(self, inside: bool, type_: str, name: str, value: str, depth: int) -> list[Sql] | None:
        """The conditions of one parameter at the far end of a chain."""
        return self._of(inside)._conditions(type_, name, value, depth)

    def _conditions(self, type_: str, name: str, value: str, depth: int) -> list[Sql] | None:
        out = Compiled()
        if not self._one(type_, name, value, out, depth):
            return None
        if out.ids is not None:
            out.parts.append(named(self.space, type_, [each for each in out.ids if places.ID.fullmatch(each)]))
        return out.parts

    def _one(self, type_: str, name: str, value: str, out: Compiled, depth: int) -> bool:
        if name.startswith("_has:"):
            parts = name.split(":", 3)
            if len(parts) < 4 or not all(parts):
                raise bad_value("_has", "la forme attendue est « _has:Type:référence:paramètre=valeur ».")
            return _added(out, chains.reverse(self._scene, type_, parts[1], parts[2], parts[3], value, depth))
        head, dot, rest = name.partition(".")
        if dot:
            return _added(out, chains.chain(self._scene, type_, head, rest, value, depth))
        code, modifier = name_and_modifier(name)
        if code == "_id":
            if modifier not in ("", "not", "missing"):
                raise bad_modifier("_id", modifier, ":not, :missing")
            if modifier:
                out.parts.append(self._without(type_, modifier, value, depth))
                return True
            wanted = [each for each in split(value) if each]
            if not wanted:
                raise bad_value("_id", "la valeur est vide.")
            if self.inside:
                key = keys.param_hash(self.space, type_, "_id")
                out.parts.append(has([(key ^ keys.value_hash(keys.any_system(each))) & keys.MASK for each in wanted]))
            else:
                out.keep(wanted)
            return True
        if code in _SPECIAL:
            if modifier:
                raise bad_modifier(code, modifier, "aucun")
            self._special(type_, code, value, out, depth)
            return True
        if code == "_lastUpdated":
            out.parts.append(conditions.updated(value, modifier, self.now))
            return True
        param = param_of(self.space, type_, code)
        if param is None or (param.type == "special" and code != "near"):
            return False
        context = Context(self.space, type_, param)
        if code == "near":
            out.parts.append(nearby.near(context, value, modifier))
            return True
        out.parts.append(self.condition(context, modifier, value))
        if param.type == "reference" and not self.inside:
            _confine(type_, code, modifier, value, out)
        return True

    def _without(self, type_: str, modifier: str, value: str, depth: int) -> Sql:
        """`_id:not` and `_id:missing`."""
        if modifier == "not":
            return no(every([fenced(part) for part in self._conditions(type_, "_id", value, depth) or [FALSE]]))
        if value not in ("true", "false"):
            raise bad_value("_id", "« :missing » attend « true » ou « false ».")
        return FALSE if value == "true" else TRUE

    def _special(self, type_: str, code: str, value: str, out: Compiled, depth: int) -> None:
        if code == "_filter":
            out.parts += filtering.filtered(self._tools, type_, value, depth)
        elif code == "_list" and self.inside:
            out.parts.append(FALSE)  # a List names resources that stand by themselves
        elif code == "_list":
            out.keep(lists.listed(self.space, type_, value, self.rule))
        elif code == "_query":
            raise BadSearch(
                "Aucune recherche nommée (« _query ») n'est servie ici : donnez les paramètres eux-mêmes.",
                code="FHIR.SEARCH_UNSERVED",
                issue="not-supported",
                path="_query",
            )
        else:
            out.parts.append(prose.prose(self.space, type_, code, value))

    def condition(self, context: Context, modifier: str, value: str) -> Sql:
        """The condition of one parameter."""
        kind = context.param.type
        if modifier == "missing":
            return missing(context, value)
        if kind == "reference" and modifier in ("above", "below"):
            return hierarchies.around(context, value, modifier, self.rule)
        if context.param.code == phonetics.CODE and not context.param.key:
            return conditions.sounding(context, value, modifier)
        if kind == "date":
            return conditions.date(context, value, modifier, self.now)
        if kind == "composite":
            return composite(context, value, modifier, self.now)
        if kind in conditions.CONDITIONS:
            return conditions.CONDITIONS[kind](context, value, modifier)
        raise BadSearch(
            f"Paramètre « {context.name} » : les recherches de type « {kind} » ne sont pas encore servies.",
            code="FHIR.SEARCH_UNSERVED",
            path=context.name,
        )


def _added(out: Compiled, found: Sql | None) -> bool:
    if found is not None:
        out.parts.append(found)
    return found is not None


def _confine(type_: str, code: str, modifier: str, value: str, out: Compiled) -> None:
    """A search on the patient that resources of this type are stored with looks in one compartment only."""
    leading = patient_params(type_)
    # A Patient is in a compartment of its own, whatever it links to.
    if modifier not in ("", "Patient") or not leading or type_ == "Patient":
        return
    if not (code == leading[0] or (code == "patient" and leading[0] == "subject")):
        return
    match = REFERENCE.fullmatch(value)
    if match and match[1] == "Patient":
        patient = match[2]
    elif places.ID.fullmatch(value) and (code == "patient" or modifier == "Patient"):
        patient = value
    else:
        return
    compartment = places.patient_key(patient)
    if out.compartment is not None and out.compartment != compartment:
        out.parts.append(FALSE)
    out.compartment = compartment
