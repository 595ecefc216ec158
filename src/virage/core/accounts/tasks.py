"""What is swept at night."""

from virage.core.accounts import actions
from virage.core.callers import system
from virage.core.events import periodic


@periodic("20 3 * * *")
def sweep(timestamp: int) -> None:
    """Sessions, grants and revocations that no token needs any more."""
    actions.sweep(by=system("accounts"))
