"""The store of files."""

import errno
import hashlib
import os
from io import BytesIO

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core import blobs
from virage.core.blobs import folder
from virage.core.errors import Malformed


@given(st.binary(max_size=5000))
def test_what_goes_in_comes_out(data):
    blob = blobs.put(data)
    assert blobs.read(blob.digest) == data
    assert (blob.digest, blob.sha1, blob.size) == (
        hashlib.sha256(data).hexdigest(),
        hashlib.sha1(data).digest(),
        len(data),
    )


def test_a_stream_larger_than_a_chunk():
    data = os.urandom(3 * folder._CHUNK + 17)
    assert blobs.read(blobs.put(BytesIO(data)).digest) == data


def test_twice_is_once():
    assert blobs.put(b"same") == blobs.put(b"same")
    assert not list((folder.root() / "incoming").iterdir())


def test_only_the_owner_may_read():
    blob = blobs.put(b"private")
    assert folder._path(folder.root(), blob.digest).stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("digest", ["", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"])
def test_only_a_digest_names_a_file(digest):
    with pytest.raises(Malformed):
        blobs.open(digest)


def test_a_missing_file_says_so():
    with pytest.raises(blobs.BlobMissing):
        blobs.read("0" * 64)


def test_a_full_disk_leaves_nothing(monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        blobs.put(b"never stored before this test")
    assert not list((folder.root() / "incoming").iterdir())


def test_a_damaged_file_is_not_given():
    blob = blobs.put(b"as it was")
    folder.path(blob.digest).write_bytes(b"as it is.")
    with pytest.raises(blobs.BlobDamaged):
        blobs.read(blob.digest)
    folder.path(blob.digest).unlink()


def test_every_file_is_listed():
    blob = blobs.put(b"listed")
    assert blob.digest in set(blobs.stored())
