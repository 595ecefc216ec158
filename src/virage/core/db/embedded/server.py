"""The life of the embedded server: made, started, shared, recovered, stopped."""

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import psycopg

from virage.core.db.embedded import config, processes
from virage.core.db.embedded.place import Place, binaries, locate, private
from virage.core.errors import VirageError

_LEAST_FREE = 64 * 1024 * 1024
_MAJOR = "18"


class DatabaseUnavailable(VirageError):
    """The database does not answer, or cannot start; the text says why and what to do."""

    code = "DB.UNAVAILABLE"
    status = 503
    issue = "transient"


class Server:
    """The embedded server of one home, as seen by one process.

    Every process that uses it holds a shared lock on `pg.users`; the last one to leave stops the server. A process that
    *owns* it (`virage serve`) has it as its child, restarts it when it dies, and stops it when it ends itself.
    """

    def __init__(self, place: Place, *, durable: bool = True) -> None:
        self.place = place
        self.durable = durable
        self.owner = False
        self._process: subprocess.Popen[bytes] | None = None
        self._users: IO[str] | None = None
        self._ending = threading.Event()

    @property
    def pid(self) -> int | None:
        """The pid of the living server, whoever started it."""
        lines = self._pid_file()
        pid = int(lines[0]) if lines and lines[0].isdecimal() else 0
        return pid if pid and processes.works_in(pid, self.place.data) else None

    def parameters(self, database: str = "virage", role: str = "virage") -> dict[str, Any]:
        """What psycopg.connect needs."""
        return {"host": str(self.place.socket), "port": "5432", "user": role, "dbname": database}

    def open(self, *, own: bool = False) -> "Server":
        """Attach to the running server, or make and start it. With `own`, have it as a child where nobody else uses it.

        Raises DatabaseUnavailable with what to do.
        """
        try:
            with self._alone():
                self._enter(own)
        except BaseException:
            self._leave()
            raise
        if self.owner:
            threading.Thread(target=self._keep, name="postgresql-keeper", daemon=True).start()
        return self

    def _enter(self, own: bool) -> None:
        self._join()
        pid = self._settled()
        if pid and own and self._last():
            self._halt(pid)  # left by a process that was killed: an owner wants it as a descendant
            pid = None
        if not pid:
            self._make()
            self._start(own)
            self._provision()
        self.owner = own and self._process is not None

    def _leave(self) -> None:
        if self._users is not None:
            self._users.close()
            self._users = None

    def close(self) -> None:
        """Leave; stop the server when it is ours or when nobody else uses it. Safe to call twice."""
        self._ending.set()
        if self._users is None:
            return
        with self._alone():
            pid = self.pid
            if pid and (self.owner or self._last()):
                self._halt(pid)
            self._leave()
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0  # our child lives on for others: nothing for us to reap

    # Locks ------------------------------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """One process at a time makes, starts or stops."""
        with _lock_file(self.place.home / "pg.lock") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield

    def _join(self) -> None:
        if self._users is None:
            self._users = _lock_file(self.place.home / "pg.users")
        fcntl.flock(self._users, fcntl.LOCK_SH)

    def _last(self) -> bool:
        """Whether no other process uses the server. Only asked under `_alone`, where nobody can join."""
        assert self._users is not None
        try:
            fcntl.flock(self._users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fcntl.flock(self._users, fcntl.LOCK_SH)
            return False
        fcntl.flock(self._users, fcntl.LOCK_SH)
        return True

    # State ------------------------------------------------------------------------------------------------------------

    def _pid_file(self) -> list[str]:
        try:
            return (self.place.data / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []

    def _status(self) -> str:
        lines = self._pid_file()
        return lines[7].strip() if len(lines) > 7 else "starting"

    def _settled(self) -> int | None:
        """The pid of a server that is ready, once a start or a stop under way is over."""
        while (pid := self.pid) is not None:
            status = self._status()
            if status == "ready":
                return pid
            if status == "stopping":
                processes.wait_gone(pid, 60)
            time.sleep(0.02)
        return None

    # Making and starting ----------------------------------------------------------------------------------------------

    def _make(self) -> None:
        """Run initdb once; an interrupted one is thrown away, so `data` is whole or absent."""
        free = shutil.disk_usage(self.place.root).free
        if free < _LEAST_FREE:
            raise DatabaseUnavailable(
                f"Le disque est plein ({free // 1048576} Mo libres pour {self.place.root}) : libérer de la place, puis relancer."
            )
        version = self.place.data / "PG_VERSION"
        if version.exists():
            if (found := version.read_text().strip()) != _MAJOR:
                raise DatabaseUnavailable(
                    f"Les données de {self.place.data} viennent de PostgreSQL {found}, les programmes sont de la version {_MAJOR} : "
                    "sauvegarder avec l'ancienne version (virage backup), puis restaurer dans un VIRAGE_HOME neuf."
                )
            return
        if self.place.data.exists():
            raise DatabaseUnavailable(
                f"{self.place.data} existe sans être une base PostgreSQL : le déplacer, puis relancer."
            )
        draft = self.place.root / "data.draft"
        shutil.rmtree(draft, ignore_errors=True)
        private(draft, self.place.account)
        arguments = [
            "--pgdata",
            str(draft),
            "--username",
            "postgres",
            "--auth",
            "peer",
            "--data-checksums",
            "--encoding",
            "UTF8",
        ]
        arguments += ["--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--locale", "C"]
        if not self.durable:
            arguments.append("--no-sync")
        done = subprocess.run(  # noqa: S603
            [binaries(self.place.account) / "initdb", *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            **self._under(),
        )
        if done.returncode:
            raise DatabaseUnavailable(_why(done.stderr + done.stdout, "La base n'a pas pu être créée"))
        draft.rename(self.place.data)

    def _under(self) -> dict[str, Any]:
        """Arguments of subprocess that run a program as the server's user, with a bare environment."""
        environment = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
        account = self.place.account
        switch = {"user": account.uid, "group": account.gid, "extra_groups": []} if account.switch else {}
        return {"env": environment, "cwd": self.place.root, "stdin": subprocess.DEVNULL, **switch}

    def _start(self, own: bool) -> None:
        """Start the server as a child and wait until it answers. Raises DatabaseUnavailable."""
        place = self.place
        self._clear_stale()
        names = {place.account.name, _name_of(os.geteuid())}
        options = config.write(place.root, place.socket, names, durable=self.durable)
        if place.log.exists() and place.log.stat().st_size > 10_000_000:
            place.log.replace(place.log.with_suffix(".log.1"))
        with place.log.open("ab") as log:
            start = log.seek(0, os.SEEK_END)
            self._process = process = subprocess.Popen(  # noqa: S603
                [binaries(place.account) / "postgres", "-D", str(place.data), *options],
                stdout=log,
                stderr=log,
                process_group=0,  # Ctrl-C in a terminal must reach `virage`, which then stops the database last
                preexec_fn=processes.end_with_parent(signal.SIGINT) if own else None,
                **self._under(),
            )
        said = time.monotonic() + 5
        # Its number first: until it is there, the file may be that of a killed server, which says that it is ready.
        while self.pid != process.pid or self._status() != "ready":
            if process.poll() is not None:
                with place.log.open("rb") as log:
                    log.seek(start)
                    raise DatabaseUnavailable(_why(log.read().decode(errors="replace"), "PostgreSQL n'a pas démarré"))
            if time.monotonic() > said:
                print("La base se remet d'un arrêt brutal, patience…", file=sys.stderr)  # noqa: T201
                said = float("inf")
            time.sleep(0.01)

    def _clear_stale(self) -> None:
        """Forget a pid file whose number now belongs to another program, once no backend of ours is left."""
        deadline = time.monotonic() + 30
        while processes.all_in(self.place.data):
            if time.monotonic() > deadline:
                raise DatabaseUnavailable(
                    "Des processus d'un PostgreSQL arrêté brutalement ne se terminent pas : réessayer."
                )
            time.sleep(0.02)
        lines = self._pid_file()
        if not lines or not lines[0].isdecimal() or processes.exists(int(lines[0])):
            # Empty (the machine stopped while it was written), or another program has the number now, or our server was
            # killed and nobody has reaped it yet. A number that nobody has is PostgreSQL's to judge: it looks at shared
            # memory too.
            (self.place.data / "postmaster.pid").unlink(missing_ok=True)
        (self.place.socket / ".s.PGSQL.5432.lock").unlink(missing_ok=True)
        (self.place.socket / ".s.PGSQL.5432").unlink(missing_ok=True)

    def _provision(self) -> None:
        """The role and the database of the house, owner of its tables without being an administrator of the server."""
        with psycopg.connect(**self.parameters("postgres", "postgres"), autocommit=True) as connection:
            if not connection.execute("SELECT 1 FROM pg_roles WHERE rolname = 'virage'").fetchone():
                connection.execute("CREATE ROLE virage LOGIN CREATEDB")
            if not connection.execute("SELECT 1 FROM pg_database WHERE datname = 'virage'").fetchone():
                connection.execute("CREATE DATABASE virage OWNER virage")

    # Ending -----------------------------------------------------------------------------------------------------------

    def _halt(self, pid: int) -> None:
        """Fast shutdown: sessions end, a checkpoint is written. The server is gone afterwards."""
        for number, seconds in ((signal.SIGINT, 60), (signal.SIGQUIT, 10)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
            if self._process is not None and self._process.pid == pid:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self._process.wait(seconds)
                    return
            elif processes.wait_gone(pid, seconds):
                return

    def _keep(self) -> None:
        """Restart the child when it dies while nobody asked for it (killed, out of memory)."""
        pause = 0.1
        while not self._ending.is_set():
            process = self._process
            if process is None:
                return
            process.wait()
            if self._ending.wait(pause):
                return
            try:
                with self._alone():
                    if not self._ending.is_set():
                        self._start(own=True)
                        pause = 0.1
            except (VirageError, OSError) as error:
                print(f"La base ne redémarre pas : {error}", file=sys.stderr)  # noqa: T201
                pause = min(pause * 2, 10)


def _lock_file(path: Path) -> IO[str]:
    """A file that only we open, so that nobody else can hold its lock."""
    return os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600), "w")


def _name_of(uid: int) -> str:
    return pwd.getpwuid(uid).pw_name


def _why(log: str, otherwise: str) -> str:
    """One line for a person out of what PostgreSQL said."""
    if "No space left on device" in log or ("could not write" in log and "space" in log):
        return "Le disque est plein : PostgreSQL ne peut plus écrire. Libérer de la place, puis relancer."
    if "Cannot allocate memory" in log or "could not map anonymous shared memory" in log:
        return "Mémoire insuffisante pour PostgreSQL : en libérer, ou baisser shared_buffers dans pg/local.conf."
    if "incompatible" in log:
        return "Les données ont été écrites par une autre version de PostgreSQL : voir docs/do/operate.md."
    said = [line for line in log.splitlines() if any(mark in line for mark in ("FATAL", "PANIC", "error:", "ERROR"))]
    return f"{otherwise} : {(said or log.splitlines() or ['aucune explication'])[-1].strip()}"


def attach(home: Path, *, own: bool = False, durable: bool = True) -> Server:
    """The running server of a home, started if need be. Raises DatabaseUnavailable, PlaceError, AccountError."""
    return Server(locate(home), durable=durable).open(own=own)
