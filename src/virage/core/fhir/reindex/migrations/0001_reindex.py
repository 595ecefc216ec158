from django.db import migrations

# One row says by which epoch the index is written: the statement of each write looks at it.
FORWARD = """
CREATE TABLE reindex_epoch (
    one     boolean PRIMARY KEY DEFAULT TRUE CHECK (one),
    n       bigint  NOT NULL,   -- drawn anew whenever what is indexed changes
    known   integer NOT NULL,   -- the revision of the program by which rows are written
    revised integer NOT NULL    -- the revision that all rows have reached
);
INSERT INTO reindex_epoch (n, known, revised) VALUES (0, 1, 1);

CREATE TABLE reindex_parameter (
    key    text PRIMARY KEY,
    space  smallint NOT NULL,
    id     text NOT NULL,       -- of the SearchParameter
    state  text NOT NULL,       -- announced, building, active, leaving, cleaning
    source json NOT NULL,
    said   timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX reindex_parameter_id ON reindex_parameter (space, id);

CREATE TABLE reindex_run (
    number   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    began    timestamptz NOT NULL DEFAULT clock_timestamp(),
    moved    timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished timestamptz,
    revision integer,           -- reached at the end; NULL: only users' parameters changed
    waiting  text[],            -- transactions older than the epoch, still open; NULL: not asked yet
    places   json,              -- [space, type, bound, rows] in turn; NULL until nothing is waited for
    place    integer NOT NULL DEFAULT 0,
    after    bigint[],          -- updated, compartment, rid of the last row
    late     json NOT NULL DEFAULT '[]',  -- rows that somebody held: compartment, rid, version, space, type
    seen     bigint NOT NULL DEFAULT 0,
    changed  bigint NOT NULL DEFAULT 0
);
CREATE UNIQUE INDEX reindex_run_one ON reindex_run ((TRUE)) WHERE finished IS NULL;
"""
BACKWARD = "DROP TABLE reindex_run; DROP TABLE reindex_parameter; DROP TABLE reindex_epoch;"


class Migration(migrations.Migration):
    initial = True
    dependencies = [("fhir", "0001_store")]
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
