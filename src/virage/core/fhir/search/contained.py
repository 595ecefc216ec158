"""`_contained` and `_containedType`: searching what resources contain. R4, search, « Contained Resources ».

What is contained is seen by whoever may see what contains it.
"""

from typing import Any

from virage.core import db
from virage.core.access import Filter
from virage.core.fhir.index import keys
from virage.core.fhir.index.dates import moment
from virage.core.fhir.search import chains
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.compiler import Compiled, Compiler
from virage.core.fhir.search.errors import await_revision
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.plans import SELECTED, Query
from virage.core.fhir.search.request import Request
from virage.core.fhir.search.sorting import demand_any_type, sort_keys
from virage.core.fhir.search.sql import FALSE, TRUE, Sql, every, fenced, some
from virage.core.fhir.store import containing, places
from virage.core.fhir.store.reading import present_types, version_of
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Entry, Version
from virage.core.fhir.store.writing import now


def contained_query(space: Space, type_: str, asked: Request, rule: Filter) -> tuple[Compiled, Query | None]:
    """The query on what is contained of a type: on its rows, or on those of what contains it. Raises BadSearch."""
    await_revision("_contained", 5)
    code = places.type_code(type_)
    compiled = Compiler(space.code, now(), rule, inside=True).compile(type_, asked.conditions)
    inner = space.code | keys.CONTAINED
    parts = [*compiled.parts, chains.anything_contained(inner, type_)]
    types = [places.TYPES[each] for each in present_types(space)]
    seen = _seen(space, types, rule, asked.within)
    if asked.as_contained:
        if seen is not TRUE and seen is not FALSE:
            seen = Sql(
                "EXISTS (SELECT FROM fhir_resource h WHERE h.compartment = r.compartment"
                f" AND h.rid = {containing.HOLDER.format(r='r')} AND {chains.renamed(seen, 'h')}{{f}})",
                seen.values,
            )
        condition = assemble([*parts, seen])
        if condition is FALSE:
            return compiled, None
        return compiled, Query(inner, (code,), condition, sort=sort_keys(inner, type_, asked.sort, asked.conditions))
    demand_any_type(
        asked.sort,
        "Ce qui contient se trie par _lastUpdated ou _id ; pour trier par ce qui est contenu, demandez _containedType=contained.",
    )
    condition = assemble(parts)
    if condition is FALSE or seen is FALSE:
        return compiled, None
    holder = containing.HOLDER.format(r="r")
    lead = Sql(
        f"(r.compartment, r.rid) IN (SELECT r.compartment, {holder} FROM fhir_resource r WHERE {condition.text})",
        condition.values,
        "chain",
    )
    codes = tuple(places.type_code(each) for each in types)
    return compiled, Query(
        space.code, codes, every([lead, fenced(seen)]), sort=sort_keys(space.code, type_, asked.sort)
    )


def _seen(space: Space, types: list[str], *rules: Filter) -> Sql:
    """That the rules let a row through, whatever its type."""
    found = [
        (places.type_code(each), every([access_condition(rule, space.code, each) for rule in rules])) for each in types
    ]
    if all(condition is TRUE for _, condition in found):
        return TRUE
    return some([every([Sql("r.type = %s", (code,)), condition]) for code, condition in found])


def entries_of(rows: list[Any]) -> list[Entry]:
    """The entries of rows of what is contained, with their holders: one statement."""
    if not rows:
        return []
    there = [(row[5], keys.contained_row(row[6], row[2])) for row in rows]
    with db.cursor() as cursor:
        cursor.execute(
            f"SELECT {SELECTED} FROM unnest(%s::bigint[], %s::bigint[]) u(c, i)"
            " JOIN fhir_resource r ON r.compartment = u.c AND r.rid = u.i WHERE r.body IS NOT NULL",
            [list(column) for column in zip(*dict.fromkeys(there), strict=True)],
        )
        holders = {(row[5], row[6]): version_of(row[:6]) for row in cursor}
    found = []
    for row, place in zip(rows, there, strict=True):
        holder = holders.get(place)
        if holder is not None:
            version = Version(places.TYPES[row[0]], row[1], holder.version, moment(row[3]), row[4], row[5])
            found.append(Entry(version, holder=holder))
    return found
