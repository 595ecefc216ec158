from django.db import migrations

FORWARD = """
ALTER TABLE subscription ADD heartbeat integer NOT NULL DEFAULT 0,  -- seconds of silence before a sign of life; 0: none
                         ADD spoken timestamptz;                    -- when the endpoint last took something
"""
BACKWARD = "ALTER TABLE subscription DROP heartbeat, DROP spoken"


class Migration(migrations.Migration):
    dependencies = [("subscriptions", "0001_subscriptions")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
