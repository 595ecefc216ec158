"""A search from its parameters to its page."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.fhir.index.dates import moment
from virage.core.fhir.search import months
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.across import across_types, rows_of
from virage.core.fhir.search.compiler import Compiled, Compiler
from virage.core.fhir.search.contained import contained_query, entries_of
from virage.core.fhir.search.cursors import bad_cursor, seal, unseal
from virage.core.fhir.search.errors import contained_unserved
from virage.core.fhir.search.includes import check, included
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.limits import limited
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.request import MAX_COUNT, Request, parse
from virage.core.fhir.search.sorting import sort_keys
from virage.core.fhir.search.sql import FALSE
from virage.core.fhir.store import places
from virage.core.fhir.store.reading import version_of
from virage.core.fhir.store.space import Space
from virage.core.fhir.store.version import Entry, Page
from virage.core.fhir.store.writing import now


def search(
    space: Space,
    type_: str | None,
    params: list[tuple[str, str]],
    *,
    access: Filter | None = None,
    within: Filter | None = None,
    count: int | None = None,
    cursor: str | None = None,
    total: bool | str | None = None,
    sort: str | None = None,
) -> Page:
    """A page of what matches, `within` a compartment if one is given. `count`, `total`, `sort` win over `_count`, `_total`, `_sort` among the parameters.

    Raises BadSearch on what cannot be understood or takes too long, BadCursor on a foreign cursor; unknown parameters are told in
    the page.
    """
    asked = _asked(params, count, total, sort)
    if within is not None:
        asked.within = within
    with limited():
        return _answer(space, type_, asked, access or Everything(), cursor)


def _answer(space: Space, type_: str | None, asked: Request, rule: Filter, cursor: str | None) -> Page:
    check(space, asked.includes)
    if asked.contained == "both":
        return _both(space, type_, asked, rule, cursor)
    if type_ is None:
        compiled, query = across_types(space, asked, rule)
    elif asked.contained == "true":
        compiled, query = contained_query(space, type_, asked, rule)
    else:
        compiled, query = _one_type(space, type_, asked, rule)
    used = [*compiled.used, *asked.used]
    if query is None:
        return Page([], 0 if asked.total else None, None, used, compiled.unknown)
    question = f"{space.code}/{type_}?{compiled.used}{asked.sort}"
    if asked.contained == "true":
        question += f"#{asked.as_contained}"
    after = unseal(question, cursor, query.cursor_kinds) if cursor else None
    found: list[Any] = []
    counted = None
    with db.cursor() as opened:
        if asked.count:
            found = months.rows(opened, query, asked.count + 1, after)
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
    includes = asked.includes
    if asked.contained == "true" and asked.as_contained:
        entries = entries_of(found)
        # Nothing from outside refers to what is contained.
        includes = [each for each in includes if not each.reverse]
    else:
        entries = [Entry(version_of(row[:6])) for row in found]
    if includes and entries:
        entries += included(space, entries, includes, rule)
    return Page(entries, counted, following, used, compiled.unknown)


def _both(space: Space, type_: str | None, asked: Request, rule: Filter, cursor: str | None) -> Page:
    """What stands by itself, then what is contained: one search after the other, which the cursor tells."""
    place, _, inner = cursor.partition(".") if cursor else ("0", "", "")
    if place not in ("0", "1"):
        raise bad_cursor()
    pages = []
    following = None
    left = asked.count
    for number, contained in enumerate(("false", "true")):
        due = number >= int(place) and following is None and asked.count > 0
        if not due and not asked.total:
            continue
        # Once the page is full, whether anything is left.
        part = replace(asked, contained=contained, count=max(left, 1) if due else 0)
        page = _answer(space, type_, part, rule, (inner or None) if due and number == int(place) else None)
        if due and left:
            pages.append(page)
            left -= len(page.matches)
            following = f"{number}.{page.next}" if page.next is not None else None
        else:
            pages.append(replace(page, entries=[]))
            following = following or (f"{number}." if due and page.entries else None)
    total = sum(page.total or 0 for page in pages) if asked.total else None
    unknown = list(dict.fromkeys(name for page in pages for name in page.unknown))
    used = pages[0].used
    return Page([entry for page in pages for entry in page.entries], total, following, used, unknown)


def compiled_query(
    space: Space, type_: str, params: list[tuple[str, str]], rule: Filter
) -> tuple[Compiled, Query | None]:
    """The query of a search on one type, for those that run it in their own way; None when nothing can match.

    Raises BadSearch; unknown parameters are told in `Compiled.unknown`.
    """
    asked = parse(params)
    if asked.contained != "false":
        raise contained_unserved()
    return _one_type(space, type_, asked, rule)


def versions(space: Space, type_: str, params: list[tuple[str, str]]) -> dict[str, tuple[int, datetime]]:
    """The current version of whatever matches and its time, by id, whoever may see it. Raises BadSearch."""
    with limited(), db.cursor() as opened:
        _, query = compiled_query(space, type_, params, Everything())
        if query is None:
            return {}
        source, values = query.matching("r.id, r.version, r.updated", [])
        return {id: (version, moment(updated)) for id, version, updated in opened.execute(source, values)}


def _one_type(space: Space, type_: str, asked: Request, rule: Filter) -> tuple[Compiled, Query | None]:
    code = places.type_code(type_)
    compiled = Compiler(space.code, now(), rule).compile(type_, asked.conditions)
    rows = rows_of(space, type_, compiled.ids)
    placed = rows is not None or compiled.compartment is not None
    parts = [*compiled.parts, *(access_condition(each, space.code, type_) for each in (rule, asked.within))]
    condition = assemble(parts, placed)
    if condition is FALSE or rows == ():
        return compiled, None
    compartment = compiled.compartment if rows is None else None
    sort = sort_keys(space.code, type_, asked.sort, asked.conditions)
    checks = None if placed else assemble(parts, placed=True)
    return compiled, Query(space.code, (code,), condition, compartment, rows, sort, checks)


def _asked(params: list[tuple[str, str]], count: int | None, total: bool | str | None, sort: str | None) -> Request:
    asked = parse(params)
    if count is not None:
        asked.count = max(0, min(count, MAX_COUNT))
    if total is not None:
        asked.total = total not in (False, "none")
    if sort is not None:
        asked.sort = [(each.lstrip("-"), each.startswith("-")) for each in sort.split(",") if each]
    return asked
