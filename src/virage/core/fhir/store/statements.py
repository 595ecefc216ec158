"""The SQL of the store's writes: each write is one statement, whose parts all depend on the row that it took hold of."""

from functools import lru_cache

from virage.core import audit
from virage.core.fhir.index import keys
from virage.core.fhir.index.registry import EPOCH

COLUMNS = "compartment, rid, space, type, version, updated, id, tokens, body"
SELECTED = "r.type, r.id, r.version, r.updated, r.body, r.compartment"

LOCATE = (
    f"SELECT {SELECTED} FROM fhir_locator l JOIN fhir_resource r ON r.compartment = l.compartment AND r.rid = l.rid"
    " WHERE l.rid = %s"
)
HOLD_ONE = "SELECT 1 FROM fhir_resource WHERE compartment = %s AND rid = %s FOR UPDATE"
VREAD = (
    "SELECT v.type, v.id, v.version, v.updated, v.body, v.compartment FROM fhir_version v"
    " WHERE v.compartment = %s AND v.rid = %s AND v.version = %s"
)

# A write is by a plan of the present epoch, or is none: a process that has not heard of a new search parameter makes its plan
# anew. What holds is what the statement's snapshot sees: the re-indexing waits for those under way at the change.
_PRESENT = f"{EPOCH} = %s"

# How the narrow tables are filled from arrays: table, columns of the arrays with their types.
NARROW = (
    ("fhir_date", "k, low, high", ("bigint", "bigint", "bigint")),
    ("fhir_string", "k, folded, exact", ("bigint", "text", "text")),
    ("fhir_number", "k, low, high, code, unit", ("bigint", "float8", "float8", "bigint", "bigint")),
)


def _narrow(kept: tuple[bool, ...], held: str) -> list[str]:
    parts = []
    for (table, columns, types), wanted in zip(NARROW, kept, strict=True):
        if wanted:
            arrays = ", ".join(f"%s::{each}[]" for each in types)
            parts.append(
                f"{table}_in AS (INSERT INTO {table} (compartment, rid, {columns})"
                f" SELECT {held}.compartment, {held}.rid, u.* FROM {held}, unnest({arrays}) u)"
            )
    return parts


def _cleared(held: str) -> list[str]:
    return [
        f"{table}_out AS (DELETE FROM {table} t USING {held} WHERE t.compartment = {held}.compartment AND t.rid = {held}.rid)"
        for table, _, _ in NARROW
    ]


def _trace(held: str) -> str:
    return f"traced AS ({audit.INSERT} SELECT {audit.PLACEHOLDERS[1:-1]} FROM {held})"


@lru_cache(maxsize=64)
def insert(kept: tuple[bool, ...], located: bool, traced: bool) -> str:
    """A new row, unless there is one: gives one row when it was written, none when the place was taken or the epoch is past.

    Values: with `located` the locator's two; the epoch; the row's nine; the arrays; the trace.
    """
    parts = []
    # The casts: a parameter under SELECT has no type of its own.
    casts = (
        "%s::bigint, %s::bigint, %s::smallint, %s::smallint, %s::integer, %s::bigint, %s::text, %s::bigint[], %s::bytea"
    )
    if located:
        # A locator row that points at this very compartment may be left by an earlier life of the resource.
        parts.append(
            f"l AS (INSERT INTO fhir_locator (rid, compartment) SELECT %s::bigint, %s::bigint WHERE {_PRESENT}"
            " ON CONFLICT (rid) DO UPDATE SET compartment = fhir_locator.compartment"
            " WHERE fhir_locator.compartment = EXCLUDED.compartment RETURNING 1)"
        )
    else:
        parts.append(f"l AS (SELECT WHERE {_PRESENT})")
    parts.append(
        f"r AS (INSERT INTO fhir_resource ({COLUMNS}) SELECT {casts} FROM l ON CONFLICT DO NOTHING RETURNING compartment, rid)"
    )
    parts += _narrow(kept, "r")
    if traced:
        parts.append(_trace("r"))
    return f"WITH {', '.join(parts)} SELECT 1 FROM r"


_OLD = (
    "old AS (SELECT compartment, rid, version, space, type, updated, id, body FROM fhir_resource"
    f" WHERE compartment = %s AND rid = %s AND version = %s AND {_PRESENT} FOR UPDATE)"
)
_KEPT = (
    "kept AS (INSERT INTO fhir_version (compartment, rid, version, space, type, updated, id, body)"
    " SELECT compartment, rid, version, space, type, updated, id, body FROM old)"
)


