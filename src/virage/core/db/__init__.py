"""PostgreSQL for the house: one connection per thread, transactions, locks, bulk copy; the embedded server in `embedded`.

Everything goes through Django's connection of the thread, so the ORM and raw SQL share one transaction. Importing this
package is cheap and does not need Django to be set up; using it does.
"""

from virage.core.db.changes import change, changing
from virage.core.db.limits import TooLong, bounded
from virage.core.db.session import (
    after_commit,
    alone,
    connection,
    copy_rows,
    cursor,
    fetch_prepared,
    in_transaction,
    let_go,
    lock,
    retrying,
    transaction,
)

__all__ = [
    "TooLong",
    "after_commit",
    "alone",
    "bounded",
    "change",
    "changing",
    "connection",
    "copy_rows",
    "cursor",
    "fetch_prepared",
    "in_transaction",
    "let_go",
    "lock",
    "retrying",
    "transaction",
]
