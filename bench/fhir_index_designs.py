"""Compare designs of the FHIR search index on one PostgreSQL: what a write costs, how fast a first page comes, how big it gets.

    python bench/fhir_index_designs.py --conninfo "host=/run/... dbname=..." --unit 8000 --scales 1,4,16,64

Rows look like Observations: about thirty a patient, a skewed code, eight tokens and one date each, a body of 700 bytes. The same
generated rows go into each design by INSERT … SELECT in batches (so that the figure is the server's, not the client's), then
a thousand single creates, then each query fifteen times with fresh values; printed as JSON lines and a table. The designs:

rows     one row per token value (hash, compartment, row id) in a B-tree, and one row per date
gin      hashed tokens in a bigint[] of the resource row under GIN, and one row per date
buckets  as gin, each hash carrying six bits of the patient compartment, so that a page is read bucket by bucket; the date
         rows also exist per (code, date) pair
jsonb    a jsonb column of parameter values under GIN jsonb_path_ops, and a typed column for the date
"""

import argparse
import json
import random
import statistics
import time
from collections.abc import Callable
from typing import Any

import psycopg

SETUP = """
CREATE OR REPLACE FUNCTION h(t text) RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$ SELECT hashtextextended(t, 0) $$;
"""

# One generated resource: a patient of thirty resources, codes with a long tail, dates over ten years.
SOURCE = """
DROP TABLE IF EXISTS source;
CREATE TABLE source AS
SELECT n AS rid0, h('patient' || n / 30) AS compartment, h('row' || n) AS rid,
       floor(200 * power(random(), 3))::int AS code, (random() * random() * 8)::int AS category,
       CASE WHEN random() < 0.95 THEN 'final' ELSE 'amended' END AS status,
       floor(1 + {units} * 20 * random())::int AS performer, n / 10 AS encounter,
       1420070400000000 + (random() * 3650)::bigint * 86400000000 + (random() * 86400)::bigint * 1000000 AS low,
       n / 30 AS patient
FROM generate_series(1, {count}) n;
"""

BODY = "repeat(md5(s.rid0::text), 22)::bytea"
TOKENS = [
    "'status' || s.status",
    "'category' || s.category",
    "'code' || s.code",
    "'combo-code' || s.code",
    "'subject' || s.patient",
    "'patient' || s.patient",
    "'encounter' || s.encounter",
    "'performer' || s.performer",
]
BUCKET = "((s.compartment >> 58) & 63)"


def token(expression: str) -> str:
    return f"h({expression})"


def bucketed(expression: str) -> str:
    return f"((h({expression}) & -64) | {BUCKET})"


class Design:
    """One way to index: its tables, how rows go in, how each query is written."""

    name = ""
    tables: list[str] = []  # noqa: RUF012
    create = ""
    fill: list[str] = []  # noqa: RUF012

    def queries(self, units: int) -> dict[str, Callable[[], tuple[str, list[Any]]]]:
        raise NotImplementedError


def one_code(rare: bool = False) -> int:
    return random.randint(150, 199) if rare else random.randint(0, 10)


def dates() -> tuple[int, int]:
    start = 1420070400000000 + random.randint(0, 3000) * 86400000000
    return start, start + 365 * 86400000000


class Rows(Design):
    name = "rows"
    tables = ["a_resource", "a_token", "a_date"]  # noqa: RUF012
    create = """
    CREATE TABLE a_resource (compartment bigint, rid bigint, body bytea, PRIMARY KEY (compartment, rid));
    CREATE TABLE a_token (k bigint, compartment bigint, rid bigint, PRIMARY KEY (k, compartment, rid));
    CREATE INDEX ON a_token (compartment, rid);
    CREATE TABLE a_date (compartment bigint, rid bigint, k bigint, low bigint, high bigint, PRIMARY KEY (compartment, rid, k));
    CREATE INDEX ON a_date (k, low, compartment, rid);
    """
    fill = [  # noqa: RUF012
        f"INSERT INTO a_resource SELECT s.compartment, s.rid, {BODY} FROM source s WHERE rid0 BETWEEN %s AND %s",
        "INSERT INTO a_token SELECT DISTINCT t.k, s.compartment, s.rid FROM source s, unnest(ARRAY["
        + ",".join(map(token, TOKENS))
        + "]) t(k) WHERE rid0 BETWEEN %s AND %s",
        "INSERT INTO a_date SELECT s.compartment, s.rid, 1, s.low, s.low FROM source s WHERE rid0 BETWEEN %s AND %s",
    ]

    def queries(self, units: int) -> dict[str, Callable[[], tuple[str, list[Any]]]]:
        head = "SELECT r.body FROM a_token t JOIN a_resource r USING (compartment, rid) "
        tail = " ORDER BY t.compartment, t.rid LIMIT 21"
        also = (
            " AND EXISTS (SELECT FROM a_token o WHERE o.k = h(%s) AND o.compartment = t.compartment AND o.rid = t.rid)"
        )
        dated = (
            " AND EXISTS (SELECT FROM a_date d WHERE d.k = 1 AND d.compartment = t.compartment AND d.rid = t.rid"
            " AND d.low >= %s AND d.low < %s)"
        )
        return {
            "token, common": lambda: (head + "WHERE t.k = h(%s)" + tail, [f"code{one_code()}"]),
            "token, rare": lambda: (head + "WHERE t.k = h(%s)" + tail, [f"code{one_code(True)}"]),
            "token, nearly all": lambda: (head + "WHERE t.k = h(%s)" + tail, ["statusfinal"]),
            "two tokens": lambda: (
                head + "WHERE t.k = h(%s)" + also + tail,
                [f"code{one_code()}", f"performer{random.randint(1, units * 20)}"],
            ),
            "token and date": lambda: (head + "WHERE t.k = h(%s)" + dated + tail, [f"code{one_code()}", *dates()]),
        }


