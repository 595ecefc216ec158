"""Backup and restoration of a whole house: database, files, keys; what a backup holds is checked when it is read."""

import hashlib
import json
import os
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.apps import apps

from virage.core import blobs, db, settings
from virage.core.blobs import folder as blob_folder
from virage.core.db import programs
from virage.core.errors import VirageError
from virage.core.progress import Progress

_FORM = 1
_KEPT = ("keys", "pki")
"""Folders of the home that go with the database: without the keys, what they signed could not be verified."""


class BackupRefused(VirageError):
    """The folder cannot serve, or is not a whole backup; nothing was changed."""

    code = "SITE.BACKUP"
    status = 409


def save(folder: Path) -> Path:
    """Write a backup in a new folder while the house runs. Raises BackupRefused.

    The database is read in one snapshot and before the files: each file that it mentions was written before, so it is there.
    """
    if folder.exists() and any(folder.iterdir()):
        raise BackupRefused(f"{folder} n'est pas vide : donner un dossier neuf.")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    programs.run(
        "pg_dump",
        "--format=custom",
        "--compress=6",
        "--no-owner",
        "--no-privileges",
        "--file",
        str(folder / "database.dump"),
    )
    saved = folder / "blobs"
    saved.mkdir(mode=0o700)
    with Progress("Fichiers") as progress:
        for digest in blobs.stored():
            target = saved / digest[:2] / digest
            target.parent.mkdir(exist_ok=True)
            _copy(digest, target)
            progress.add()
    for name in _KEPT:
        if (settings.home() / name).is_dir():
            shutil.copytree(settings.home() / name, folder / name)
    manifest = {
        "form": _FORM,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "migrations": sorted(_applied()),
        "database": _digest(folder / "database.dump"),
        "blobs": progress.done,
    }
    (folder / "manifest.json").write_text(
        json.dumps(manifest, indent=1) + "\n"
    )  # last: a folder with it is a whole backup
    for path in (folder / "database.dump", folder / "manifest.json", folder):
        _sync(path)
    return folder


def restore(folder: Path) -> int:
    """Fill an empty house from a backup; answers the number of files. Raises BackupRefused before anything is written."""
    manifest = _read(folder)
    with db.cursor() as cursor:
        taken = cursor.execute("SELECT to_regclass('django_migrations') IS NOT NULL").fetchone()
    if taken and taken[0]:
        raise BackupRefused(
            "La base de cette maison n'est pas vide : restaurer dans un VIRAGE_HOME (ou une base) neuf."
        )
    unknown = [name for name in manifest["migrations"] if not _on_disk(*name.split("."))]
    if unknown:
        raise BackupRefused(
            f"La sauvegarde vient d'une version plus récente de virage ({unknown[0]}) : installer cette version."
        )
    files = sorted(path for path in (folder / "blobs").rglob("*") if path.is_file())
    if len(files) < manifest["blobs"]:
        raise BackupRefused(f"La sauvegarde est incomplète : {manifest['blobs'] - len(files)} fichiers manquent.")
    with Progress("Fichiers", len(files)) as progress:
        for path in files:
            with path.open("rb") as file:
                if blobs.put(file).digest != path.name:
                    raise BackupRefused(
                        f"Le fichier {path.name[:12]}… de la sauvegarde est abîmé : prendre une autre sauvegarde."
                    )
            progress.add()
    for name in _KEPT:
        if (folder / name).is_dir():
            shutil.copytree(folder / name, settings.folder(name), dirs_exist_ok=True)
    programs.fill(folder / "database.dump")
    return len(files)


def _read(folder: Path) -> dict[str, Any]:
    """The manifest of a whole backup. Raises BackupRefused."""
    try:
        manifest: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        raise BackupRefused(
            f"{folder} n'est pas une sauvegarde complète : manifest.json manque ou ne se lit pas."
        ) from None
    if manifest.get("form") != _FORM:
        raise BackupRefused("Cette sauvegarde a une forme que cette version de virage ne connaît pas.")
    try:
        found = _digest(folder / "database.dump")
    except OSError:
        found = ""
    if found != manifest["database"]:
        raise BackupRefused("La base de la sauvegarde est abîmée : prendre une autre sauvegarde.")
    return manifest


def _copy(digest: str, target: Path) -> None:
    """A second name for the same bytes on the same disk (a file never changes), else a copy."""
    if blobs.remote():
        with blobs.open(digest) as source, target.open("xb") as file:
            shutil.copyfileobj(source, file, 1 << 20)
        return
    try:
        os.link(blob_folder.path(digest), target)
    except OSError:
        shutil.copyfile(blob_folder.path(digest), target)


def _applied() -> list[str]:
    with db.cursor() as cursor:
        return [f"{app}.{name}" for app, name in cursor.execute("SELECT app, name FROM django_migrations").fetchall()]


def _on_disk(label: str, name: str) -> bool:
    return any(
        (Path(config.path) / "migrations" / f"{name}.py").exists()
        for config in apps.get_app_configs()
        if config.label == label
    )


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    number = os.open(path, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)
