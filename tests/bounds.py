"""Work that must not grow out of measure."""

import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def bounded(seconds: float = 60) -> Iterator[None]:
    """What runs inside takes this thread so many seconds of processor time at most.

    Not a speed: sound work takes a hundredth of it, on a slow and busy machine a tenth, and what grows out of measure minutes or days.
    """
    started = time.thread_time()
    yield
    assert time.thread_time() - started < seconds
