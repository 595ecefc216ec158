from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fhir", "0002_rewritten")]
    operations = [
        # Empty at first: what was stored before is taken in piece by piece (store/uniqueness.py).
        migrations.RunSQL(
            "CREATE TABLE fhir_unique ("
            "  key uuid   NOT NULL PRIMARY KEY,"  # digest of space, type, system and value
            "  rid bigint NOT NULL"
            ");"
            "CREATE INDEX fhir_unique_rid ON fhir_unique (rid);",
            "DROP TABLE fhir_unique;",
        )
    ]
