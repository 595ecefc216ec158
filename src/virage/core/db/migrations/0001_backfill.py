"""How far each long data step has come."""

from django.db import migrations


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.RunSQL(
            """
            CREATE TABLE db_backfill (
                name text PRIMARY KEY,
                position text NOT NULL DEFAULT '',
                pieces bigint NOT NULL DEFAULT 0,
                begun timestamptz NOT NULL DEFAULT clock_timestamp(),
                moved timestamptz NOT NULL DEFAULT clock_timestamp(),
                finished timestamptz
            )
            """,
            "DROP TABLE db_backfill",
        )
    ]
