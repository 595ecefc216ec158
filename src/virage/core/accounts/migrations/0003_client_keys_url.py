from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("accounts", "0002_certificate")]
    operations = [
        migrations.AddField(
            model_name="account", name="client_keys_url", field=models.URLField(blank=True, max_length=2000)
        )
    ]
