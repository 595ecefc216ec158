"""`distribute` against the functions of Citus played by SQL functions that note their calls."""

import pytest

from virage.core import db as database
from virage.core.db.citus import CitusMissing
from virage.core.fhir.store.distribution import distribute

_FAKE = (
    "CREATE SCHEMA fake",
    "CREATE TABLE fake.pg_dist_partition (logicalrelid regclass)",
    "CREATE TABLE fake.calls (n serial, called text)",
    "CREATE FUNCTION fake.create_distributed_table(t regclass, c text, colocate_with text) RETURNS void LANGUAGE sql AS $$"
    " INSERT INTO fake.calls (called) VALUES (t::text || ' ' || c || ' ' || colocate_with);"
    " INSERT INTO fake.pg_dist_partition VALUES (t) $$",
    "CREATE FUNCTION fake.create_reference_table(t regclass) RETURNS void LANGUAGE sql AS $$"
    " INSERT INTO fake.calls (called) VALUES (t::text) $$",
    "CREATE FUNCTION fake.create_distributed_function(f regprocedure) RETURNS void LANGUAGE sql AS $$"
    " INSERT INTO fake.calls (called) VALUES (f::text) $$",
    "SET LOCAL search_path = fake, pg_catalog, public",
)


def test_a_plain_postgresql_is_refused_with_advice(db):
    with pytest.raises(CitusMissing) as refused:
        distribute()
    assert "Citus" in refused.value.text
    assert refused.value.code == "DB.CITUS_MISSING"


def test_the_tables_are_distributed_by_compartment_once(db):
    with database.cursor() as cursor:
        for statement in _FAKE:
            cursor.execute(statement)
    tables = ["fhir_resource", "fhir_version", "fhir_date", "fhir_string", "fhir_number", "fhir_locator", "fhir_unique"]
    assert distribute() == tables
    assert distribute() == []
    with database.cursor() as cursor:
        cursor.execute("SELECT called FROM fake.calls ORDER BY n")
        calls = [called for (called,) in cursor.fetchall()]
    assert calls[0] == "fhir_resource compartment none"
    assert calls[1:5] == [f"{table} compartment fhir_resource" for table in tables[1:5]]
    assert calls[5] == "fhir_locator rid none"
    assert calls[6] == "fhir_unique key none"
    assert calls[7] == "reindex_epoch"
    assert calls[8] == "fhir_in_bucket(bigint[],bigint)"


def test_every_key_begins_with_the_compartment(db):
    """What Citus asks of a distributed table: its keys hold the column by which it is distributed.

    Jobs are few and belong to nobody's compartment: their table stays where it is.
    """
    with database.cursor() as cursor:
        cursor.execute(
            "SELECT c.relname, a.attname FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid"
            " JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
            " WHERE c.relname LIKE 'fhir\\_%%' AND i.indisprimary AND c.relname <> 'fhir_job' ORDER BY 1"
        )
        assert cursor.fetchall() == [
            ("fhir_locator", "rid"),
            ("fhir_resource", "compartment"),
            ("fhir_unique", "key"),
            ("fhir_version", "compartment"),
        ]
