from django.db import migrations

# `audit_append` began its search at another lane than the trigger, so that a transaction with traces of both kinds held two
# lanes. Both take the session's own first.
_APPEND = """
CREATE OR REPLACE FUNCTION audit_append(actions text[], outcomes text[], subjects text[], patients text[], contents text[])
    RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    head audit_lane%ROWTYPE;
    start bigint;
    now timestamptz;
    hashes bytea[];
    one record;
BEGIN
    <LANE>
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
_OWN_FIRST = """SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane ORDER BY (audit_lane.lane + pg_backend_pid()) % 64 LIMIT 1 FOR UPDATE SKIP LOCKED;
    END IF;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE;
    END IF;"""
_ANY_FIRST = """SELECT * INTO head FROM audit_lane ORDER BY (audit_lane.lane + pg_backend_pid()) % 64 LIMIT 1 FOR UPDATE SKIP LOCKED;
    IF NOT FOUND THEN
        SELECT * INTO head FROM audit_lane WHERE audit_lane.lane = pg_backend_pid() % 64 FOR UPDATE;
    END IF;"""


class Migration(migrations.Migration):
    dependencies = [("audit", "0002_append")]
    operations = [
        migrations.RunSQL(_APPEND.replace("<LANE>", _OWN_FIRST), _APPEND.replace("<LANE>", _ANY_FIRST))
    ]