class Gin(Design):
    name = "gin"
    tables = ["b_resource", "b_date"]  # noqa: RUF012
    create = """
    CREATE TABLE b_resource (compartment bigint, rid bigint, tokens bigint[], body bytea, PRIMARY KEY (compartment, rid));
    CREATE INDEX ON b_resource USING gin (tokens);
    CREATE TABLE b_date (compartment bigint, rid bigint, k bigint, low bigint, high bigint, PRIMARY KEY (compartment, rid, k));
    CREATE INDEX ON b_date (k, low, compartment, rid);
    """
    fill = [  # noqa: RUF012
        "INSERT INTO b_resource SELECT s.compartment, s.rid, ARRAY["
        + ",".join(map(token, TOKENS))
        + f"], {BODY} FROM source s WHERE rid0 BETWEEN %s AND %s",
        "INSERT INTO b_date SELECT s.compartment, s.rid, 1, s.low, s.low FROM source s WHERE rid0 BETWEEN %s AND %s",
    ]

    def queries(self, units: int) -> dict[str, Callable[[], tuple[str, list[Any]]]]:
        head = "SELECT r.body FROM b_resource r WHERE r.tokens @> ARRAY[h(%s)]"
        tail = " ORDER BY r.compartment, r.rid LIMIT 21"
        dated = (
            " AND EXISTS (SELECT FROM b_date d WHERE d.k = 1 AND d.compartment = r.compartment AND d.rid = r.rid"
            " AND d.low >= %s AND d.low < %s)"
        )
        return {
            "token, common": lambda: (head + tail, [f"code{one_code()}"]),
            "token, rare": lambda: (head + tail, [f"code{one_code(True)}"]),
            "token, nearly all": lambda: (head + tail, ["statusfinal"]),
            "two tokens": lambda: (
                head.replace("[h(%s)]", "[h(%s), h(%s)]") + tail,
                [f"code{one_code()}", f"performer{random.randint(1, units * 20)}"],
            ),
            "token and date": lambda: (head + dated + tail, [f"code{one_code()}", *dates()]),
        }


class Buckets(Design):
    name = "buckets"
    tables = ["c_resource", "c_date"]  # noqa: RUF012
    create = Gin.create.replace("b_", "c_")
    fill = [  # noqa: RUF012
        "INSERT INTO c_resource SELECT s.compartment, s.rid, ARRAY["
        + ",".join(map(bucketed, TOKENS))
        + f"], {BODY} FROM source s WHERE rid0 BETWEEN %s AND %s",
        "INSERT INTO c_date SELECT s.compartment, s.rid, t.k, s.low, s.low FROM source s, unnest(ARRAY[1, h('code' || s.code)])"
        " t(k) WHERE rid0 BETWEEN %s AND %s",
    ]

    def queries(self, units: int) -> dict[str, Callable[[], tuple[str, list[Any]]]]:
        # The planner does not know how common `token | bucket` is: without the `+ 0` it walks the primary key in order.
        # Compartments are signed: the buckets of negative ones, 32 to 63, come first in order.
        head = (
            "SELECT p.body FROM unnest(%s::bigint[]) b(n) CROSS JOIN LATERAL (SELECT r.body FROM c_resource r WHERE r.tokens @> "
            "ARRAY[{}] ORDER BY r.compartment + 0, r.rid + 0 LIMIT 21) p LIMIT 21"
        )
        one = head.format("(%s & -64) | b.n")
        two = head.format("(%s & -64) | b.n, (%s & -64) | b.n")
        order = [*range(32, 64), *range(32)]
        dated = (
            "SELECT r.body FROM c_date d JOIN c_resource r USING (compartment, rid) WHERE d.k = h(%s) AND d.low >= %s AND d.low < %s"
            " ORDER BY d.low, d.compartment, d.rid LIMIT 21"
        )
        return {
            "token, common": lambda: (one, [order, self.key(f"code{one_code()}")]),
            "token, rare": lambda: (one, [order, self.key(f"code{one_code(True)}")]),
            "token, nearly all": lambda: (one, [order, self.key("statusfinal")]),
            "two tokens": lambda: (
                two,
                [order, self.key(f"code{one_code()}"), self.key(f"performer{random.randint(1, units * 20)}")],
            ),
            "token and date": lambda: (dated, [f"code{one_code()}", *dates()]),
        }

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        self.known: dict[str, int] = {}

    def key(self, text: str) -> int:
        if text not in self.known:
            found = self.connection.execute("SELECT h(%s)", [text]).fetchone()
            assert found
            self.known[text] = found[0]
        return self.known[text]


