"""Writes of the FHIR store beside bare inserts of the same rows. Part of fhir_store.py."""

import random
from typing import Any

from fhir_store import observation, timed

from virage.core import audit, db
from virage.core.fhir.store import statements
from virage.core.fhir.store.writing import now, prepare, stamp


def measure(store: Any, by: Any, runs: int) -> None:
    draw = random.Random()
    made: list[str] = []

    def create() -> None:
        made.append(store.create(observation(draw.randint(0, 999), draw), by=by).id)

    def bare() -> None:
        """The same rows: one transaction, one statement a table, sent together."""
        resource = observation(draw.randint(0, 999), draw)
        ready = prepare(store.space, resource, None, None)
        updated = now()
        body = stamp(resource, ready.id, 1, updated)
        with db.transaction(), db.connection().connection.pipeline(), db.cursor() as cursor:
            cursor.execute(
                f"INSERT INTO fhir_resource ({statements.COLUMNS}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s::bigint[], %s)",
                (ready.compartment, ready.rid, 0, ready.code, 1, updated, ready.id, ready.tokens, body),
            )
            for (table, columns, _), rows in zip(statements.NARROW, ready.narrow, strict=True):
                if rows:
                    marks = ", ".join("(" + ", ".join(["%s"] * (2 + len(rows[0]))) + ")" for _ in rows)
                    values = [value for row in rows for value in (ready.compartment, ready.rid, *row)]
                    cursor.execute(f"INSERT INTO {table} (compartment, rid, {columns}) VALUES {marks}", values)
            trace = audit.row(by=by, action="fhir.create", entities=(ready.id,))
            cursor.execute(f"{audit.INSERT} VALUES {audit.PLACEHOLDERS}", trace)

    def read() -> None:
        store.read("Observation", draw.choice(made))

    def constant() -> None:
        with db.cursor() as cursor:
            cursor.execute("SELECT 1")
            cursor.fetchone()

    def update() -> None:
        store.update({**observation(0, draw), "id": made[-1]}, by=by)

    def delete() -> None:
        store.delete("Observation", made.pop(), by=by)

    many = runs * 10
    print("| write or read | p50 ms | p99 ms |\n|---|---|---|")
    for name, work in (
        ("bare inserts of the same rows", bare),
        ("create", create),
        ("SELECT 1", constant),
        ("read by id", read),
        ("update", update),
        ("delete", delete),
    ):
        p50, p99 = timed(work, many if work is not delete else many // 2)
        print(f"| {name} | {p50:.2f} | {p99:.2f} |", flush=True)
