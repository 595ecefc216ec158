import pytest

from tests.services.dmp.world import World


@pytest.fixture(autouse=True)
def _traces_at_once(monkeypatch):
    """Read traces are written by the test's own connection."""
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)


@pytest.fixture
def world(db, tmp_path, monkeypatch) -> World:
    """A patient with an open record, her doctor in the care team, others outside it; in a database that forgets."""
    monkeypatch.setenv("VIRAGE_BLOBS", str(tmp_path / "blobs"))
    return World.built()
