"""Spreading tables over the nodes of a Citus cluster: the standard calls of the extension, nothing else."""

from collections.abc import Mapping

from virage.core import db
from virage.core.errors import VirageError


class CitusMissing(VirageError):
    """The database has no Citus."""

    code = "DB.CITUS_MISSING"
    status = 409
    issue = "not-supported"


def distribute(tables: Mapping[str, str]) -> list[str]:
    """Distribute each table by its column, all those of one column together; answers the tables that were not yet.

    Raises CitusMissing where the extension is absent; nothing is changed then.
    """
    with db.transaction(), db.cursor() as cursor:
        found = cursor.execute(
            "SELECT to_regproc('create_distributed_table'), to_regclass('pg_dist_partition')"
        ).fetchone()
        assert found is not None
        if found[0] is None:
            raise CitusMissing(
                "l'extension Citus n'est pas dans cette base : donner dans VIRAGE_DATABASE_URL le coordinateur d'un "
                "cluster Citus et y lancer « CREATE EXTENSION citus »."
            )
        done: set[str] = set()
        if found[1] is not None:
            done = {row[0] for row in cursor.execute("SELECT logicalrelid::text FROM pg_dist_partition").fetchall()}
        first: dict[str, str] = {}
        for table, column in tables.items():
            beside = first.setdefault(column, table)
            if table not in done:
                cursor.execute(
                    "SELECT create_distributed_table(%s::regclass, %s, colocate_with => %s)",
                    (table, column, "none" if beside == table else beside),
                )
    return [table for table in tables if table not in done]
