"""The disk of the files fills while a document is published."""

import errno
import os

import pytest

from tests.services.dmp.world import DOCTOR, World
from virage.core import blobs, db


def test_a_document_that_cannot_be_kept_is_not_published(world: World, monkeypatch) -> None:
    reference = world.reference(world.cda(), by=DOCTOR)
    with db.cursor() as cursor:
        before = cursor.execute("SELECT count(*) FROM fhir_resource").fetchone()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(os, "fsync", full)
        refused = world.ask(DOCTOR, "POST", "DocumentReference", reference)
    assert refused.status == 503
    assert "VIRAGE.STORAGE_FULL" in refused.codes
    with db.cursor() as cursor:
        assert cursor.execute("SELECT count(*) FROM fhir_resource").fetchone() == before
    assert list(blobs.stored()) == []
    assert world.ask(DOCTOR, "POST", "DocumentReference", reference).status == 201


def test_a_file_system_without_room(world: World, tmp_path, monkeypatch) -> None:
    """A real one of 64 kB, where this machine lets us mount it."""
    small = tmp_path / "small"
    small.mkdir()
    if os.geteuid() or os.system(f"mount -t tmpfs -o size=64k none {small} 2>/dev/null"):
        pytest.skip("this machine lets us mount nothing")
    try:
        monkeypatch.setenv("VIRAGE_BLOBS", str(small))
        with pytest.raises(OSError, match="No space"):
            blobs.put(os.urandom(100_000))
        assert list(blobs.stored()) == []
        assert list((small / "incoming").iterdir()) == []
        blobs.put(b"small enough")
    finally:
        os.system(f"umount {small}")
