"""A house served as its operator serves it, for programs of others that speak to it as they speak to any FHIR server."""

import os
import sys
from pathlib import Path

import pytest

from tests.site.conftest import home  # noqa: F401  fixture
from tests.site.running import Running

CLIENT = "sandbox-lps"
SCOPE = "system/*.cruds"
INSTALLED = Path(sys.prefix) / "clients"

_MAKE = f"""
import django; django.setup()
from virage.core.accounts import caller_of, tokens
from virage.core.accounts.actions import ensure_sandbox_client
from virage.core.callers import system
account = ensure_sandbox_client(by=system("tests"), login={CLIENT!r}, name="Logiciel", scopes=({SCOPE!r},))
print(tokens.issue(caller_of(account, scopes=frozenset({{{SCOPE!r}}})), lifetime=3600))
"""


class House(Running):
    """A running house with a software client that may do everything on /fhir: its key file and a token of its own."""

    @property
    def base(self) -> str:
        return f"{self.address}/fhir"

    @property
    def key(self) -> Path:
        return self.home / "keys" / f"{CLIENT}.client-key.json"

    def register(self) -> "House":
        self.bearer = self.script(_MAKE).split()[-1]
        return self


@pytest.fixture(scope="module")
def house(home):  # noqa: F811
    # Their subscriptions listen on this machine, which a real server refuses to call.
    served = House(home, VIRAGE_SUBSCRIPTION_LOOPBACK="1").start()
    yield served.register()
    if served.process.poll() is None:
        served.end()


def installed(path: str) -> Path:
    """A file of the clients that `make test` installs beside the house; skips the test where it could not."""
    found = INSTALLED / path
    if not found.exists():
        pytest.skip(f"{path} is not installed: `make {os.path.relpath(INSTALLED)}/.done`, with npm and a network")
    return found