class Jsonb(Design):
    name = "jsonb"
    tables = ["d_resource"]  # noqa: RUF012
    create = """
    CREATE TABLE d_resource (compartment bigint, rid bigint, doc jsonb, low bigint, body bytea, PRIMARY KEY (compartment, rid));
    CREATE INDEX ON d_resource USING gin (doc jsonb_path_ops);
    CREATE INDEX ON d_resource (low);
    """
    fill = [  # noqa: RUF012
        "INSERT INTO d_resource SELECT s.compartment, s.rid, jsonb_build_object('status', s.status, 'category', s.category::text,"
        " 'code', s.code::text, 'combo', s.code::text, 'subject', s.patient::text, 'patient', s.patient::text,"
        f" 'encounter', s.encounter::text, 'performer', s.performer::text), s.low, {BODY}"
        " FROM source s WHERE rid0 BETWEEN %s AND %s"
    ]

    def queries(self, units: int) -> dict[str, Callable[[], tuple[str, list[Any]]]]:
        head = "SELECT body FROM d_resource WHERE doc @> %s::jsonb"
        tail = " ORDER BY compartment, rid LIMIT 21"

        def doc(**values: Any) -> str:
            return json.dumps({k: str(v) for k, v in values.items()})

        return {
            "token, common": lambda: (head + tail, [doc(code=one_code())]),
            "token, rare": lambda: (head + tail, [doc(code=one_code(True))]),
            "token, nearly all": lambda: (head + tail, [doc(status="final")]),
            "two tokens": lambda: (head + tail, [doc(code=one_code(), performer=random.randint(1, units * 20))]),
            "token and date": lambda: (
                head + " AND low >= %s AND low < %s" + tail,
                [doc(code=one_code()), *dates()],
            ),
        }


def measure(connection: psycopg.Connection, design: Design, count: int, units: int, runs: int) -> dict[str, Any]:
    for table in design.tables:
        connection.execute(f"DROP TABLE IF EXISTS {table}")
    connection.execute(design.create)
    batch = 5000
    singles = 1000
    started = time.perf_counter()
    for start in range(1, count - singles + 1, batch):
        with connection.transaction():
            for statement in design.fill:
                connection.execute(statement, [start, min(start + batch - 1, count - singles)])
    load = (count - singles) / (time.perf_counter() - started)
    times = []
    for n in range(count - singles + 1, count + 1):
        began = time.perf_counter()
        with connection.transaction():
            for statement in design.fill:
                connection.execute(statement, [n, n])
        times.append(time.perf_counter() - began)
    for table in design.tables:
        connection.execute(f"VACUUM ANALYZE {table}")
    size = sum(
        connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()[0]  # type: ignore[index]
        for table in design.tables
    )
    found: dict[str, Any] = {
        "design": design.name,
        "resources": count,
        "load/s": round(load),
        "create ms": round(statistics.median(times) * 1000, 2),
        "bytes": round(size / count),
    }
    for name, make in design.queries(units).items():
        for _ in range(3):
            connection.execute(*make()).fetchall()
        taken = []
        for _ in range(runs):
            statement, values = make()
            began = time.perf_counter()
            connection.execute(statement, values, prepare=False).fetchall()
            taken.append(time.perf_counter() - began)
        found[name] = round(statistics.median(taken) * 1000, 2)
    for table in design.tables:
        connection.execute(f"DROP TABLE {table}")
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--conninfo", required=True)
    parser.add_argument("--unit", type=int, default=8000, help="resources at scale 1")
    parser.add_argument("--scales", default="1,4,16,64")
    parser.add_argument("--runs", type=int, default=15)
    arguments = parser.parse_args()
    random.seed(1)
    connection = psycopg.connect(arguments.conninfo, autocommit=True, cursor_factory=psycopg.ClientCursor)
    connection.execute(SETUP)
    rows = []
    for scale in map(int, arguments.scales.split(",")):
        count = arguments.unit * scale
        connection.execute("SELECT setseed(0.5)")
        connection.execute(SOURCE.format(units=scale, count=count))
        connection.execute("CREATE UNIQUE INDEX ON source (rid0)")
        connection.execute("ANALYZE source")
        for design in (Rows(), Gin(), Buckets(connection), Jsonb()):
            found = measure(connection, design, count, scale, arguments.runs)
            rows.append(found)
            print(json.dumps(found), flush=True)
    names = list(rows[0])
    print("| " + " | ".join(names) + " |")
    print("|" + "---|" * len(names))
    for row in rows:
        print("| " + " | ".join(str(row[n]) for n in names) + " |")


if __name__ == "__main__":
    main()
