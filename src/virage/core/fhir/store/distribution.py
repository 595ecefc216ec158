"""Spreading the tables over the machines of a Citus cluster, by patient compartment."""

from virage.core import db
from virage.core.db.citus import distribute as spread

# Tables that follow the compartment are colocated: a patient's resources, past versions and index rows are on one shard.
COLUMNS = {
    "fhir_resource": "compartment",
    "fhir_version": "compartment",
    "fhir_date": "compartment",
    "fhir_string": "compartment",
    "fhir_number": "compartment",
    "fhir_locator": "rid",
    "fhir_unique": "key",
}


def distribute() -> list[str]:
    """Distribute the tables of the store; gives the names of those that were not yet.

    The function that queries use goes to every machine. Raises CitusMissing where the extension is absent. Source: Citus
    documentation, `create_distributed_table` and `create_distributed_function`.
    """
    with db.transaction():
        done = spread(COLUMNS)
        if done:
            with db.cursor() as cursor:
                # What each write looks at is on every machine.
                cursor.execute("SELECT create_reference_table('reindex_epoch')")
                cursor.execute("SELECT create_distributed_function('fhir_in_bucket(bigint[], bigint)')")
    return done
