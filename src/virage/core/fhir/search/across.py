"""Searching every type of a space at once, and rows named by their ids."""

from virage.core import db
from virage.core.access import Filter
from virage.core.fhir.index import keys
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.compiler import Compiled, Compiler
from virage.core.fhir.search.errors import bad_value, contained_unserved
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.request import Request
from virage.core.fhir.search.sorting import demand_any_type, sort_keys
from virage.core.fhir.search.sql import FALSE, Sql, every, some
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import present_types
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.writing import now


def across_types(space: Space, asked: Request, rule: Filter) -> tuple[Compiled, Query | None]:
    """The query on all types, or on those of `_type`. Parameters must be known to every type asked for."""
    if asked.contained != "false":
        raise contained_unserved()
    named: list[str] | None = None
    conditions: list[tuple[str, str]] = []
    for name, value in asked.conditions:
        if name == "_type":
            named = [each for each in value.split(",") if each]
            if not named or any(each not in places.TYPE_CODES for each in named):
                raise bad_value("_type", "des types de ressources FHIR R4 sont attendus, séparés par des virgules.")
        else:
            conditions.append((name, value))
    demand_any_type(asked.sort, "Une recherche sur plusieurs types se trie par _lastUpdated ou _id.")
    out = Compiled(used=[each for each in asked.conditions if each[0] == "_type"])
    # Even where the space holds nothing, parameters are looked at.
    types = named if named is not None else [places.TYPES[each] for each in present_types(space)] or ["Basic"]
    parts: list[Sql] = []
    codes: list[int] = []
    rows: set[tuple[int, int]] | None = None
    moment = now()
    for place, type_ in enumerate(types):
        compiled = Compiler(space.code, moment, rule).compile(type_, conditions)
        if not place:
            out.used += compiled.used
        out.unknown += [name for name in compiled.unknown if name not in out.unknown]
        found = rows_of(space, type_, compiled.ids)
        if found is not None:
            rows = (rows or set()) | set(found)
        confined = [access_condition(each, space.code, type_) for each in (rule, asked.within)]
        condition = assemble([*compiled.parts, *confined], found is not None)
        if condition is not FALSE:
            codes.append(places.type_code(type_))
            typed = Sql("r.type = %s", (codes[-1],))
            parts.append(every([typed, condition]))
    condition = some(parts)
    if condition is FALSE or rows == set():
        return out, None
    sort = sort_keys(space.code, types[0], asked.sort)
    kept = tuple(sorted(rows)) if rows is not None else None
    return out, Query(space.code, tuple(codes), condition, None, kept, sort)


def rows_of(space: Space, type_: str, ids: list[str] | None) -> tuple[tuple[int, int], ...] | None:
    """Where the resources named by `_id` are; None when the search does not name any."""
    if ids is None:
        return None
    found: dict[int, int] = {}
    unknown: list[int] = []
    for id_ in ids:
        if not places.ID.fullmatch(id_):
            continue
        rid = keys.row_id(space.code, type_, id_)
        guess = places.guess(space.code, type_, id_)
        if guess is not None:
            found[rid] = guess
        if places.has_compartments(type_):
            unknown.append(rid)
    rows = [(compartment, rid) for rid, compartment in found.items()]
    if unknown:
        with db.cursor() as cursor:
            cursor.execute("SELECT compartment, rid FROM fhir_locator WHERE rid = ANY(%s)", [unknown])
            rows += [(compartment, rid) for compartment, rid in cursor]
    return tuple(sorted(set(rows)))
