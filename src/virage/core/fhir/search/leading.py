"""Which condition leads a query, and which are checked on the rows that it finds. Pure."""

from collections.abc import Iterable

from virage.core.fhir.search.context import has
from virage.core.fhir.search.sql import FALSE, LEADS, TRUE, Sql, every, fenced


def assemble(parts: Iterable[Sql], placed: bool = False) -> Sql:
    """All the parts as one condition, ready but for its bucket.

    The best kind leads; dates then join the tokens by their months, so that one index answers for both. `placed`: the rows
    are known by other means, all parts are checks.
    """
    kept = [part for part in parts if part is not TRUE]
    if any(part is FALSE for part in kept):
        return FALSE
    if placed:
        return every([fenced(part) for part in kept])
    lead = next((kind for kind in LEADS if any(part.kind == kind for part in kept)), "")
    if lead == "token":
        kept += [has(list(part.window)) for part in kept if part.window]
    return every([fenced(part, lead) for part in kept])
