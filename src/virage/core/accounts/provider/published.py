"""Keys that clients publish at an address of theirs (`jwks_uri`), so that they may turn them without asking.

Source: SMART App Launch 2.2.0, « Client Authentication: Asymmetric » (registering by URL is preferred there; what was fetched is
kept no longer than its Cache-Control says). The call goes to no address inside, follows no redirection, and is bounded.
"""

import http.client
import re
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from virage.core import outside, settings
from virage.core.errors import VirageError

FRESH = 300.0  # seconds, where the client says nothing
LONGEST = 3600.0
AGAIN = 10.0  # seconds between two calls of one address, whatever assertions come
WAIT = 5.0
BYTES = 64 * 1024
KEYS = 100
_REMEMBERED = 1000
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age\s*=\s*\"?(\d{1,9})")
_ASYMMETRIC = ("RSA", "EC")


class KeysUnreadable(VirageError):
    """What the address gives is no JWK set."""

    code = "OAUTH.CLIENT_KEYS"
    status = 401


@dataclass(slots=True)
class _Published:
    """What is known of one address. `until` and `called` are moments of the monotonic clock."""

    keys: tuple[Key, ...] = ()
    until: float = 0.0
    called: float = -AGAIN
    error: VirageError | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


_known: dict[str, _Published] = {}
_lock = threading.Lock()


def keys_at(url: str, kid: str = "") -> tuple[Key, ...]:
    """The public keys published at an address. A `kid` that is not among those kept has them fetched again.

    Raises AddressRefused, Unreachable, KeysUnreadable.
    """
    with _lock:
        if len(_known) >= _REMEMBERED and url not in _known:
            _known.clear()
        held = _known.setdefault(url, _Published())
    with held.lock:
        now = time.monotonic()
        known = now < held.until and (not kid or any(each.kid == kid for each in held.keys))
        if not known and now >= held.called + AGAIN:
            held.called = now
            held.keys, held.error = (), None
            try:
                held.keys, life = _fetch(url)
                held.until = now + life
            except VirageError as error:
                held.error = error
        if held.error is not None:
            raise held.error
        return held.keys if now < max(held.until, held.called + AGAIN) else ()


def forget() -> None:
    """Empty this process's memory: for tests."""
    with _lock:
        _known.clear()


def _fetch(url: str) -> tuple[tuple[Key, ...], float]:
    def take(response: http.client.HTTPResponse) -> tuple[bytes, str]:
        if response.status != 200:
            raise outside.Unreachable(f"L'adresse des clés du logiciel répond {response.status} au lieu de 200.")
        return response.read(BYTES + 1), response.getheader("Cache-Control", "")

    headers = {"Accept": "application/json", "User-Agent": "virage"}
    body, told = outside.call("GET", url, headers, b"", take, seconds=WAIT, loopback=settings.sandbox())
    return public_keys(body), lifetime(told)


def lifetime(cache_control: str) -> float:
    """For how many seconds an answer may be kept, by its Cache-Control."""
    told = cache_control.lower()
    if "no-store" in told or "no-cache" in told:
        return 0.0
    found = _MAX_AGE.search(told)
    return min(float(found[1]), LONGEST) if found else FRESH


def public_keys(body: bytes) -> tuple[Key, ...]:
    """The asymmetric keys of a JWK set, those that cannot be read left out. Raises KeysUnreadable."""
    try:
        told = orjson.loads(body) if len(body) <= BYTES else None
    except orjson.JSONDecodeError:
        told = None
    lines = told.get("keys") if isinstance(told, dict) else None
    if not isinstance(lines, list) or len(lines) > KEYS:
        raise KeysUnreadable(
            f"L'adresse des clés du logiciel ne donne pas un jeu de clés JWK (« keys », {KEYS} au plus, {BYTES // 1024} Kio au plus)."
        )
    found: list[Key] = []
    for line in lines:
        if isinstance(line, dict) and line.get("kty") in _ASYMMETRIC and line.get("use", "sig") == "sig":
            found += _key(line)
    return tuple(found)


def _key(line: Mapping[str, Any]) -> list[Key]:
    try:
        return list(KeySet.import_key_set({"keys": [dict(line)]}).keys)
    except (JoseError, ValueError, KeyError, TypeError):
        return []
