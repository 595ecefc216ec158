"""The house as its operator sees it: start, memory at rest, pages, the journey, populating, saving; each beside a floor.

    python bench/house.py [--rounds 3] [--citizens 10000] [--json FILE]

Every figure is the median of the rounds. A round has homes of its own; all commands are the product's, run as processes.
Memory is read from /proc (Linux).
"""

import argparse
import http.client
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
VIRAGE = [sys.executable, "-m", "virage.site.cli"]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class House:
    """A home of its own, and the commands run in it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        self.process: subprocess.Popen[str] | None = None
        known = {"VIRAGE_HOME": str(home), "VIRAGE_SANDBOX": "1", "PORT": str(self.port)}
        path = os.pathsep.join(filter(None, (str(ROOT / "src"), os.environ.get("PYTHONPATH", ""))))
        self.environment = {**os.environ, **known, "PYTHONPATH": path}
        self.environment.pop("VIRAGE_DATABASE_URL", None)

    def run(self, *words: str) -> float:
        """Seconds that a command takes. Raises CalledProcessError with what it said on standard error."""
        began = time.perf_counter()
        subprocess.run([*VIRAGE, *words], env=self.environment, check=True, stdout=subprocess.DEVNULL)
        return time.perf_counter() - began

    def serve(self) -> float:
        """Start; seconds until it says that it is ready."""
        began = time.perf_counter()
        self.process = subprocess.Popen([*VIRAGE, "serve"], env=self.environment, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        if "ready" not in self.process.stdout.readline():
            raise SystemExit("the house does not start")
        return time.perf_counter() - began

    def end(self) -> None:
        """Stop, if it serves."""
        if self.process is None:
            return
        self.process.terminate()
        self.process.wait(60)
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.process = None

    def copy(self, home: Path) -> "House":
        """The same, stopped, elsewhere: as `cp` does, owners included."""
        subprocess.run(["cp", "-a", str(self.home), str(home)], check=True)
        return House(home)


def timed(command: list[str], **more: Any) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, **more)
    return time.perf_counter() - began


def tree(root: int) -> set[int]:
    """A process and all that descend from it."""
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            try:
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    found = {root}
    while more := {pid for pid, parent in parents.items() if parent in found} - found:
        found |= more
    return found


def memory(root: int) -> tuple[float, float]:
    """Megabytes of a tree: resident summed (shared pages counted in each process), proportional (counted once)."""
    sums = {"Rss:": 0, "Pss:": 0}
    for pid in tree(root):
        try:
            lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        for line in lines:
            name, _, rest = line.partition(" ")
            if name in sums:
                sums[name] += int(rest.split()[0])
    return sums["Rss:"] / 1024, sums["Pss:"] / 1024


def latencies(port: int, path: str, count: int) -> tuple[float, float]:
    """p50 and p99 in milliseconds of one client that asks again and again on one connection."""
    link = http.client.HTTPConnection("127.0.0.1", port)
    taken = []
    for _ in range(count):
        began = time.perf_counter()
        link.request("GET", path)
        answer = link.getresponse()
        answer.read()
        taken.append((time.perf_counter() - began) * 1000)
        if answer.status != 200:
            raise SystemExit(f"{path}: {answer.status}")
    link.close()
    taken.sort()
    return taken[len(taken) // 2], taken[int(len(taken) * 0.99)]


def written(folder: Path, size: int) -> float:
    """The floor of a backup: seconds to write as many bytes to one file, durably."""
    block = os.urandom(1 << 20)
    began = time.perf_counter()
    with (folder / "floor").open("wb") as file:
        for _ in range(max(1, size >> 20)):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())
    taken = time.perf_counter() - began
    (folder / "floor").unlink()
    return taken


def size_of(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


# The floor of populating: the server copies the rows of the store, with their indexes, from one table to another.
FLOOR = """
import django, time; django.setup()
from virage.core import db
tables = ("fhir_resource", "fhir_date", "fhir_string", "fhir_number", "fhir_locator")
with db.cursor() as cursor:
    for table in tables:
        cursor.execute(f"CREATE TABLE floor_{table} (LIKE {table} INCLUDING ALL)")
    began = time.perf_counter()
    for table in tables:
        cursor.execute(f"INSERT INTO floor_{table} SELECT * FROM {table}")
    print(time.perf_counter() - began)
    for table in tables:
        cursor.execute(f"DROP TABLE floor_{table}")
