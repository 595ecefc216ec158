"""Does every chain still hold?"""

from dataclasses import dataclass
from datetime import datetime

from virage.core import db

# The same expression as the trigger's, over what is stored now.
_BROKEN = """
SELECT lane, seq, recorded, what FROM (
    SELECT lane, seq, recorded,
           CASE
               WHEN seq <> lag(seq, 1, 0::bigint) OVER chain + 1 THEN 'missing'
               WHEN prev <> lag(hash, 1, '\\x'::bytea) OVER chain THEN 'unlinked'
               WHEN hash <> audit_hash(prev, lane, seq, recorded, action, outcome, subject, patient, content) THEN 'changed'
           END AS what
    FROM audit_trace
    WINDOW chain AS (PARTITION BY lane ORDER BY seq)
) links
WHERE what IS NOT NULL
ORDER BY recorded, lane, seq
LIMIT 1
"""
_CUT = """
SELECT h.lane, h.seq, now(), 'cut'
FROM audit_lane h
LEFT JOIN audit_trace t ON t.lane = h.lane AND t.seq = h.seq
WHERE h.seq > 0 AND (t.hash IS NULL OR t.hash <> h.hash)
ORDER BY h.lane LIMIT 1
"""
# `audit_append` makes the links itself, so that the trigger takes any row that says it is one: one that was put in beside it is past
# the head of its lane, or on a lane that has none.
_ADDED = """
SELECT t.lane, t.seq, t.recorded, 'added'
FROM audit_trace t
LEFT JOIN audit_lane h ON h.lane = t.lane
WHERE t.seq > coalesce(h.seq, 0)
ORDER BY t.recorded, t.lane, t.seq LIMIT 1
"""
# One statement, so one view of the database, whatever is written meanwhile.
_VERIFY = f"""
SELECT (SELECT count(*) FROM audit_trace), (SELECT count(DISTINCT lane) FROM audit_trace), b.*
FROM (SELECT 1) one
LEFT JOIN ((SELECT * FROM ({_BROKEN}) broken) UNION ALL (SELECT * FROM ({_CUT}) cut) UNION ALL (SELECT * FROM ({_ADDED}) added)
           LIMIT 1) b ON true
"""


@dataclass(frozen=True, slots=True)
class Break:
    """The first link that does not hold: which lane and number, when recorded, and what is wrong with it.

    `what` is `changed` (its content), `unlinked` (the one before was exchanged), `missing` (one before is gone), `cut` (the
    end of the lane is gone), `added` (nothing of ours wrote it: the head of the lane does not know it).
    """

    lane: int
    seq: int
    recorded: datetime
    what: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """How many traces on how many lanes were checked, and the first break if there is one."""

    traces: int
    lanes: int
    broken: Break | None


def verify() -> Verdict:
    """Check every link of every lane, in one consistent view of the database."""
    with db.cursor() as cursor:
        cursor.execute(_VERIFY)
        traces, lanes, *link = cursor.fetchone() or (0, 0, None)
    return Verdict(traces, lanes, Break(*link) if link[0] is not None else None)
