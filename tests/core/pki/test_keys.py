"""Key rings and secrets: made once, readable by their owner alone, rotated."""

import stat
import subprocess
import sys

from virage.core import pki
from virage.core.pki.keys import KeyRing


def test_files_are_their_owners_alone(tmp_path):
    ring = KeyRing("essai", "ES256", tmp_path)
    ring.kid  # noqa: B018 - makes the file
    path = tmp_path / "essai.jwks.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    pki.secret("essai-secret")
    assert stat.S_IMODE((pki.keys_folder() / "essai-secret.secret").stat().st_mode) == 0o600
    assert stat.S_IMODE(pki.keys_folder().stat().st_mode) == 0o700


def test_rotation_keeps_the_former_key(tmp_path):
    ring = KeyRing("essai", "ES256", tmp_path)
    first = ring.kid
    other = KeyRing("essai", "ES256", tmp_path)
    assert other.kid == first
    second = ring.rotate()
    assert ring.kid == second
    assert ring.find(first) is not None
    assert [key["kid"] for key in ring.public()] == [first, second]
    assert "d" not in ring.public()[0]
    assert other.find(second) is not None, "another process finds the new key when it meets it"
    assert other.find("unknown") is None
    assert other.find("x" * 1000) is None


MAKE = "from virage.core import pki; print(pki.keys('course').kid, pki.secret('course').hex())"


def test_two_processes_make_one_ring():
    started = [subprocess.Popen([sys.executable, "-c", MAKE], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = {process.communicate(timeout=300)[0] for process in started}
    assert len(said) == 1
    assert said != {""}


def test_client_credentials_are_drawn_once():
    secret, keys = pki.client_credentials("essai-client")
    assert (secret, keys) == pki.client_credentials("essai-client")
    assert len(secret) >= 32
    assert "d" not in keys["keys"][0]
    assert stat.S_IMODE(pki.client_key_file("essai-client").stat().st_mode) == 0o600