"""


def one_round(base: Path, citizens: int, note: Callable[[str, float], None]) -> None:
    """All measurements once, in the folder `base`. Whatever happens, no server is left behind."""
    house = House(base / "fresh")
    try:
        measured(base, house, citizens, note)
    finally:
        house.end()


def measured(base: Path, house: House, citizens: int, note: Callable[[str, float], None]) -> None:
    """The steps of a round, in an order where each finds what it needs."""
    django = [sys.executable, "-c", "import django; django.setup()"]
    settings = {**house.environment, "DJANGO_SETTINGS_MODULE": "virage.site.settings"}
    note("floor of a start: interpreter and Django, s", timed(django, env=settings))
    migrated = house.run("migrate")
    note("fresh home to ready (migrate, serve), s", migrated + house.serve())
    house.end()
    filled = house.copy(base / "filled")
    note("second start, s", house.serve())
    time.sleep(25)  # idle threads and connections go after twenty seconds
    assert house.process is not None
    resident, proportional = memory(house.process.pid)
    note("memory at rest, RSS of the tree, MB", resident)
    note("memory at rest, PSS of the tree, MB", proportional)
    for path in ("/health", "/fhir/metadata"):
        p50, p99 = latencies(house.port, path, 300)
        note(f"page {path} p50, ms", p50)
        note(f"page {path} p99, ms", p99)
    house.run("sandbox", "populate", "--citizens", "20")
    note("journey, s", house.run("journey", "--base-url", f"http://127.0.0.1:{house.port}"))
    house.end()
    taken = filled.run("sandbox", "populate", "--citizens", str(citizens))
    note(f"populate {citizens} citizens, s", taken)
    note("populate, citizens a second", citizens / taken)
    floor = [sys.executable, "-c", FLOOR]
    settings = {**filled.environment, "DJANGO_SETTINGS_MODULE": "virage.site.settings"}
    said = subprocess.run(floor, env=settings, check=True, stdout=subprocess.PIPE, text=True).stdout
    note("floor of populate: the server copies the same rows, s", float(said))
    saved = base / "saved"
    taken = filled.run("backup", str(saved))
    size = size_of(saved)
    note("backup, s", taken)
    note("backup, citizens a second", citizens / taken)
    note("size of the backup, MB", size / 1e6)
    note("floor of backup: as many bytes written, s", written(base, size))


def run(rounds: int, citizens: int) -> list[dict[str, Any]]:
    """The median, least and most of each figure over the rounds."""
    found: dict[str, list[float]] = {}
    for number in range(rounds):
        base = Path(tempfile.mkdtemp(prefix="virage-bench-"))
        base.chmod(0o711)
        try:
            one_round(base, citizens, lambda name, value: found.setdefault(name, []).append(value))
        finally:
            shutil.rmtree(base, ignore_errors=True)
        print(f"round {number + 1} of {rounds} done", file=sys.stderr, flush=True)
    return [
        {"name": name, "median": round(statistics.median(values), 3), "least": round(min(values), 3),
         "most": round(max(values), 3), "rounds": len(values)}
        for name, values in found.items()
    ]  # fmt: skip


def table(figures: list[dict[str, Any]]) -> str:
    """The figures for people."""
    lines = ["| what | median | least | most | rounds |", "|---|---|---|---|---|"]
    lines += ["| {name} | {median} | {least} | {most} | {rounds} |".format(**figure) for figure in figures]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--citizens", type=int, default=10_000)
    parser.add_argument("--json", type=Path)
    asked = parser.parse_args()
    figures = run(asked.rounds, asked.citizens)
    print(table(figures))
    if asked.json:
        asked.json.write_text(json.dumps(figures, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
