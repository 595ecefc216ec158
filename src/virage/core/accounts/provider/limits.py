"""Bounds on what a machine endpoint takes: the size of a request, and how many a second from one address."""

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse

from virage.core.errors import VirageError

BODY = 64 * 1024  # bytes: a token request with a signed assertion is under 8 KiB
ADDRESSES = 10_000  # remembered at once


class TooLarge(VirageError):
    """The body is larger than any request of the protocol."""

    code = "OAUTH.TOO_LARGE"
    status = 413
    issue = "too-long"


class TooMany(VirageError):
    """Too many requests from one address."""

    code = "OAUTH.TOO_MANY"
    status = 429
    issue = "throttled"


class Bucket:
    """A rate for each key: `rate` a second on the long run, `burst` at once. One per process, bounded in memory."""

    def __init__(self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.rate = rate
        self.burst = burst
        self._clock = clock
        self._left: OrderedDict[str, tuple[float, float]] = OrderedDict()
        self._lock = threading.Lock()

    def take(self, key: str) -> bool:
        """Whether one more may pass for this key."""
        now = self._clock()
        with self._lock:
            left, at = self._left.pop(key, (self.burst, now))
            left = min(self.burst, left + (now - at) * self.rate)
            passes = left >= 1
            self._left[key] = (left - 1 if passes else left, now)
            if len(self._left) > ADDRESSES:
                self._left.popitem(last=False)
        return passes


_machines = Bucket(rate=100, burst=400)
View = Callable[..., HttpResponse]


def bounded(view: View) -> View:
    """Refuses a body that is too large before reading it (413), and a flood (429)."""

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        length = request.META.get("CONTENT_LENGTH") or "0"
        if not length.isdecimal() or int(length) > BODY:
            raise TooLarge("La demande dépasse 64 Kio : aucune demande de connexion n'est aussi grande.")
        if not _machines.take(request.META.get("REMOTE_ADDR", "")):
            raise TooMany("Trop de demandes : attendre quelques secondes.")
        return view(request, *args, **kwargs)

    return guarded
