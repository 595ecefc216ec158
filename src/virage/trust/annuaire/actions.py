"""Writing directory entries: new ones by bulk copy, changed ones as new versions, the same ones not at all."""

from collections.abc import Iterable, Mapping
from typing import Any

from virage.core import audit, db
from virage.core.callers import Caller
from virage.core.loading import Report
from virage.trust.annuaire import queries, resources


def put(*, by: Caller, entries: Iterable[Mapping[str, Any]], report: Report) -> None:
    """Write a batch of resources that bear their ids, and count in `report`. One transaction.

    A structure that FINESS described is not overwritten by what the professionals' register says of it.
    """
    by_type: dict[str, dict[str, dict[str, Any]]] = {}
    for entry in entries:
        by_type.setdefault(entry["resourceType"], {})[entry["id"]] = dict(entry)
    with db.transaction():
        for type_, wanted in by_type.items():
            there = queries.present(type_, wanted)
            new = [resource for id_, resource in wanted.items() if id_ not in there]
            if new:
                queries.store().load(new, by=by)
                report.created += len(new)
            for id_, old in there.items():
                resource = wanted[id_]
                weaker = resources.source_of(old) == "FINESS" and resources.source_of(resource) != "FINESS"
                if weaker or queries.unstamped(old) == queries.unstamped(resource):
                    report.unchanged += 1
                else:
                    queries.store().update(resource, by=by)
                    report.updated += 1


def finish(*, by: Caller, kind: str, report: Report) -> None:
    """Trace a whole load: one trace, with its counts."""
    detail = {
        "lus": str(report.read),
        "crees": str(report.created),
        "modifies": str(report.updated),
        "rejetes": str(report.rejected),
    }
    audit.trace(by=by, action=f"annuaire.load.{kind}", title=f"Chargement : {kind}", detail=detail)
