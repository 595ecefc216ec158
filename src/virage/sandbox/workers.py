"""Populating with every core: one process draws people, the others write them. Needs nothing of Django to be imported."""

import os
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future

from virage.core.callers import Caller
from virage.core.children import Pool
from virage.sandbox.people import Citizen

Entered = tuple[int, int, int]
"""How many people a chunk holds, how many were new, how many records were new."""
_MOST = 4


def set_up() -> None:
    """Prepare a worker process."""
    import django

    django.setup()


def enter(by: Caller, chunk: list[Citizen], seed: int) -> Entered:
    """Write one chunk, in whatever process this is."""
    from virage.sandbox import actions

    return actions.enter(by=by, chunk=chunk, seed=seed)


def spread(by: Caller, chunks: Iterable[list[Citizen]], seed: int) -> Iterator[Entered]:
    """Write the chunks in as many processes as there are cores, a few ahead of what is done, in order.

    Raises ChildLost when one of them was killed: what it had not committed is written by the next run.
    """
    workers = min(_MOST, os.cpu_count() or 1)
    pool = Pool(workers, "populate", set_up, enter)
    try:
        waiting: deque[Future[Entered]] = deque()
        for chunk in chunks:
            waiting.append(pool.submit(by, chunk, seed))
            if len(waiting) > workers:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
        pool.close()
    finally:
        pool.end()
