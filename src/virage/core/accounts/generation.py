"""A counter that every process of the machine sees at once: it moves when what a token is worth has changed.

Other machines learn within `tokens.ELSEWHERE` seconds, from the database.
"""

from virage.core.counters import Counters

_counters = Counters("generation", 1)


def current() -> int:
    """The counter now."""
    return int(_counters.view()[0])


def advance() -> None:
    """Moves the counter: call it once what changed is committed."""
    _counters.advance((0,))
