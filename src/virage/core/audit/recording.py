"""Writing traces: in the transaction of what they trace, or for plain reads a moment later, many at once."""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Mapping, Sequence

import orjson

from virage.core import db
from virage.core.audit.content import build
from virage.core.callers import Caller

log = logging.getLogger(__name__)

Row = tuple[str, str, str, str, str]

INSERT = "INSERT INTO audit_trace (action, outcome, subject, patient, content)"
"""For callers that join the trace to their own statement: followed by `VALUES` and `PLACEHOLDERS`."""
PLACEHOLDERS = "(%s, %s, %s, %s, %s::json)"

_DELAY = 0.2
_BATCH = 500
_queue: deque[tuple[Caller, str, str, str, tuple[str, ...]]] = deque()
_wake = threading.Event()
_state: dict[str, int] = {}
_lock = threading.Lock()
_flushing = threading.Lock()


def row(
    *,
    by: Caller,
    action: str,
    outcome: str = "0",
    patient: str = "",
    entities: Sequence[str] = (),
    title: str = "",
    detail: Mapping[str, str] | None = None,
    description: str = "",
) -> Row:
    """The parameters of one trace, in the order of `INSERT`.

    `outcome` is FHIR's: `0` success, `4` refused or wrong input, `8` failure of ours. `patient` is the logical id of the
    Patient concerned; `description` tells why it was refused.
    """
    content = build(by, action, outcome, entities, title, detail, description, patient)
    return (action, outcome, by.subject, patient, orjson.dumps(content).decode())


def trace(
    *,
    by: Caller,
    action: str,
    outcome: str = "0",
    patient: str = "",
    entities: Sequence[str] = (),
    title: str = "",
    detail: Mapping[str, str] | None = None,
    description: str = "",
) -> None:
    """Write one trace in the current transaction, or by itself when none is open."""
    values = row(
        by=by,
        action=action,
        outcome=outcome,
        patient=patient,
        entities=entities,
        title=title,
        detail=detail,
        description=description,
    )
    with db.cursor() as cursor:
        cursor.execute(f"{INSERT} VALUES {PLACEHOLDERS}", values)


def traces(rows: Sequence[Row]) -> None:
    """Write many traces made by `row` in the current transaction, in this order, by one statement."""
    if rows:
        # One JSON text rather than arrays, in which every quote of every content would have to be escaped.
        whole = [{"a": a, "o": o, "s": s, "p": p, "c": orjson.Fragment(content)} for a, o, s, p, content in rows]
        with db.cursor() as cursor:
            cursor.execute(
                f"{INSERT} SELECT * FROM json_to_recordset(%s::json) t(a text, o text, s text, p text, c json)",
                [orjson.dumps(whole).decode()],
            )


def later(
    *,
    by: Caller,
    action: str,
    outcome: str = "0",
    patient: str = "",
    entities: Sequence[str] = (),
) -> None:
    """Trace a plain read without making its reader wait: written within 200 ms, with others, in one statement.

    A crash of the machine can lose the last 200 ms of such traces, never one of a write or of a national service: those
    use `trace`. `VIRAGE_AUDIT_LATER=0` writes each at once.
    """
    if os.environ.get("VIRAGE_AUDIT_LATER") == "0":
        trace(by=by, action=action, outcome=outcome, patient=patient, entities=entities)
        return
    # Put into words by the thread that writes, not while the reader waits.
    _queue.append((by, action, outcome, patient, tuple(entities)))
    if _state.get("pid") != os.getpid():
        _start()
    if len(_queue) >= _BATCH:
        _wake.set()


def flush() -> int:
    """Write what waits; gives how many traces were written. Called by the writer's thread and at the end of the process."""
    written = 0
    with _flushing:
        while _queue:
            batch: list[tuple[Caller, str, str, str, tuple[str, ...]]] = []
            while _queue and len(batch) < _BATCH:
                batch.append(_queue.popleft())
            rows = [
                row(by=by, action=action, outcome=outcome, patient=patient, entities=entities)
                for by, action, outcome, patient, entities in batch
            ]
            values = ", ".join([PLACEHOLDERS] * len(rows))
            try:
                with db.cursor() as cursor:
                    cursor.execute(f"{INSERT} VALUES {values}", [value for item in rows for value in item])
            except Exception:
                _queue.extendleft(reversed(batch))
                raise
            written += len(batch)
    return written


def _start() -> None:
    # After a fork the thread is gone: each process starts its own at its first read.
    with _lock:
        if _state.get("pid") == os.getpid():
            return
        _state["pid"] = os.getpid()
        threading.Thread(target=_run, name="audit-later", daemon=True).start()
        atexit.register(_last)


def _run() -> None:
    while True:
        _wake.wait(_DELAY)
        _wake.clear()
        if not _queue:
            continue
        try:
            flush()
        except Exception:
            # The traces stay queued; the database is away and /health says so.
            log.warning("audit.flush_failed waiting=%d", len(_queue))
            _wake.wait(1)


def _last() -> None:
    try:
        flush()
    except Exception:
        log.error("audit.lost count=%d", len(_queue))
