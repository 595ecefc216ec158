"""Sort keys as SQL expressions that are never NULL: what has no value comes last."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from virage.core.fhir.index import param_of, paths, phonetics
from virage.core.fhir.index.dates import EARLIEST, LATEST
from virage.core.fhir.index.forms import CANONICAL
from virage.core.fhir.index.keys import value_hash
from virage.core.fhir.index.prose import CONTENT, TEXT, words
from virage.core.fhir.index.strings import MAX
from virage.core.fhir.search.context import BUCKET, Context
from virage.core.fhir.search.errors import bad_sort

MAX_KEYS = 5
_OF_ANY_TYPE = frozenset(["_lastUpdated", "_id"])
_LAST = "\U0010ffff"
_FARTHEST = "1.7976931348623157e308::float8"
# Where the text to sort by is, in the values of token and reference parameters.
_TEXT_OF = {
    "CodeableConcept": ("coding", "0", "code"),
    "Coding": ("code",),
    "Identifier": ("value",),
    "ContactPoint": ("value",),
    "Reference": ("reference",),
}


@dataclass(frozen=True, slots=True)
class SortKey:
    """An expression on `r`, its direction, its SQL type and the Python type of its values.

    `row_key`, without bucket: the values are those of the rows of dates under this one key.
    """

    text: str
    values: tuple[Any, ...]
    descending: bool
    cast: str
    kind: type | tuple[type, ...]
    row_key: int | None = None


def demand_any_type(asked: list[tuple[str, bool]], text: str) -> None:
    """Refuse, in these words, keys that resources of different types do not share. Raises BadSearch."""
    if any(name not in _OF_ANY_TYPE for name, _ in asked):
        raise bad_sort(text)


def sort_keys(
    space: int, type_: str, asked: list[tuple[str, bool]], conditions: Sequence[tuple[str, str]] = ()
) -> tuple[SortKey, ...]:
    """The keys asked for; `_score` ranks by the words sought among the conditions. Raises BadSearch on an unknown or
    unsortable parameter.
    """
    if len(asked) > MAX_KEYS:
        raise bad_sort(f"Un tri compte {MAX_KEYS} clés au plus.")
    return tuple(
        _score(conditions, descending) if name == "_score" else _key(space, type_, name, descending)
        for name, descending in asked
    )


def _score(conditions: Sequence[tuple[str, str]], reverse: bool) -> SortKey:
    """How well the text of a resource answers, by PostgreSQL's full text in French: the best first."""
    sought = [word for name, value in conditions if name in (TEXT, CONTENT) for word in words(value)]
    if not sought:
        raise bad_sort("On trie par « _score » une recherche par « _text » ou « _content ».")
    document = "jsonb_to_tsvector('french', convert_from(r.body, 'UTF8')::jsonb, '[\"string\"]')"
    text = f"ts_rank({document}, websearch_to_tsquery('french', %s::text))::float8"
    return SortKey(text, (" or ".join(sought),), not reverse, "float8", (float, int))


def _key(space: int, type_: str, name: str, descending: bool) -> SortKey:
    if name == "_lastUpdated":
        return SortKey("r.updated", (), descending, "bigint", int)
    if name == "_id":
        return SortKey('(r.id COLLATE "C")', (), descending, "text", str)
    param = param_of(space, type_, name)
    if param is not None:
        pick = "max" if descending else "min"
        key = Context(space, type_, param).row_keys()
        row = f"t.compartment = r.compartment AND t.rid = r.rid AND t.k = ANY(fhir_in_bucket(%s::bigint[], {BUCKET}))"
        if param.type == "date":
            last = EARLIEST - 1 if descending else LATEST + 1
            text = f"coalesce((SELECT {pick}(t.low) FROM fhir_date t WHERE {row}), {last})"
            return SortKey(text, (key,), descending, "bigint", int, key[0] if len(key) == 1 else None)
        if param.type in ("string", "uri") and param.code != phonetics.CODE:
            last_text = "''" if descending else f"'{_LAST}'"
            # What has no text of its own is another form of a value.
            own = f"SELECT {pick}(t.folded) FROM fhir_string t WHERE {row} AND t.exact <> ''"
            text = f'coalesce(({own}), {last_text} COLLATE "C")'
            return SortKey(text, (key,), descending, 'text COLLATE "C"', str)
        if param.type in ("number", "quantity"):
            # Nothing infinite: a cursor is JSON.
            limit = f"{'-' if descending else ''}{_FARTHEST}"
            # A quantity with a UCUM unit is also there in base units: that is how 2 g comes before 5400 mg.
            own = f"coalesce({pick}(t.low) FILTER (WHERE t.code = %s), {pick}(t.low))"
            text = f"least(greatest(coalesce((SELECT {own} FROM fhir_number t WHERE {row}), {limit}), -{_FARTHEST}), {_FARTHEST})"
            return SortKey(text, (value_hash(CANONICAL), key), descending, "float8", (float, int))
        if param.type in ("token", "reference"):
            return _from_body(type_, param.expression, descending)
    raise bad_sort(f"On ne peut pas trier par « {name} » ici.")


def _from_body(type_: str, expression: str, descending: bool) -> SortKey:
    try:
        read = [path for path in paths.read(type_, expression) if not path.truth]
    except paths.Unreadable:
        read = []
    found: list[str] = []
    values: list[Any] = []
    for path in read:
        way: list[str] = []
        for step in path.steps:
            way += [step.name, "0"] if step.is_list else [step.name]
        found.append("convert_from(r.body, 'UTF8')::jsonb #>> %s::text[]")
        values.append([*way, *_TEXT_OF.get(path.type, ())])
    last = "''" if descending else f"'{_LAST}'"
    text = f'(left(coalesce({", ".join([*found, last])}), {MAX}) COLLATE "C")'
    return SortKey(text, tuple(values), descending, 'text COLLATE "C"', str)
