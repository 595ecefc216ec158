from django.db import migrations

# A change becomes an event only when an active subscription looks at its type: the trigger asks a small partial index, in the
# transaction of the change, whatever way it was written.
FORWARD = """
CREATE TABLE subscription (
    space    smallint NOT NULL,
    id       text NOT NULL,
    type     smallint NOT NULL,          -- the type of resource that it looks at
    state    text NOT NULL,              -- requested, active, error, off
    owner    json NOT NULL,              -- with whose rights it looks
    declared json NOT NULL,
    ends     timestamptz,
    events   bigint NOT NULL DEFAULT 0,  -- the number of the last event
    failures integer NOT NULL DEFAULT 0,
    problem  text NOT NULL DEFAULT '',
    PRIMARY KEY (space, id)
);
CREATE INDEX subscription_active ON subscription (space, type) WHERE state = 'active';

CREATE TABLE subscription_notice (
    space     smallint NOT NULL,
    id        text NOT NULL,
    number    bigint NOT NULL,
    focus     text NOT NULL,             -- Type/id
    version   integer NOT NULL,
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    state     text NOT NULL DEFAULT 'pending',  -- pending, sent, failed, withheld
    attempts  integer NOT NULL DEFAULT 0,
    due       timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried     timestamptz,
    code      integer,                   -- the HTTP status that the endpoint gave
    problem   text NOT NULL DEFAULT '',
    PRIMARY KEY (space, id, number)
);
CREATE INDEX subscription_notice_due ON subscription_notice (due) WHERE state = 'pending';

CREATE FUNCTION subscription_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM subscription s WHERE s.space = NEW.space AND s.type = NEW.type AND s.state = 'active') THEN
        INSERT INTO events_delivery (event, name, room, key, payload)
        VALUES (gen_random_uuid(), 'fhir.changed', 'core.fhir.subscriptions', 'fhir.changed/' || NEW.rid,
                jsonb_build_object('space', NEW.space, 'type', NEW.type, 'id', NEW.id, 'version', NEW.version,
                                   'deleted', NEW.body IS NULL));
    END IF;
    RETURN NULL;
END
$$;
CREATE TRIGGER subscription_changed AFTER INSERT OR UPDATE OF version ON fhir_resource
    FOR EACH ROW EXECUTE FUNCTION subscription_changed();
"""
BACKWARD = """
DROP TRIGGER subscription_changed ON fhir_resource;
DROP FUNCTION subscription_changed();
DROP TABLE subscription_notice; DROP TABLE subscription;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = [("fhir", "0001_store"), ("events", "0001_outbox")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
