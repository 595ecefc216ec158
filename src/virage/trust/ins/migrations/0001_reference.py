from django.db import migrations, models


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [
        migrations.CreateModel(
            name="ReferenceIdentity",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("number", models.CharField(max_length=13)),
                ("key", models.CharField(max_length=2)),
                ("oid", models.CharField(max_length=24)),
                ("patient", models.CharField(max_length=64, unique=True)),
                ("family", models.CharField(max_length=100)),
                ("given_list", models.CharField(max_length=200)),
                ("sex", models.CharField(max_length=1)),
                ("birth_date", models.DateField()),
                ("birth_place", models.CharField(max_length=5)),
                ("family_key", models.CharField(max_length=100)),
                ("given_key", models.CharField(max_length=200)),
                ("history", models.JSONField(blank=True, default=list)),
            ],
        ),
        migrations.AddConstraint(
            model_name="referenceidentity",
            constraint=models.UniqueConstraint(fields=("number", "oid"), name="ins_reference_matricule"),
        ),
        migrations.AddIndex(
            model_name="referenceidentity",
            index=models.Index(fields=["birth_date", "family_key", "sex"], name="ins_reference_traits"),
        ),
    ]
