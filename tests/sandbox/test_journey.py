"""The project's main job, as its users see it: a fresh house, its people, and the nine steps over HTTP."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.site.test_serve import Running
from virage.core.db.embedded import processes

pytestmark = pytest.mark.slow
VIRAGE = [sys.executable, "-m", "virage.site.cli"]
# One document of each shape: N3, N1 (PDF inside), self-rendering (CDA inside an XSL sheet).
SHAPES = ("N3", "N1", "xsl")


@pytest.fixture(scope="module")
def populated() -> Iterator[Running]:
    base = Path(os.environ["VIRAGE_TEST_RUN"]) / f"j{time.monotonic_ns()}"
    base.mkdir(mode=0o711)
    house = Running(base)
    for command in (["migrate"], ["sandbox", "populate", "--citizens", "20", "--seed", "7"]):
        done = subprocess.run([*VIRAGE, *command], env=house.environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
    house.start()
    yield house
    house.end()
    for pid in processes.all_in(base / "pg" / "data"):
        os.kill(pid, 3)
    shutil.rmtree(base, ignore_errors=True)


def play(house: Running, *options: str) -> subprocess.CompletedProcess[str]:
    url = f"http://127.0.0.1:{house.port}"
    command = [*VIRAGE, "journey", "--base-url", url, *options]
    return subprocess.run(command, env=house.environment, capture_output=True, text=True, timeout=300)


def steps_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    return [line.split()[0] for line in done.stdout.splitlines() if line[:1].isdigit()]


def test_the_nine_steps_are_proved(populated: Running) -> None:
    done = play(populated)
    assert done.returncode == 0, done.stdout + done.stderr
    assert steps_of(done) == list("123456789")
    assert "ÉCHEC" not in done.stdout


def _documents(shared_data: Path) -> dict[str, bytes]:
    import zstandard

    archive = shared_data / "cda" / "cda-examples-part.tar.zst"
    raw = zstandard.ZstdDecompressor().stream_reader(archive.read_bytes()).read()
    found: dict[str, bytes] = {}
    with tarfile.open(fileobj=io.BytesIO(raw)) as tar:
        for member in tar:
            if not member.isfile() or not member.name.endswith(".xml"):
                continue
            body = tar.extractfile(member).read()
            shape = "xsl" if b"<xsl:stylesheet" in body[:4000] else "N1" if b"<nonXMLBody" in body else "N3"
            found.setdefault(shape, body)
    return found


@pytest.mark.parametrize("shape", SHAPES)
def test_it_takes_documents_that_others_wrote(
    populated: Running, shared_data: Path, tmp_path: Path, shape: str
) -> None:
    path = tmp_path / "document.xml"
    path.write_bytes(_documents(shared_data)[shape])
    done = play(populated, "--document", str(path), "--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "POST /dmp/fhir → 200" in done.stdout


def test_a_document_that_is_none_ends_at_once(populated: Running, tmp_path: Path) -> None:
    missing = play(populated, "--document", str(tmp_path / "none.xml"))
    assert missing.returncode == 2
    assert missing.stderr.count("\n") == 1
    path = tmp_path / "bad.xml"
    path.write_text("<?xml version='1.0'?><ClinicalDocument><unclosed></ClinicalDocument>")
    broken = play(populated, "--document", str(path))
    assert broken.returncode == 1
    assert "Traceback" not in broken.stderr


def test_a_step_that_fails_is_named_and_the_exit_code_tells(populated: Running) -> None:
    nobody = subprocess.run(
        [*VIRAGE, "journey", "--base-url", "http://127.0.0.1:9"],
        env=populated.environment,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert nobody.returncode == 1
    assert nobody.stdout.startswith("1 ÉCHEC")
