"""What the other engines and rooms do with the database."""

import hashlib
import random
import select
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from typing import Any, TypeVar

import psycopg
from django.db import connections
from django.db import transaction as django_transaction
from django.db.utils import DatabaseError, OperationalError
from psycopg import sql

Result = TypeVar("Result")
Cursor = psycopg.Cursor[tuple[Any, ...]]

_RETRIED = {"40001", "40P01"}  # serialization_failure, deadlock_detected
_ATTEMPTS = 5


def connection() -> Any:
    """Django's connection of this thread, open, and alive when no transaction is under way.

    A connection that the server closed meanwhile (restart) is replaced; inside a transaction it is left for the next
    statement to fail, because the work done so far is lost.
    """
    wrapper: Any = connections["default"]
    if wrapper.connection is None:
        wrapper.ensure_connection()
    elif not wrapper.in_atomic_block and is_dead(wrapper.connection):
        wrapper.close()
        wrapper.ensure_connection()
    return wrapper


def is_dead(raw: psycopg.Connection[Any]) -> bool:
    """Whether the server has gone, without a round trip: nothing should be readable on an idle connection but a farewell."""
    if raw.closed:
        return True
    poll = select.poll()
    poll.register(raw.fileno(), select.POLLIN | select.POLLHUP)
    if not poll.poll(0):
        return False
    try:
        raw.pgconn.consume_input()  # a notice or a notification is not a farewell
    except psycopg.OperationalError:  # the farewell and the end of the line, read at once
        return True
    return raw.pgconn.status != 0 or raw.closed or bool(poll.poll(0))


@contextmanager
def cursor() -> Iterator[Cursor]:
    """A psycopg cursor (tuples, parameters bound by the server, statements prepared) on the thread's connection.

    Inside `transaction()` it takes part in it; outside, each statement commits by itself. Placeholders are `%s`. jsonb
    columns arrive as `str`, as Django asks of the connection. Raises psycopg errors.
    """
    raw = connection().connection
    with psycopg.Cursor(raw) as opened:
        yield opened


_here = threading.local()


def _wrapper() -> Any:
    """Django's connection of this thread, open perhaps: kept at hand, because to ask Django costs more than all the rest."""
    try:
        return _here.wrapper
    except AttributeError:
        _here.wrapper = connections["default"]
        return _here.wrapper


def fetch_prepared(name: bytes, statement: bytes, values: Sequence[bytes]) -> psycopg.pq.abc.PGresult:
    """One query in its prepared form, for the few reads that every request makes: straight to libpq, without a cursor.

    `name` is the query's own; `statement` uses `$1`, `$2`, …; values are PostgreSQL's text, results its binary form, as
    bytes by `get_value(row, column)`, with `ntuples`. It must only read: outside a transaction it is asked again when the
    server had gone meanwhile. Raises psycopg errors.
    """
    wrapper = _wrapper()
    if wrapper.connection is None:
        wrapper.ensure_connection()
    if wrapper.in_atomic_block or wrapper.connection.prepare_threshold is None:
        # In a transaction a failed statement cannot be tried again.
        link = connection().connection.pgconn
        result = link.exec_params(statement, values, result_format=1)
    else:
        link = wrapper.connection.pgconn
        try:
            result = link.exec_prepared(name, values, result_format=1)
        except psycopg.OperationalError:
            result = None
        if result is None or result.status != _TUPLES:
            result = _again(name, statement, values, result)
    if result.status != _TUPLES:
        raise psycopg.errors.error_from_result(result)
    return result


_TUPLES = psycopg.pq.ExecStatus.TUPLES_OK


def _again(
    name: bytes, statement: bytes, values: Sequence[bytes], failed: psycopg.pq.abc.PGresult | None
) -> psycopg.pq.abc.PGresult:
    """The same after a failure that may not be of the query: not prepared here (yet, or since the driver forgot all
    prepared statements, as it does after a rollback), or a connection that the server closed while nobody looked.
    """
    forgotten = failed is not None and failed.error_field(psycopg.pq.DiagnosticField.SQLSTATE) == b"26000"
    link = connection().connection.pgconn
    if not forgotten and failed is not None and link.status == psycopg.pq.ConnStatus.OK:
        return failed
    link.prepare(name, statement)
    return link.exec_prepared(name, values, result_format=1)


def let_go() -> None:
    """Close this thread's connection, which the next statement opens again: for threads that sleep long."""
    _wrapper().close()


def transaction() -> AbstractContextManager[Any]:
    """All or nothing, for the ORM and for `cursor()`. Nested: a savepoint."""
    connection()
    return django_transaction.atomic()


def in_transaction() -> bool:
    """Whether this thread is inside `transaction()`."""
    return bool(connections["default"].in_atomic_block)


def retrying(work: Callable[[], Result]) -> Result:
    """Run `work` in a transaction, again (5 times at most) when PostgreSQL gave it up for another one.

    `work` must have no effect outside the database. Inside a transaction already open it runs once: only the outermost
    one can be retried.
    """
    attempt = 0
    while True:
        attempt += 1
        nested = in_transaction()
        try:
            with transaction():
                return work()
        except (psycopg.OperationalError, OperationalError) as error:
            cause = error if isinstance(error, psycopg.Error) else error.__cause__
            if nested or attempt == _ATTEMPTS or getattr(cause, "sqlstate", None) not in _RETRIED:
                raise
        time.sleep(random.uniform(0, 0.02 * 2**attempt))


def lock(key: str) -> None:
    """Hold the lock named `key` until the end of the transaction under way; wait for whoever holds it.

    Raises RuntimeError outside a transaction, where the lock would be let go at once.
    """
    if not in_transaction():
        raise RuntimeError("db.lock needs db.transaction")
    with cursor() as opened:
        opened.execute("SELECT pg_advisory_xact_lock(%s::bigint)", (_number(key),))


@contextmanager
def alone(key: str) -> Iterator[None]:
    """Do a work of many transactions in one process at a time: waits for whoever is in it. A lost connection lets it go."""
    with cursor() as opened:
        opened.execute("SELECT pg_advisory_lock(%s::bigint)", (_number(key),))
    try:
        yield
    finally:
        # A transaction that failed around us takes no more statements; its connection ends with the work.
        with suppress(psycopg.Error, DatabaseError), cursor() as opened:
            opened.execute("SELECT pg_advisory_unlock(%s::bigint)", (_number(key),))


def _number(key: str) -> int:
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big", signed=True)


def copy_rows(table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]], *, types: Sequence[str] = ()) -> int:
    """COPY rows into a table, in the transaction under way (or by itself); answers how many.

    With `types` (PostgreSQL type names, one a column) the copy is binary: faster, and each value must be exactly of its type.
    """
    form = sql.SQL(" (FORMAT BINARY)") if types else sql.SQL("")
    statement = sql.SQL("COPY {} ({}) FROM STDIN{}").format(
        sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns)), form
    )
    with cursor() as opened:
        with opened.copy(statement) as copy:
            if types:
                copy.set_types(types)
            for row in rows:
                copy.write_row(row)
        return opened.rowcount


def after_commit(work: Callable[[], None]) -> None:
    """Run `work` once the transaction under way is committed; at once when there is none; never when it is rolled back."""
    django_transaction.on_commit(work)
