"""Append-only traces: who did what, on whom, for which purpose, with which outcome.

Each trace is a FHIR R4 AuditEvent, written in the transaction of what it traces, and chained: a trace carries the SHA-256 of
the one before it, so that a change, a removal or an insertion shows. There are 64 chains (lanes), not one, because a single
chain would make every write of the country wait for the one before it; a session takes a lane that nobody holds.
Basis: L. 1111-19 of the Public Health Code (the holder sees the traces), PGSSI-S (imputability), FHIR R4 AuditEvent.
Leaves out: shipping of traces to a third party (ATNA feed), and the anchoring of the heads outside the house.
"""

from virage.core.audit.content import AGENT_SYSTEMS, PURPOSE_SYSTEM
from virage.core.audit.queries import for_patient, of_subject
from virage.core.audit.recording import INSERT, PLACEHOLDERS, Row, flush, later, read_later, row, trace, traces
from virage.core.audit.verification import Break, verify

__all__ = [
    "AGENT_SYSTEMS",
    "INSERT",
    "PLACEHOLDERS",
    "PURPOSE_SYSTEM",
    "Break",
    "Row",
    "flush",
    "for_patient",
    "later",
    "of_subject",
    "read_later",
    "row",
    "trace",
    "traces",
    "verify",
]