@lru_cache(maxsize=64)
def replace(kept: tuple[bool, ...], cleared: bool, traced: bool) -> str:
    """The next version of a row that is still at the version read before; no row when it is not, or the epoch is past."""
    parts = [
        _OLD,
        _KEPT,
        "r AS (UPDATE fhir_resource n SET version = %s, updated = %s, tokens = %s::bigint[], body = %s FROM old"
        " WHERE n.compartment = old.compartment AND n.rid = old.rid RETURNING 1)",
    ]
    parts += _cleared("old") if cleared else []
    parts += _narrow(kept, "old")
    if traced:
        parts.append(_trace("old"))
    return f"WITH {', '.join(parts)} SELECT 1 FROM r"


@lru_cache(maxsize=1)
def depart() -> str:
    """Take a row out of its compartment, keeping it as a past version in the compartment to which it moves."""
    parts = [
        f"old AS (DELETE FROM fhir_resource WHERE compartment = %s AND rid = %s AND version = %s AND {_PRESENT}"
        " RETURNING compartment, rid, version, space, type, updated, id, body)",
        "kept AS (INSERT INTO fhir_version (compartment, rid, version, space, type, updated, id, body)"
        " SELECT %s::bigint, rid, version, space, type, updated, id, body FROM old)",
        *_cleared("old"),
    ]
    return f"WITH {', '.join(parts)} SELECT 1 FROM old"


MOVE_VERSIONS = (
    "WITH gone AS (DELETE FROM fhir_version WHERE compartment = %s AND rid = %s"
    " RETURNING rid, version, space, type, updated, id, body)"
    " INSERT INTO fhir_version (compartment, rid, version, space, type, updated, id, body)"
    " SELECT %s::bigint, rid, version, space, type, updated, id, body FROM gone"
)
SET_LOCATOR = (
    "INSERT INTO fhir_locator (rid, compartment) VALUES (%s, %s)"
    " ON CONFLICT (rid) DO UPDATE SET compartment = EXCLUDED.compartment"
)

# ── many at once ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_HELD = (
    "SELECT r.rid, r.version, r.compartment, r.body IS NULL,"
    f" coalesce(r.tokens @> ARRAY[{keys.HOLDS} | ((r.compartment >> 58) & 63)], FALSE) FROM"
)
HOLD = (
    f"{_HELD} unnest(%s::bigint[], %s::bigint[]) u(c, i) JOIN fhir_resource r ON r.compartment = u.c AND r.rid = u.i"
    " ORDER BY r.compartment, r.rid FOR UPDATE OF r"
)
HOLD_LOCATED = (
    f"{_HELD} fhir_locator l JOIN fhir_resource r ON r.compartment = l.compartment AND r.rid = l.rid WHERE l.rid = ANY(%s)"
    " ORDER BY r.compartment, r.rid FOR UPDATE OF r"
)
ADD_LOCATORS = (
    "INSERT INTO fhir_locator (rid, compartment) SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
    " ON CONFLICT (rid) DO UPDATE SET compartment = fhir_locator.compartment"
    " WHERE fhir_locator.compartment = EXCLUDED.compartment"
)


@lru_cache(maxsize=1)
def replace_many() -> str:
    """The next versions of rows that this transaction holds: arrays of compartments, row ids; the time; arrays of tokens as
    PostgreSQL writes an array, of bodies.
    """
    parts = [
        "u AS (SELECT * FROM unnest(%s::bigint[], %s::bigint[]) WITH ORDINALITY u(compartment, rid, place))",
        "kept AS (INSERT INTO fhir_version (compartment, rid, version, space, type, updated, id, body)"
        " SELECT r.compartment, r.rid, r.version, r.space, r.type, r.updated, r.id, r.body"
        " FROM u JOIN fhir_resource r USING (compartment, rid))",
        *_cleared("u"),
    ]
    return (
        f"WITH {', '.join(parts)} UPDATE fhir_resource n SET version = n.version + 1, updated = %s, tokens = v.tokens::bigint[],"
        " body = v.body FROM u JOIN unnest(%b::text[], %b::bytea[]) WITH ORDINALITY v(tokens, body, place) USING (place)"
        " WHERE n.compartment = u.compartment AND n.rid = u.rid"
    )
