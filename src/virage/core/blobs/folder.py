"""The local folder, or one that several machines share."""

import builtins
import hashlib
import os
import secrets
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from virage.core import settings
from virage.core.blobs.names import Blob, BlobDamaged, BlobMissing, checked

_CHUNK = 1 << 20


def root() -> Path:
    """The folder of the store, created if missing."""
    named = settings.get("VIRAGE_BLOBS")
    if not named:
        return settings.folder("blobs")
    path = Path(named).expanduser().absolute()
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    return path


def put(data: bytes | BinaryIO) -> Blob:
    """Store a file; on return it is on the disk whatever happens to the machine.

    Raises OSError when the disk is full; nothing is left behind then.
    """
    source = BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
    base = root()
    incoming = base / "incoming"
    incoming.mkdir(mode=0o700, exist_ok=True)
    draft = incoming / secrets.token_hex(12)
    sha256, sha1, size = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0
    try:
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            while chunk := source.read(_CHUNK):
                sha256.update(chunk)
                sha1.update(chunk)
                size += len(chunk)
                file.write(chunk)
            file.flush()
            path = _path(base, sha256.hexdigest())
            if path.exists():
                _sync(path.parent)  # another writer may not have come to this yet
                return Blob(sha256.hexdigest(), sha1.digest(), size)
            os.fsync(file.fileno())
        if not path.parent.exists():
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sync(path.parent.parent)
            _sync(base)
        draft.rename(path)
        _sync(path.parent)
    finally:
        draft.unlink(missing_ok=True)
    return Blob(sha256.hexdigest(), sha1.digest(), size)


def open(digest: str) -> BinaryIO:
    """The file, open for reading in binary. Raises BlobMissing; Malformed when `digest` is not one."""
    try:
        return builtins.open(_path(root(), digest), "rb")
    except FileNotFoundError:
        raise BlobMissing from None


def read(digest: str) -> bytes:
    """The whole file, verified. Raises like `open`, and BlobDamaged."""
    with open(digest) as file:
        data = file.read()
    if hashlib.sha256(data).hexdigest() != digest:
        raise BlobDamaged
    return data


def stored() -> Iterator[str]:
    """The digest of every file, in order."""
    return (path.name for path in sorted(root().glob("??/??/*")) if path.is_file())


def path(digest: str) -> Path:
    """Where a file of the folder is, or would be. Raises Malformed when `digest` is not one."""
    return _path(root(), digest)


def _path(base: Path, digest: str) -> Path:
    """Two levels of 256 folders: a hundred million files stay in folders of a few thousand."""
    checked(digest)
    return base / digest[:2] / digest[2:4] / digest


def _sync(folder: Path) -> None:
    """Make the names in a folder durable."""
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
