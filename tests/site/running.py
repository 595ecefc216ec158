"""A `virage serve` of its own, as its operator starts it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from virage.core.db.embedded import processes

VIRAGE = [sys.executable, "-m", "virage.site.cli"]
# How long anything is waited for before it counts as stuck, in seconds: far beyond what the slowest machine takes.
PATIENCE = 300


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Running:
    """A `virage serve` of its own home."""

    def __init__(self, home: Path, **settings: str) -> None:
        self.home = home
        self.port = free_port()
        known = {"VIRAGE_HOME": str(home), "VIRAGE_SANDBOX": "1", "PORT": str(self.port)}
        self.environment = {**os.environ, **known, **settings}

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def run(self, *words: str) -> str:
        """A command of this house; its output."""
        done = subprocess.run([*VIRAGE, *words], capture_output=True, text=True, env=self.environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def script(self, code: str, *words: str) -> str:
        """A program that stands inside this house; its output."""
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "virage.site.settings"}
        done = subprocess.run([sys.executable, "-c", code, *words], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def start(self) -> "Running":
        # What it says goes to a file: a pipe that nobody empties would hold it up as soon as it is full.
        self._messages = tempfile.TemporaryFile("w+")  # noqa: SIM115  closed by `close`
        self.process = subprocess.Popen(
            [*VIRAGE, "serve"], stdout=subprocess.PIPE, stderr=self._messages, text=True, env=self.environment
        )
        line = self.process.stdout.readline()
        assert line == f"virage is ready on http://127.0.0.1:{self.port}\n", line + self.messages()
        return self

    def messages(self) -> str:
        """What it has said so far for its operator."""
        self._messages.seek(0)
        return self._messages.read()

    def token(self) -> str:
        """An access token of this house, made as its own processes make them."""
        code = (
            "import django; django.setup()\n"
            "from virage.core.accounts import caller_of, ensure_account, tokens\n"
            "from virage.core.callers import system\n"
            "account = ensure_account(by=system('test'), login='probe', kind='software', name='Probe')\n"
            "print(tokens.issue(caller_of(account)))"
        )
        environment = {**self.environment, "DJANGO_SETTINGS_MODULE": "virage.site.settings"}
        done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]

    def get(self, path: str, token: str = "") -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("GET", path, headers={"Authorization": f"Bearer {token}"} if token else {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def put(self, path: str, resource: dict, token: str) -> int:
        """Write a FHIR resource; the status."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/fhir+json"}
            connection.request("PUT", path, json.dumps(resource), headers)
            answer = connection.getresponse()
            answer.read()
            return answer.status
        finally:
            connection.close()

    def comes_back(self) -> bool:
        """Whether it answers again, its database too."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                if self.get("/health")[0] == 200:
                    return True
            except OSError:
                pass
            time.sleep(0.05)
        return False

    def tree(self) -> dict[int, str]:
        """Descendants, with their command line."""
        parents = {}
        for path in Path("/proc").iterdir():
            if path.name.isdecimal():
                try:
                    parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                    parents[int(path.name)] = (parent, (path / "cmdline").read_bytes().replace(b"\0", b" ").decode())
                except OSError:
                    continue
        found, fringe = {}, {self.process.pid}
        while fringe:
            fringe = {pid for pid, (parent, _) in parents.items() if parent in fringe}
            found |= {pid: parents[pid][1] for pid in fringe}
        return found

    def pid_of(self, words: str) -> int:
        return next(pid for pid, line in self.tree().items() if words in line)

    def kill(self, words: str) -> None:
        """Kill the process that these words name, and wait until it is gone: until then it may still answer."""
        pid = self.pid_of(words)
        os.kill(pid, signal.SIGKILL)
        assert processes.wait_gone(pid, PATIENCE)

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(PATIENCE)
        self.close()
        return code

    def close(self) -> None:
        self.process.stdout.close()
        self._messages.close()
