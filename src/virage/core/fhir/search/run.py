"""A search from its parameters to its page."""

from typing import Any

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.fhir.index import keys
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.compiler import Compiled, Compiler
from virage.core.fhir.search.cursors import seal, unseal
from virage.core.fhir.search.includes import included
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.request import MAX_COUNT, Request, parse
from virage.core.fhir.search.sorting import sort_keys
from virage.core.fhir.search.sql import FALSE, every
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import version_of
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Entry, Page
from virage.core.fhir.store.writing import now


def search(
    space: Space,
    type_: str,
    params: list[tuple[str, str]],
    *,
    access: Filter | None = None,
    count: int | None = None,
    cursor: str | None = None,
    total: bool | None = None,
    sort: str | None = None,
) -> Page:
    """A page of what matches. `count`, `total`, `sort` win over `_count`, `_total`, `_sort` among the parameters.

    Raises BadSearch on what cannot be understood, BadCursor on a foreign cursor; unknown parameters are told in the page.
    """
    code = places.type_code(type_)
    asked = _asked(params, count, total, sort)
    compiled = Compiler(space.code, type_, now()).compile(asked.conditions)
    rule = access or Everything()
    condition = every([*compiled.parts, access_condition(rule, space.code, type_)])
    used = [*compiled.used, *asked.used]
    rows = _rows(space, type_, compiled)
    if condition is FALSE or rows == ():
        return Page([], 0 if asked.total else None, None, used, compiled.unknown)
    query = Query(
        space.code,
        code,
        condition,
        compiled.compartment if rows is None else None,
        rows,
        sort_keys(space.code, type_, asked.sort),
    )
    question = f"{space.code}/{type_}?{compiled.used}{asked.sort}"
    after = unseal(question, cursor, query.cursor_kinds) if cursor else None
    found: list[Any] = []
    counted = None
    with db.cursor() as opened:
        if asked.count:
            statement = query.page(asked.count + 1, after)
            opened.execute(statement.text, statement.values)
            found = opened.fetchall()
        following = None
        if len(found) > asked.count > 0:
            found = found[: asked.count]
            following = seal(question, query.cursor_values(found[-1]))
        if asked.total:
            if after is None and following is None and asked.count:
                counted = len(found)
            else:
                statement = query.count()
                opened.execute(statement.text, statement.values)
                row = opened.fetchone()
                counted = int(row[0]) if row else 0
    entries = [Entry(version_of(row[:6])) for row in found]
    if asked.includes and entries:
        entries += included(space, entries, asked.includes, rule)
    return Page(entries, counted, following, used, compiled.unknown)


def _asked(params: list[tuple[str, str]], count: int | None, total: bool | None, sort: str | None) -> Request:
    asked = parse(params)
    if count is not None:
        asked.count = max(0, min(count, MAX_COUNT))
    if total is not None:
        asked.total = total
    if sort is not None:
        asked.sort = [(each.lstrip("-"), each.startswith("-")) for each in sort.split(",") if each]
    return asked


def _rows(space: Space, type_: str, compiled: Compiled) -> tuple[tuple[int, int], ...] | None:
    """Where the resources named by `_id` are; None when the search does not name any."""
    if compiled.ids is None:
        return None
    found: dict[int, int] = {}
    unknown: list[int] = []
    for id_ in compiled.ids:
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
