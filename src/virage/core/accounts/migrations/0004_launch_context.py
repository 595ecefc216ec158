from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0003_client_keys_url")]
    operations = [
        migrations.AddField(model_name="grant", name="patient", field=models.CharField(blank=True, max_length=64)),
        migrations.AddField(model_name="grant", name="encounter", field=models.CharField(blank=True, max_length=64)),
    ]
