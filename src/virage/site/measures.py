"""What is counted of each request: the door it came by and the answer's class. Never a path: ids and names are in paths."""

import time
from bisect import bisect_left
from collections import Counter as Counts
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter, Histogram

_BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, float("inf"))
REQUESTS = Counter("virage_requests", "Requests answered", ["door", "method", "status"], registry=None)
SECONDS = Histogram(
    "virage_request_seconds",
    "Time until the answer begins",
    ["door"],
    buckets=_BOUNDS,
    registry=None,
)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_AT_ONCE = 1000

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Answers that are not counted yet: a request leaves one line here, and another thread does the sums.
_told: deque[tuple[str, str, str, float]] = deque()


def measured(door: str, application: Wsgi) -> Wsgi:
    """The same application, counted under the name of its door (`/dmp/fhir`, `pages`)."""
    SECONDS.labels(door)  # shown from the start, before anything is counted

    def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            _told.append((door, environ["REQUEST_METHOD"], status[0], time.perf_counter() - begun))
            if len(_told) >= _AT_ONCE:
                count()
            return start_response(status, headers, *rest)

        return application(environ, answer)

    return counted


def count() -> None:
    """Add the answers told since the last time to the figures: called when many wait, each second, and before they are read."""
    requests: Counts[tuple[str, str, str]] = Counts()
    buckets: Counts[tuple[str, int]] = Counts()
    sums: dict[str, float] = {}
    for _ in range(len(_told)):
        try:
            door, method, status, taken = _told.popleft()
        except IndexError:  # another thread counts too
            break
        requests[door, method, status] += 1
        buckets[door, bisect_left(_BOUNDS, taken)] += 1
        sums[door] = sums.get(door, 0.0) + taken
    for (door, method, status), number in requests.items():
        REQUESTS.labels(door, method if method in _METHODS else "other", status + "xx").inc(number)
    # The library observes one by one, each time through a lock and a file: so its own sum and buckets are moved at once.
    for door, seconds in sums.items():
        SECONDS.labels(door)._sum.inc(seconds)
    for (door, bucket), number in buckets.items():
        SECONDS.labels(door)._buckets[bucket].inc(number)
