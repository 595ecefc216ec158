"""Where a condition holds: the space, the type, the parameter and the index keys that answer for it. Pure."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from virage.core.fhir import definitions
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import aliases_of, forms, keys, params_of, paths, phonetics, remembered
from virage.core.fhir.search.errors import bad_value
from virage.core.fhir.search.sql import FALSE, Sql, no

MAX_VALUES = 1000
_own_base: ContextVar[str] = ContextVar("own_base", default="")
_COMMA = re.compile(r"(?<!\\),")
_BAR = re.compile(r"(?<!\\)\|")
_ESCAPE = re.compile(r"\\([\\,$|])")

# The bucket of the row, as each plan of a query names it.
BUCKET = "{b}"
ROW_BUCKET = "((r.compartment >> 58) & 63)"


@contextmanager
def at_base(address: str) -> Iterator[None]:
    """A reference sought that begins with this address is to a resource of this base."""
    mark = _own_base.set(address)
    try:
        yield
    finally:
        _own_base.reset(mark)


def own_base() -> str:
    """The address of the base as the caller wrote it; empty when nobody calls from outside."""
    return _own_base.get()


def split(value: str) -> list[str]:
    """The alternatives of a value, at its commas; those written `\\,` do not count."""
    return _COMMA.split(value)


def unescape(value: str) -> str:
    """A value without its escapes."""
    return _ESCAPE.sub(r"\1", value) if "\\" in value else value


def bars(value: str) -> list[str]:
    """A value split at its bars; those written `\\|` do not count."""
    return [unescape(part) for part in _BAR.split(value)]


class Context:
    """A parameter of a type in a space. `keys` are the parameter hashes to look under, `target` the type asked of references."""

    __slots__ = ("keys", "param", "read_by", "space", "target", "type")

    def __init__(self, space: int, type_: str, param: SearchParam) -> None:
        self.space, self.type, self.param = space, type_, param
        alias = aliases_of(space, type_).get(param.code) if not param.key else None
        codes = alias.codes if alias else (param.code,)
        self.target = alias.target if alias else ""
        self.keys = tuple(keys.param_hash(space, type_, code) for code in codes)
        self.read_by = params_of(space, type_)[codes[0]]

    @property
    def name(self) -> str:
        return self.param.code

    @property
    def is_single(self) -> bool:
        """Whether a resource has at most one value of the parameter."""
        try:
            read = paths.read(self.type, self.param.expression)
        except paths.Unreadable:
            return False
        # Several ways to the same element are its types, of which a resource has one.
        ways = {tuple(step.name for step in path.steps[:-1]) for path in read}
        timing = any(path.type == "Timing" for path in read)
        return len(self.keys) == 1 and len(ways) == 1 and not timing and all(path.is_single for path in read)

    @property
    def is_truth(self) -> bool:
        """Whether the parameter asks only if there is something other than false: it then has a value always."""
        try:
            read = paths.read(self.type, self.read_by.expression)
        except paths.Unreadable:
            return False
        return bool(read) and all(path.truth for path in read)

    def tokens(self, *found: str) -> list[int]:
        """The tokens, without bucket, of these forms."""
        return [(key ^ keys.value_hash(form)) & keys.MASK for key in self.keys for form in found]

    def row_keys(self) -> list[int]:
        """The keys, without bucket, of the rows of dates, strings and numbers."""
        return [key & keys.MASK for key in self.keys]

    def alternatives(self, value: str) -> list[str]:
        """The values between commas. Raises BadSearch when there is none, or too many."""
        found = [each for each in split(value) if each]
        if not found:
            raise bad_value(self.name, "la valeur est vide.")
        if len(found) > MAX_VALUES:
            raise bad_value(self.name, f"{len(found)} valeurs, {MAX_VALUES} au plus.")
        return found


def has(tokens: list[int]) -> Sql:
    """The row holds one of these tokens (given without bucket)."""
    unique = sorted(set(tokens))
    if not unique:
        return FALSE
    if len(unique) == 1:
        return Sql(f"r.tokens @> ARRAY[%s::bigint | {BUCKET}]", (unique[0],), "token")
    return Sql(f"r.tokens && fhir_in_bucket(%s::bigint[], {BUCKET})", (unique,), "token")


_TABLES = {
    "date": "fhir_date",
    "string": "fhir_string",
    "uri": "fhir_string",
    "number": "fhir_number",
    "quantity": "fhir_number",
}


def row_exists(
    context: Context, kind: str, condition: str, values: tuple[object, ...], row_keys: list[int] | None = None
) -> Sql:
    """There is a row `x` of this parameter that meets a condition, in the table of its kind (`date`, `string`, `number`).

    `row_keys` are other keys to look under, without bucket.
    """
    row_keys = row_keys or context.row_keys()
    if len(row_keys) == 1:
        key, given = f"x.k = (%s::bigint | {BUCKET})", row_keys[0]
    else:
        key, given = f"x.k = ANY(fhir_in_bucket(%s::bigint[], {BUCKET}))", row_keys  # type: ignore[assignment]
    return Sql(
        f"EXISTS (SELECT FROM {_TABLES[kind]} x WHERE x.compartment = r.compartment AND x.rid = r.rid"
        f" AND {key} AND {condition}{{f}})",
        (given, *values),
        kind,
    )


def missing(context: Context, value: str) -> Sql:
    """`:missing`."""
    if value not in ("true", "false"):
        raise bad_value(context.name, "« :missing » attend « true » ou « false ».")
    kind = context.param.type
    if context.param.code == phonetics.CODE and not context.param.key:
        kind = "token"
    if kind in ("date", "string", "number", "quantity"):
        table = "number" if kind == "quantity" else kind
        present = row_exists(context, table, "TRUE", ())
    else:
        present = has(presence(context))
    return present if value == "false" else no(present)


def presence(context: Context) -> list[int]:
    """The tokens of which one is there when the parameter has a value."""
    if context.param.type != "reference":
        return context.tokens(keys.present())
    if context.target:
        return context.tokens(keys.present(context.target))
    # A reference says to which type it points, or not.
    return context.tokens(keys.present(), *(keys.present(each) for each in definitions.resource_types()))


@remembered(4096)
def code_systems(space: int, type_: str, code: str) -> frozenset[str] | None:
    """The systems of a parameter whose elements are all codes alone, by their required binding; None when some are not.

    A boolean has the system that R4 gives it.
    """
    param = params_of(space, type_)[code]
    try:
        read = paths.read(type_, param.expression)
    except paths.Unreadable:
        return None
    found: set[str] = set()
    for path in read:
        if path.type not in forms.PLAIN and not path.truth:
            return None
        if path.binding:
            found.update(system for system, _ in definitions.codes(path.binding) or ())
        elif path.type == "boolean" or path.truth:
            found.add("http://hl7.org/fhir/special-values")
    return frozenset(found)
