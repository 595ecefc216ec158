"""The system user under which the embedded server runs when `virage` is started as root: PostgreSQL refuses to run as root."""

import fcntl
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass

from virage.core.errors import VirageError

NAME = "virage-db"
_USERS = "/etc/passwd"


class AccountError(VirageError):
    """There is no user under which PostgreSQL could run."""

    code = "DB.ACCOUNT"
    status = 500
    issue = "exception"


@dataclass(frozen=True, slots=True)
class Account:
    """A system user: `switch` says whether the server must be started under it by a privileged process."""

    name: str
    uid: int
    gid: int
    switch: bool


def current() -> Account:
    """The user that runs the server: ourselves, or the dedicated user (created if missing) when we are root."""
    uid = os.geteuid()
    try:
        entry = pwd.getpwuid(uid) if uid else _dedicated()
    except KeyError:
        raise AccountError(
            f"L'utilisateur {uid} n'a pas de nom sur ce système, PostgreSQL embarqué ne peut pas démarrer : "
            "ajouter une ligne à /etc/passwd, ou donner VIRAGE_DATABASE_URL."
        ) from None
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid, switch=uid == 0)


def _dedicated() -> pwd.struct_passwd:
    """The dedicated user, created by whichever tool the system has, by one process at a time. Raises AccountError."""
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        pass
    # Two tools at work at once can each give the name a number, and the first one is lost with the files it owns.
    with open(_USERS) as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        return _created()


def _created() -> pwd.struct_passwd:
    attempts = (
        (
            "useradd",
            [
                "--system",
                "--user-group",
                "--no-create-home",
                "--home-dir",
                "/nonexistent",
                "--shell",
                "/bin/false",
                NAME,
            ],
        ),
        ("adduser", ["-S", "-D", "-H", "-h", "/nonexistent", "-s", "/bin/false", NAME]),  # BusyBox
    )
    for tool, arguments in attempts:
        try:
            return pwd.getpwnam(NAME)  # another process created it meanwhile
        except KeyError:
            pass
        path = shutil.which(tool, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin")
        if path is None:
            continue
        subprocess.run([path, *arguments], capture_output=True, stdin=subprocess.DEVNULL, check=False)  # noqa: S603
    try:
        return pwd.getpwnam(NAME)
    except KeyError:
        pass
    raise AccountError(
        f"L'utilisateur système « {NAME} » ne peut pas être créé (ni useradd ni adduser) : "
        "lancer virage sans être root, ou donner VIRAGE_DATABASE_URL."
    )
