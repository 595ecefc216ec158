from django.db import migrations

# Every table begins with the patient compartment (the locator, with the id it locates), so that Citus can distribute it.
# No Django model: only core.fhir reads and writes here, in SQL of its own.
FORWARD = """
CREATE TABLE fhir_resource (
    compartment bigint   NOT NULL,
    rid         bigint   NOT NULL,  -- hash of space, type and id
    space       smallint NOT NULL,
    type        smallint NOT NULL,
    version     integer  NOT NULL,
    updated     bigint   NOT NULL,  -- microseconds since 1970
    id          text     NOT NULL,
    tokens      bigint[],           -- hashed index values, each with its bucket; NULL when deleted
    body        bytea,              -- the JSON as served; NULL when deleted
    PRIMARY KEY (compartment, rid)
) WITH (autovacuum_vacuum_insert_scale_factor = 0.05);
ALTER TABLE fhir_resource ALTER body SET COMPRESSION pglz;
CREATE INDEX fhir_resource_tokens ON fhir_resource USING gin (tokens);
CREATE INDEX fhir_resource_updated ON fhir_resource (space, type, updated, compartment, rid);

CREATE TABLE fhir_version (
    compartment bigint   NOT NULL,
    rid         bigint   NOT NULL,
    version     integer  NOT NULL,
    space       smallint NOT NULL,
    type        smallint NOT NULL,
    updated     bigint   NOT NULL,
    id          text     NOT NULL,
    body        bytea,              -- NULL: this version says that the resource was deleted
    PRIMARY KEY (compartment, rid, version)
);
CREATE INDEX fhir_version_updated ON fhir_version (space, type, updated, compartment, rid);

CREATE TABLE fhir_date (
    compartment bigint NOT NULL,
    rid         bigint NOT NULL,
    k           bigint NOT NULL,
    low         bigint NOT NULL,
    high        bigint NOT NULL     -- first microsecond after
);
CREATE INDEX fhir_date_resource ON fhir_date (compartment, rid, k, low, high);
CREATE INDEX fhir_date_value ON fhir_date (k, low, high, compartment, rid);

CREATE TABLE fhir_string (
    compartment bigint NOT NULL,
    rid         bigint NOT NULL,
    k           bigint NOT NULL,
    folded      text COLLATE "C" NOT NULL,
    exact       text COLLATE "C" NOT NULL
);
CREATE INDEX fhir_string_resource ON fhir_string (compartment, rid, k);
CREATE INDEX fhir_string_value ON fhir_string (k, folded, compartment, rid);

CREATE TABLE fhir_number (
    compartment bigint NOT NULL,
    rid         bigint NOT NULL,
    k           bigint NOT NULL,
    low         double precision NOT NULL,
    high        double precision NOT NULL,
    code        bigint NOT NULL DEFAULT 0,  -- hash of the unit's code
    unit        bigint NOT NULL DEFAULT 0   -- hash of its system and code
);
CREATE INDEX fhir_number_resource ON fhir_number (compartment, rid, k);
CREATE INDEX fhir_number_value ON fhir_number (k, low, high, compartment, rid);

CREATE TABLE fhir_locator (
    rid         bigint NOT NULL PRIMARY KEY,
    compartment bigint NOT NULL
);

CREATE FUNCTION fhir_in_bucket(keys bigint[], bucket bigint) RETURNS bigint[] LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT array_agg(k | bucket) FROM unnest(keys) k
$$;
"""
BACKWARD = """
DROP FUNCTION fhir_in_bucket(bigint[], bigint);
DROP TABLE fhir_locator; DROP TABLE fhir_number; DROP TABLE fhir_string; DROP TABLE fhir_date;
DROP TABLE fhir_version; DROP TABLE fhir_resource;
"""


class Migration(migrations.Migration):
    initial = True
    dependencies = []
    operations = [migrations.RunSQL(FORWARD, BACKWARD)]
