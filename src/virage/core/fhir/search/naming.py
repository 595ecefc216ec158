"""Resources named by their ids, as a condition. Pure."""

from collections.abc import Iterable

from virage.core.fhir.index import keys
from virage.core.fhir.search.context import BUCKET, ROW_BUCKET
from virage.core.fhir.search.sql import FALSE, Sql
from virage.core.fhir.store import places


def named(space: int, type_: str, ids: Iterable[str]) -> Sql:
    """The resources of a type with these ids, as a check on the row (its row id is a hash of its id)."""
    rids = sorted({keys.row_id(space, type_, id_) for id_ in ids})
    if not rids:
        return FALSE
    # Where they are: by their ids, and for those that a client named, by the locator.
    return Sql(
        "((r.compartment, r.rid) IN (SELECT * FROM unnest(%s::bigint[], %s::bigint[])"
        " UNION SELECT l.compartment, l.rid FROM fhir_locator l WHERE l.rid = ANY(%s::bigint[]))"
        f" AND {ROW_BUCKET} = {BUCKET})",
        (*_guessed(space, type_, ids), rids),
        "chain",
    )


def _guessed(space: int, type_: str, ids: Iterable[str]) -> tuple[list[int], list[int]]:
    pairs = [(places.guess(space, type_, id_), keys.row_id(space, type_, id_)) for id_ in ids]
    known = [(guess, rid) for guess, rid in pairs if guess is not None]
    return [guess for guess, _ in known], [rid for _, rid in known]
