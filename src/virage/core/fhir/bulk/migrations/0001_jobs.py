from django.db import migrations

# A job is a row; what it has done so far is in `progress`, written after each page, so that another worker can go on.
FORWARD = """
CREATE TABLE fhir_job (
    id       text PRIMARY KEY,
    kind     text NOT NULL,
    space    text NOT NULL,
    base     text NOT NULL,             -- the address of the base as the client knows it
    request  text NOT NULL,             -- the address that was asked
    caller   json NOT NULL,             -- on whose behalf: the rules of access are asked again at each slice
    asked    json NOT NULL,
    moment   bigint NOT NULL,           -- microseconds since 1970: the time of which an export tells the state
    state    text NOT NULL DEFAULT 'waiting',
    runner   text NOT NULL DEFAULT '',
    beat     timestamptz NOT NULL DEFAULT clock_timestamp(),
    created  timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires  timestamptz NOT NULL,
    progress json NOT NULL DEFAULT '{}',
    problem  text NOT NULL DEFAULT ''
);
CREATE INDEX fhir_job_expires ON fhir_job (expires);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(FORWARD, "DROP TABLE fhir_job")]
