"""What is counted of each request: the door it came by and the answer's class. Never a path: ids and names are in paths."""

import time
from collections.abc import Callable, Iterable
from typing import Any

from prometheus_client import Counter, Histogram

REQUESTS = Counter("virage_requests", "Requests answered", ["door", "method", "status"], registry=None)
SECONDS = Histogram(
    "virage_request_seconds",
    "Time until the answer begins",
    ["door"],
    buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=None,
)
_METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def measured(door: str, application: Wsgi) -> Wsgi:
    """The same application, counted under the name of its door (`/dmp/fhir`, `pages`)."""
    seconds = SECONDS.labels(door)
    children: dict[tuple[str, str], Any] = {}

    def counted(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        begun = time.perf_counter()

        def answer(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            seconds.observe(time.perf_counter() - begun)
            key = (environ["REQUEST_METHOD"], status[0] + "xx")
            child = children.get(key)
            if child is None:
                method = key[0] if key[0] in _METHODS else "other"
                child = children[key] = REQUESTS.labels(door, method, key[1])
                if len(children) > 100:
                    children.clear()
            child.inc()
            return start_response(status, headers, *rest)

        return application(environ, answer)

    return counted
