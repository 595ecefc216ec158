from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("fhir", "0001_store")]
    operations = [
        # What was written again, by time: pages by time look at it so that a rewritten resource keeps its place.
        migrations.RunSQL(
            "CREATE INDEX fhir_resource_rewritten ON fhir_resource (space, type, updated) WHERE version > 1",
            "DROP INDEX fhir_resource_rewritten",
        )
    ]
