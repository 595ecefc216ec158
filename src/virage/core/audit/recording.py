"""Writing traces: in the transaction of what they trace, or for plain reads a moment later, many at once."""

import atexit
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence

import orjson

from virage.core import db, settings
from virage.core.audit.content import build, of_reads
from virage.core.callers import Caller

log = logging.getLogger(__name__)

Row = tuple[str, str, str, str, str]

INSERT = "INSERT INTO audit_trace (action, outcome, subject, patient, content)"
"""For callers that join the trace to their own statement: followed by `VALUES` and `PLACEHOLDERS`."""
PLACEHOLDERS = "(%s, %s, %s, %s, %s::json)"
_APPEND = "SELECT audit_append(%b::text[], %b::text[], %b::text[], %b::text[], %b::text[])"

_DELAY = 0.2
_QUIET = 100  # delays without a read after which the writer lets its connection go: at rest it would only hold memory
_BATCH = 2000
_ENTITIES = 100  # that one trace names at most
_Access = tuple[Caller, str, str, str | Callable[[], str], Sequence[str]]
_queue: deque[_Access] = deque()
_wake = threading.Event()
_state: dict[str, int] = {}
at_once: bool | None = None
"""What `VIRAGE_AUDIT_LATER` says, looked up once: by a process that reads ten thousand times a second."""
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
        with db.cursor() as cursor:
            cursor.execute(_APPEND, [list(column) for column in zip(*rows, strict=True)])


def later(
    *,
    by: Caller,
    action: str,
    outcome: str = "0",
    patient: str | Callable[[], str] = "",
    entities: Sequence[str] = (),
) -> None:
    """Trace a plain read without making its reader wait: written within 200 ms, with others, in one statement.

    What one caller reads about one patient in that time is one trace that names each resource, as often as it was read. `patient`
    may be found out by then. A crash of the machine can lose the last 200 ms of such traces, never one of a write or of a
    national service: those use `trace`. `VIRAGE_AUDIT_LATER=0` writes each at once.
    """
    global at_once
    if at_once is None:
        at_once = not settings.flag("VIRAGE_AUDIT_LATER")
    if at_once:
        about = patient if isinstance(patient, str) else patient()
        trace(by=by, action=action, outcome=outcome, patient=about, entities=entities)
        return
    _put(by, action, outcome, patient, entities)


def read_later(by: Caller, action: str, patient: str, reference: str) -> None:
    """The same for one resource that was read, in fewer steps: some ten thousand times a second."""
    if at_once is not False:
        later(by=by, action=action, patient=patient, entities=(reference,))
    else:
        _put(by, action, "0", patient, (reference,))


def _put(by: Caller, action: str, outcome: str, patient: str | Callable[[], str], entities: Sequence[str]) -> None:
    # Put into words by the thread that writes, not while the reader waits.
    _queue.append((by, action, outcome, patient, entities))
    if _state.get("pid") != os.getpid():
        _start()
    if len(_queue) >= _BATCH:
        _wake.set()


def flush() -> int:
    """Write what waits; gives how many reads were traced. Called by the writer's thread and at the end of the process.

    What comes meanwhile waits for the next time: to write that too would never end under load, in batches of a few.
    """
    with _flushing:
        waiting = len(_queue)
        for start in range(0, waiting, _BATCH):
            batch = [_queue.popleft() for _ in range(min(_BATCH, waiting - start))]
            try:
                traces(list(_together(batch)))
            except Exception:
                _queue.extendleft(reversed(batch))
                raise
    return waiting


def _together(batch: Sequence[_Access]) -> Iterator[Row]:
    """The traces of these reads: fewer than reads, none of which is lost."""
    groups: dict[tuple[int, str, str], dict[str, list[str]]] = {}
    callers: dict[int, Caller] = {}
    for by, action, outcome, about, entities in batch:
        patient = about if isinstance(about, str) else about()
        key = (id(by), action, outcome)
        if key not in groups:
            groups[key] = {}
            callers[key[0]] = by
        if not entities:
            yield row(by=by, action=action, outcome=outcome, patient=patient)
        elif (named := groups[key].get(patient)) is None:
            groups[key][patient] = list(entities)
        else:
            named += entities
    for (caller, action, outcome), patients in groups.items():
        by = callers[caller]
        content = of_reads(by, action, outcome)
        for patient, named in patients.items():
            for start in range(0, len(named), _ENTITIES):
                yield (action, outcome, by.subject, patient, content(named[start : start + _ENTITIES], patient))


def _start() -> None:
    # After a fork the thread is gone: each process starts its own at its first read.
    with _lock:
        if _state.get("pid") == os.getpid():
            return
        _state["pid"] = os.getpid()
        threading.Thread(target=_run, name="audit-later", daemon=True).start()
        atexit.register(_last)


def _run() -> None:
    quiet = 0
    while True:
        _wake.wait(_DELAY)
        _wake.clear()
        if not _queue:
            quiet += 1
            if quiet == _QUIET:
                db.let_go()
            continue
        quiet = 0
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
