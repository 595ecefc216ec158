"""A house is saved while it runs, and comes back whole in an empty one."""

import json

import pytest

from tests.conftest import administrator, drop, use
from virage.core import blobs, db
from virage.site import backup

pytestmark = pytest.mark.usefixtures("own_database")


@pytest.fixture
def saved(tmp_path):
    """A backup of a database with a row that mentions a file."""
    blob = blobs.put("Compte rendu é".encode())
    with db.cursor() as cursor:
        cursor.execute("CREATE TABLE mention (digest text)")
        cursor.execute("INSERT INTO mention VALUES (%s)", (blob.digest,))
    return backup.save(tmp_path / "saved"), blob


@pytest.fixture
def empty_house(database_server, tmp_path, monkeypatch):
    """Switches to an empty database and an empty home, when called."""
    names = []

    def switch():
        monkeypatch.setenv("VIRAGE_HOME", str(tmp_path / "new"))
        name = f"virage_restored_{abs(hash(str(tmp_path))) % 10**8}"
        with administrator(database_server) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        names.append(name)
        use(database_server, name)

    yield switch
    for name in names:
        from django.db import connections

        connections["default"].close()
        drop(database_server, name)


def test_round_trip(saved, empty_house):
    folder, blob = saved
    empty_house()
    with pytest.raises(blobs.BlobMissing):
        blobs.read(blob.digest)
    assert backup.restore(folder) >= 1
    with db.cursor() as cursor:
        assert cursor.execute("SELECT digest FROM mention").fetchall() == [(blob.digest,)]
        assert cursor.execute("SELECT count(*) FROM django_migrations").fetchone()[0] > 20
    assert blobs.read(blob.digest) == "Compte rendu é".encode()


def test_a_house_in_use_is_not_overwritten(saved):
    with pytest.raises(backup.BackupRefused, match="pas vide"):
        backup.restore(saved[0])


def test_a_folder_in_use_is_not_overwritten(saved):
    with pytest.raises(backup.BackupRefused, match="pas vide"):
        backup.save(saved[0])


@pytest.mark.parametrize("harm", ["dump", "manifest", "blob", "lost", "newer"])
def test_a_damaged_backup_is_refused(saved, empty_house, harm):
    folder, blob = saved
    path = folder / "blobs" / blob.digest[:2] / blob.digest
    if harm == "dump":
        with (folder / "database.dump").open("r+b") as file:
            file.seek(2000)
            file.write(b"xxxx")
    elif harm == "manifest":
        (folder / "manifest.json").unlink()
    elif harm == "blob":
        path.unlink()
        path.write_bytes(b"other")
    elif harm == "lost":
        path.unlink()
    else:
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["migrations"].append("fhir.9999_future")
        (folder / "manifest.json").write_text(json.dumps(manifest))
    empty_house()
    with pytest.raises(backup.BackupRefused):
        backup.restore(folder)
    with db.cursor() as cursor:
        assert cursor.execute("SELECT to_regclass('django_migrations')").fetchone()[0] is None
