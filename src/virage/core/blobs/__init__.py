"""Files, named by their content: what is written cannot change, and two equal files are one.

Written before the transaction that mentions them commits: a file that nobody mentions is harmless, a mention without a file
would be a loss. In a folder, or in an object store where VIRAGE_BLOBS is `s3://bucket/prefix`.
"""

from collections.abc import Iterator
from typing import BinaryIO

from virage.core import settings
from virage.core.blobs import folder
from virage.core.blobs.names import Blob, BlobDamaged, BlobMissing

__all__ = ["Blob", "BlobDamaged", "BlobMissing", "open", "put", "read", "remote", "stored"]


def remote() -> bool:
    """Whether the files are in an object store."""
    return settings.get("VIRAGE_BLOBS").startswith("s3://")


def put(data: bytes | BinaryIO) -> Blob:
    """Store a file; on return it is durable. Raises OSError (full disk), StoreUnavailable; nothing half-written is left."""
    if remote():
        from virage.core.blobs import s3

        return s3.bucket().put(data)
    return folder.put(data)


def open(digest: str) -> BinaryIO:
    """The file, open for reading in binary. Raises BlobMissing; Malformed when `digest` is not one."""
    if remote():
        from virage.core.blobs import s3

        return s3.bucket().open(digest)
    return folder.open(digest)


def read(digest: str) -> bytes:
    """The whole file, verified. Raises like `open`, and BlobDamaged."""
    if remote():
        from virage.core.blobs import s3

        return s3.bucket().read(digest)
    return folder.read(digest)


def stored() -> Iterator[str]:
    """The digest of every file of the store."""
    if remote():
        from virage.core.blobs import s3

        return s3.bucket().stored()
    return folder.stored()
