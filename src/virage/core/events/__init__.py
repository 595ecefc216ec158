"""Events between rooms, and work in the background.

A room says what happened with `emit`, in the transaction of what happened; the rooms that declared a handler for that name
hear it afterwards, at least once, in the worker. A handler that fails is tried again with growing pauses; after the last
attempt the delivery is a dead letter, which `virage events` shows. Long or periodic work is a `task` or `periodic` of
procrastinate, deferred in the transaction too.
"""

from virage.core.events.dead import Letter, dead_letters, pending, retry
from virage.core.events.delivery import drain
from virage.core.events.outbox import Event, emit, forget, hear, heard
from virage.core.events.work import periodic, task

__all__ = [
    "Event",
    "Letter",
    "dead_letters",
    "drain",
    "emit",
    "forget",
    "hear",
    "heard",
    "pending",
    "periodic",
    "retry",
    "task",
]
