"""Tasks in the background: `tasks.py` of a room decorates functions with these, at import."""

from collections.abc import Callable
from typing import Any

from procrastinate import RetryStrategy
from procrastinate.contrib.django import app

ATTEMPTS = 8


def task(
    *, lock: str | None = None, queueing_lock: str | None = None, attempts: int = ATTEMPTS
) -> Callable[[Callable[..., Any]], Any]:
    """A function that the worker runs later: `f.defer(patient="…")` writes it in the transaction under way.

    Arguments are JSON and hold ids only. At least once, tried again with growing pauses; tasks with the same `lock` run one
    after the other; a second one with the same `queueing_lock` is refused (AlreadyEnqueued) while the first waits.
    """
    strategy = RetryStrategy(max_attempts=attempts, exponential_wait=4)
    return app.task(lock=lock, queueing_lock=queueing_lock, retry=strategy)


def periodic(cron: str) -> Callable[[Callable[[int], Any]], Any]:
    """A function that the worker runs at the times of a cron expression; it receives the planned time (Unix seconds).

    Several workers on the same database run it once. A run that fails is not tried again before its next time.
    """

    def decorate(function: Callable[[int], Any]) -> Any:
        return app.periodic(cron=cron)(
            app.task(queueing_lock=f"{function.__module__}.{function.__qualname__}", pass_context=False)(function)
        )

    return decorate
