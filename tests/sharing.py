"""How tests are shared out among processes: what starts a house of its own stays together, and goes first.

The marks of pytest-xdist would do it, but its groups are without effect under pytest 9.2.
"""

from typing import Any

import pytest
from xdist.scheduler import LoadScopeScheduling

# Each of these files has one house, or one browser, made before its first test.
_HOUSES = ("tests/platforms/", "tests/clients/", "tests/sandbox/test_journey.py", "tests/site/")


def scope_of(nodeid: str) -> str:
    """The piece of work that a test belongs to: a file with a house, or the test alone."""
    return nodeid.partition("::")[0] if nodeid.startswith(_HOUSES) else nodeid


class Sharing(LoadScopeScheduling):
    """Gives out whole pieces, in the order of the collection."""

    def __init__(self, config: pytest.Config, log: Any) -> None:
        super().__init__(config, log)
        config.option.loadscopereorder = False

    def _split_scope(self, nodeid: str) -> str:
        return scope_of(nodeid)


def longest_first(items: list[pytest.Item]) -> None:
    """Put the large pieces first, so that at the end short ones are left and no process waits long for the others."""
    items.sort(key=lambda item: not item.nodeid.startswith(_HOUSES))
