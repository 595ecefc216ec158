"""The waiting room of the token index.

A page asks up to 64 buckets, each of which reads the pending list of the GIN index through: it is kept short, but for loads,
which feed the index by batches. The limit is a setting of the database rather than of the index, so that a load can lift it.
PostgreSQL takes no limit below 64 kB, and a full list doubles the time of a search in a small base: what still waits when
writes have ended is taken in each minute.
"""

from typing import Any

import psycopg

from virage.core import db

LIMIT = "64kB"
DURING_LOAD = "64MB"


def take_in() -> None:
    """Have the token index take in what waits."""
    with db.cursor() as cursor:
        cursor.execute("SELECT gin_clean_pending_list('fhir_resource_tokens')")


def keep_short(**_: Any) -> None:
    """Set the limit on the database and on this session; on the index itself where the role may not alter the database.

    Called after each migration: a copy of the database made by pg_dump has not its settings.
    """
    with db.cursor() as cursor:
        cursor.execute(f"SET gin_pending_list_limit = '{LIMIT}'")
        try:
            with db.transaction():
                cursor.execute(
                    "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET gin_pending_list_limit = %L',"
                    f" current_database(), '{LIMIT}'); END $$"
                )
        except psycopg.errors.InsufficientPrivilege:
            cursor.execute("ALTER INDEX fhir_resource_tokens SET (gin_pending_list_limit = 64)")
