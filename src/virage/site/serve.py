"""`virage serve`: the database, the web processes and the background work, as one tree that starts and ends in order."""

import gc
import http.client
import multiprocessing
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from typing import Any, NoReturn

from virage.core import settings
from virage.core.commands import UsageError
from virage.core.db.embedded import Server, attach
from virage.core.db.embedded.processes import end_with_parent
from virage.core.errors import VirageError, reason_of
from virage.core.settings import SettingError

_READY_WITHIN = 300.0


class PortBusy(VirageError):
    """Another program listens where this one should."""

    code = "SITE.PORT_BUSY"
    status = 500


def port_of(option: int | None) -> int:
    """The port to serve on, from the option or from PORT. Raises UsageError."""
    if option is None:
        try:
            return settings.number("PORT", 1, 65535)
        except SettingError as error:
            raise UsageError(error.text) from None
    if not 1 <= option <= 65535:
        raise UsageError(f"--port vaut {option} : écrire un nombre entre 1 et 65535.")
    os.environ["PORT"] = str(option)
    return option


class House:
    """A running house. `open` starts the database, `serve` blocks until a signal, `close` ends everything in order."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        self.exit_code = 0
        self._database: Server | None = None
        self._worker: Any = None
        self._stopped = threading.Event()

    def open(self) -> None:
        """Check the port, start the embedded database. Raises PortBusy, DatabaseUnavailable."""
        signal.signal(signal.SIGTERM, _end)
        _check_port(self.host, self.port)
        _prepare_metrics()
        if not settings.get("VIRAGE_DATABASE_URL"):
            self._database = attach(settings.home(), own=True)
            os.environ["_VIRAGE_ATTACHED"] = "1"  # for the web processes, and for this one

    def serve(self, on_ready: Callable[[], int]) -> int:
        """Serve until SIGTERM or SIGINT; answers the exit code.

        `on_ready` runs once, in a thread, when the house answers; what it answers, when not 0, ends the house with that
        exit code.
        """
        if settings.flag("VIRAGE_TASKS"):
            from virage.core.events.worker import Worker

            self._worker = Worker()
            self._worker.start()
        _let_go()  # this thread only waits from here on
        threading.Thread(target=self._announce, args=(on_ready,), name="ready", daemon=True).start()
        pause = 1.0
        while True:
            granian = _granian(self.host, self.port)
            try:
                granian.serve(target_loader=_load)
            except SystemExit as error:
                if not granian.interrupt_signal and not self._stopped.is_set():
                    # The web processes died several times in a row: keep trying, the machine may recover.
                    print(f"Les processus web s'arrêtent ({error.code}), nouvel essai.", file=sys.stderr)  # noqa: T201
                    time.sleep(pause)
                    pause = min(pause * 2, 30)
                    continue
            return self.exit_code

    def close(self) -> None:
        """End the background work, then the database."""
        self._stopped.set()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if self._worker is not None:
            self._worker.stop()
        if self._database is not None:
            self._database.close()

    def _announce(self, on_ready: Callable[[], int]) -> None:
        if not self._answers():
            print("Le serveur ne répond pas après cinq minutes : voir les messages ci-dessus.", file=sys.stderr)  # noqa: T201
            self._end_with(1)
            return
        code = 1
        try:
            code = on_ready()
        finally:
            if code:
                self._end_with(code)

    def _answers(self) -> bool:
        deadline = time.monotonic() + _READY_WITHIN
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::", ""} else self.host  # noqa: S104
        while time.monotonic() < deadline and not self._stopped.is_set():
            try:
                connection = http.client.HTTPConnection(host, self.port, timeout=5)
                connection.request("GET", "/health", headers={"Host": f"127.0.0.1:{self.port}"})
                answer = connection.getresponse()
                answer.read()
                connection.close()
                if answer.status == 200:
                    return True
            except (OSError, http.client.HTTPException):
                pass
            time.sleep(0.05)
        return False

    def _end_with(self, code: int) -> None:
        self.exit_code = code
        os.kill(os.getpid(), signal.SIGTERM)


def _end(*_: object) -> NoReturn:
    """SIGTERM while starting or populating: leave through the ordinary doors."""
    sys.exit(143)


def _check_port(host: str, port: int) -> None:
    """Refuse a port that is taken: the web server itself would share it in silence (SO_REUSEPORT)."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen()
    except OSError as error:
        raise PortBusy(
            f"{host}:{port} n'est pas disponible ({reason_of(error)}) : arrêter le programme qui l'occupe, "
            "ou choisir un autre port (--port ou PORT)."
        ) from None


def _prepare_metrics() -> None:
    """An empty folder where the processes of this run put their counters together."""
    folder = settings.folder("run", "metrics")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700)
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _granian(host: str, port: int) -> Any:
    from granian import Granian
    from granian.constants import HTTPModes, Interfaces
    from granian.log import LogLevels

    # A fork would share this process's database connections and threads with the web processes.
    multiprocessing.set_start_method("spawn", force=True)
    return Granian(
        "virage.site.wsgi:application",
        address=host,
        port=port,
        interface=Interfaces.WSGI,
        workers=settings.number("VIRAGE_WORKERS", 1, 256),
        blocking_threads=settings.number("VIRAGE_THREADS", 1, 1024),
        blocking_threads_idle_timeout=20,  # an idle thread goes, and its connection with it: 20 MB each
        http=HTTPModes.http1,
        websockets=False,
        log_level=LogLevels.error,
        log_access=False,
        respawn_failed_workers=True,
        respawn_interval=0.1,
        workers_kill_timeout=15,
    )


def _let_go() -> None:
    from django.db import connections

    connections.close_all()


def _load(target: str) -> Any:
    """In a web process: never outlive `virage serve`, then load the application."""
    parent = os.getppid()
    end_with_parent(signal.SIGKILL)()
    if os.getppid() != parent:
        os._exit(1)
    from virage.site.wsgi import application

    threading.Thread(target=_tidy, name="tidy", daemon=True).start()
    return application


def _tidy() -> None:
    """Count what was answered, for whichever process is asked for the figures; and collect now and then even at rest:
    the connection of a thread that has gone hangs in a cycle until then.
    """
    from virage.site import measures

    while True:
        for _ in range(30):
            time.sleep(1)
            measures.count()
        gc.collect()


def ready_line(port: int) -> None:
    """Said once, when the house answers."""
    print(f"virage is ready on http://127.0.0.1:{port}", flush=True)  # noqa: T201
