from django.db import migrations

# No Django model: nothing but the recording functions writes here, and a test's flush must not empty it.
FORWARD = """
CREATE TABLE audit_lane (
    lane smallint PRIMARY KEY,
    seq  bigint NOT NULL DEFAULT 0,
    hash bytea NOT NULL DEFAULT ''
) WITH (fillfactor = 20);
INSERT INTO audit_lane (lane) SELECT generate_series(0, 63);

CREATE TABLE audit_trace (
    lane     smallint NOT NULL DEFAULT 0,
    seq      bigint NOT NULL DEFAULT 0,
    recorded timestamptz NOT NULL DEFAULT clock_timestamp(),
    action   text NOT NULL,
    outcome  text NOT NULL,
    subject  text NOT NULL,
    patient  text NOT NULL,
    content  json NOT NULL,
    prev     bytea NOT NULL DEFAULT '',
    hash     bytea NOT NULL DEFAULT '',
    PRIMARY KEY (lane, seq)
);
CREATE INDEX audit_trace_patient ON audit_trace (patient, recorded DESC) WHERE patient <> '';
CREATE INDEX audit_trace_subject ON audit_trace (subject, recorded DESC);
CREATE INDEX audit_trace_recorded ON audit_trace USING brin (recorded);

CREATE FUNCTION audit_hash(prev bytea, lane smallint, seq bigint, recorded timestamptz, action text, outcome text,
                           subject text, patient text, content json) RETURNS bytea
LANGUAGE sql STABLE PARALLEL SAFE AS $$
    -- an array, so that no field can pose as the end of the one before
    SELECT sha256(prev || convert_to(json_build_array(lane, seq, (extract(epoch FROM recorded) * 1000000)::bigint,
                                                      action, outcome, subject, patient, content::text)::text, 'UTF8'))
$$;

CREATE FUNCTION audit_chain() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    head audit_lane%ROWTYPE;
BEGIN
    -- A lane that nobody holds, our own first: a long transaction must not keep others waiting.
    SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane ORDER BY (audit_lane.lane + pg_backend_pid()) % 64 LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE;
    END IF;
    NEW.lane := head.lane;
    NEW.seq := head.seq + 1;
    NEW.prev := head.hash;
    NEW.recorded := clock_timestamp();
    NEW.hash := audit_hash(NEW.prev, NEW.lane, NEW.seq, NEW.recorded, NEW.action, NEW.outcome, NEW.subject, NEW.patient,
                           NEW.content);
    UPDATE audit_lane SET seq = NEW.seq, hash = NEW.hash WHERE audit_lane.lane = NEW.lane;
    RETURN NEW;
END
$$;
CREATE TRIGGER audit_chain BEFORE INSERT ON audit_trace FOR EACH ROW EXECUTE FUNCTION audit_chain();

CREATE FUNCTION audit_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit_trace is append-only';
END
$$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit_trace
    FOR EACH ROW EXECUTE FUNCTION audit_append_only();
"""
BACKWARD = """
DROP TABLE audit_trace; DROP TABLE audit_lane;
DROP FUNCTION audit_chain(); DROP FUNCTION audit_append_only();
DROP FUNCTION audit_hash(bytea, smallint, bigint, timestamptz, text, text, text, text, json);
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
