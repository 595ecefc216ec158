"""The entries of a resource with the bucket of its compartment in their keys. Pure."""

from typing import Any

from virage.core.fhir.index import Entries, keys
from virage.core.fhir.index.membership import member
from virage.core.fhir.store import places
from virage.core.fhir.store.containing import Part


def bucketed(
    space: int, type_: str, entries: Entries, compartment: int, patients: list[str]
) -> tuple[list[int], tuple[list[Any], ...]]:
    """Tokens and narrow rows with the bucket of the compartment in their keys; a token for each patient it belongs to."""
    bucket = keys.bucket(compartment)
    tokens = [token | bucket for token in entries.tokens]
    tokens += [member(space, type_, patient) | bucket for patient in patients]
    tokens.sort()
    narrow = (
        [(k | bucket, low, high) for k, low, high in entries.dates],
        [(k | bucket, folded, exact) for k, folded, exact in entries.strings],
        [(k | bucket, low, high, code, unit) for k, low, high, code, unit in entries.numbers],
    )
    return tokens, narrow


def parts_of(space: int, entries: Entries, compartment: int) -> tuple[Part, ...]:
    """What a resource contains, with the bucket of its compartment in its keys."""
    inner = space | keys.CONTAINED
    return tuple(
        Part(
            inner,
            places.type_code(each.type),
            each.number,
            each.id,
            *bucketed(inner, each.type, each.entries, compartment, []),
            each.body,
        )
        for each in entries.inside
    )
