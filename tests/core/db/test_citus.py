"""The calls that a Citus cluster receives."""

import pytest

from virage.core import db
from virage.core.db.citus import CitusMissing
from virage.core.fhir.store.distribution import COLUMNS, distribute


def test_without_citus_it_is_said(own_database):
    with pytest.raises(CitusMissing, match="CREATE EXTENSION citus"):
        distribute()


def test_each_table_goes_once_beside_its_kin(own_database):
    """The extension is not in the embedded PostgreSQL: its two names are played by a function and a table."""
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE pg_dist_partition (logicalrelid regclass, by text, beside text)")
        cursor.execute(
            "CREATE FUNCTION create_distributed_table(t regclass, by text, colocate_with text) RETURNS void"
            " LANGUAGE sql AS 'INSERT INTO pg_dist_partition VALUES (t, by, colocate_with)'"
        )
        cursor.execute("CREATE FUNCTION create_reference_table(t regclass) RETURNS void LANGUAGE sql AS ''")
        cursor.execute("CREATE FUNCTION create_distributed_function(f regprocedure) RETURNS void LANGUAGE sql AS ''")
    assert distribute() == list(COLUMNS)
    assert distribute() == []
    with db.cursor() as cursor:
        calls = cursor.execute("SELECT logicalrelid::text, by, beside FROM pg_dist_partition").fetchall()
    assert calls[:2] == [("fhir_resource", "compartment", "none"), ("fhir_version", "compartment", "fhir_resource")]
    assert calls[-2:] == [("fhir_locator", "rid", "none"), ("fhir_unique", "key", "none")]


def test_every_clinical_table_is_in_the_list(own_database):
    with db.cursor() as cursor:
        tables = cursor.execute("SELECT tablename FROM pg_tables WHERE tablename LIKE 'fhir\\_%'").fetchall()
        keyed = cursor.execute(
            "SELECT table_name FROM information_schema.columns WHERE table_name LIKE 'fhir\\_%' AND column_name = 'compartment'"
        ).fetchall()
    assert {row[0] for row in keyed} - {"fhir_locator"} == {
        name for name, column in COLUMNS.items() if column == "compartment"
    }
    assert set(COLUMNS) <= {row[0] for row in tables}
