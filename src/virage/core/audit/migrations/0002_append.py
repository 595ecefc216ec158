from django.db import migrations

# Many traces at once: one look at the lane and one change of it, where the trigger makes one for each row. Measured on 500
# traces: 33 µs of the server's processor each instead of 83 to 112.
FORWARD = """
CREATE OR REPLACE TRIGGER audit_chain BEFORE INSERT ON audit_trace FOR EACH ROW WHEN (NEW.seq = 0)
    EXECUTE FUNCTION audit_chain();

CREATE FUNCTION audit_append(actions text[], outcomes text[], subjects text[], patients text[], contents text[])
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    head audit_lane%ROWTYPE;
    start bigint;
    now timestamptz;
    hashes bytea[];
    one record;
BEGIN
    SELECT * INTO head FROM audit_lane ORDER BY (audit_lane.lane + pg_backend_pid()) % 64 LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE;
    END IF;
    now := clock_timestamp();
    start := head.seq;
    hashes := ARRAY[head.hash];
    FOR one IN SELECT * FROM unnest(actions, outcomes, subjects, patients, contents)
        WITH ORDINALITY AS given (action, outcome, subject, patient, content, n)
    LOOP
        head.hash := audit_hash(head.hash, head.lane, start + one.n, now, one.action, one.outcome, one.subject, one.patient,
                                one.content::json);
        hashes := hashes || head.hash;
    END LOOP;
    INSERT INTO audit_trace (lane, seq, recorded, action, outcome, subject, patient, content, prev, hash)
    SELECT head.lane, start + n, now, action, outcome, subject, patient, content::json, hashes[n], hashes[n + 1]
    FROM unnest(actions, outcomes, subjects, patients, contents)
        WITH ORDINALITY AS given (action, outcome, subject, patient, content, n);
    UPDATE audit_lane SET seq = start + cardinality(actions), hash = head.hash WHERE audit_lane.lane = head.lane;
END
$$;
"""
BACKWARD = """
DROP FUNCTION audit_append(text[], text[], text[], text[], text[]);
CREATE OR REPLACE TRIGGER audit_chain BEFORE INSERT ON audit_trace FOR EACH ROW EXECUTE FUNCTION audit_chain();
"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_chain")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
