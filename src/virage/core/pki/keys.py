"""Named signing keys: made on first use, kept under `VIRAGE_HOME/keys`, rotated without a moment of refusal.

A ring is one file of private JWK (RFC 7517), newest last: the last one signs, all of them verify until they are dropped.
Files are readable by their owner alone (0600), written to a neighbour then renamed, under a lock that two processes share.
"""

import fcntl
import json
import os
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from joserfc.jwk import ECKey, RSAKey

from virage.core.pki.places import keys_folder

Algorithm = Literal["ES256", "RS256"]
_LOOK_AGAIN = 1.0  # seconds between two looks at the file: a rotation elsewhere is followed within that time
RETIRED_KEPT = 8 * 3600  # seconds a retired key still verifies: longer than any token lives

Key = ECKey | RSAKey


def _generate(algorithm: Algorithm) -> dict[str, Any]:
    facts: Any = {"kid": secrets.token_urlsafe(9), "use": "sig", "alg": algorithm}
    key: Key = ECKey.generate_key("P-256", facts) if algorithm == "ES256" else RSAKey.generate_key(2048, facts)
    return {**key.as_dict(private=True), "virage_created": int(time.time())}


def _read_key(facts: dict[str, Any]) -> Key:
    clean = {name: value for name, value in facts.items() if not name.startswith("virage_")}
    return RSAKey.import_key(clean) if facts["kty"] == "RSA" else ECKey.import_key(clean)


@contextmanager
def owner_only_lock(path: Path) -> Iterator[None]:
    """Holds the lock file beside `path`: one process at a time writes a secret."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path.with_suffix(path.suffix + ".lock"), os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def write_secret(path: Path, content: bytes) -> None:
    """Writes a secret file whole or not at all, readable by its owner alone. The caller holds `owner_only_lock`."""
    beside = path.with_name(f".{path.name}.{os.getpid()}.{threading.get_ident()}")
    descriptor = os.open(beside, os.O_CREAT | os.O_WRONLY | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
    except BaseException:
        beside.unlink(missing_ok=True)
        raise


def secret(name: str) -> bytes:
    """32 random bytes that belong to `name`, the same for every process of the house; made on first use."""
    path = keys_folder() / f"{name}.secret"
    if not path.exists():
        with owner_only_lock(path):
            if not path.exists():
                write_secret(path, secrets.token_bytes(32))
    return path.read_bytes()


class KeyRing:
    """The keys of one use. Safe between threads and between processes."""

    def __init__(self, name: str, algorithm: Algorithm, folder: Path) -> None:
        self.name = name
        self.algorithm: Algorithm = algorithm
        self._path = folder / f"{name}.jwks.json"
        self._looked = 0.0
        self._stamp: tuple[int, int] = (0, 0)
        self._keys: dict[str, Key] = {}
        self._active = ""

    def _load(self, *, now: bool = False) -> None:
        if not now and self._keys and time.monotonic() - self._looked < _LOOK_AGAIN:
            return
        self._looked = time.monotonic()
        if not self._path.exists():
            with owner_only_lock(self._path):
                if not self._path.exists():
                    self._write([_generate(self.algorithm)])
        seen = self._path.stat()
        stamp = (seen.st_mtime_ns, seen.st_ino)
        if stamp == self._stamp:
            return
        facts = json.loads(self._path.read_bytes())["keys"]
        self._keys = {fact["kid"]: _read_key(fact) for fact in facts}
        self._active = facts[-1]["kid"]
        self._stamp = stamp

    def _write(self, facts: list[dict[str, Any]]) -> None:
        write_secret(self._path, json.dumps({"keys": facts}).encode())

    @property
    def active(self) -> Key:
        """The private key that signs now; its `kid` goes into the header."""
        self._load()
        return self._keys[self._active]

    @property
    def kid(self) -> str:
        """The identifier of the key that signs now."""
        self._load()
        return self._active

    def find(self, kid: str) -> Key | None:
        """The key of that identifier, active or retired; looks at the file again when it is not known."""
        self._load()
        if kid not in self._keys and len(kid) < 64:
            # A token signed by a key that another process made a moment ago; no more often than the file changes.
            self._load(now=True)
        return self._keys.get(kid)

    def public(self) -> list[dict[str, Any]]:
        """The public keys as JWK, for a JWKS document: retired ones too, so that their signatures still verify."""
        self._load()
        return [key.as_dict(private=False) for key in self._keys.values()]

    def rotate(self) -> str:
        """Makes a new key that signs from now on; keeps the former ones for `RETIRED_KEPT` seconds. Returns its kid."""
        self._load()
        with owner_only_lock(self._path):
            facts = json.loads(self._path.read_bytes())["keys"]
            now = int(time.time())
            for fact in facts:
                fact.setdefault("virage_retired", now)
            kept = [fact for fact in facts if now - fact["virage_retired"] < RETIRED_KEPT]
            fresh = _generate(self.algorithm)
            self._write([*kept, fresh])
        self._load(now=True)
        return str(fresh["kid"])


_rings: dict[tuple[Path, str], KeyRing] = {}
_rings_lock = threading.Lock()


def keys(name: str, algorithm: Algorithm = "ES256") -> KeyRing:
    """The ring of that name, made with `algorithm` when it does not exist yet.

    ES256 by default: a signature and its check cost 0.4 and 0.2 ms on the reference machine, against 0.7 and 0.1 for RS256,
    and the check is remembered by `core.accounts.tokens`.
    """
    if not name.replace("-", "").replace("_", "").isalnum():
        raise ValueError("a key ring's name is made of letters, digits, hyphens")
    folder = keys_folder()
    ring = _rings.get((folder, name))
    if ring is None:
        with _rings_lock:
            ring = _rings.setdefault((folder, name), KeyRing(name, algorithm, folder))
    return ring
