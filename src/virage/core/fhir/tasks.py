"""What the store does by itself."""

from virage.core import events
from virage.core.fhir.store import pending


@events.periodic("* * * * *")
def take_in_tokens(timestamp: int) -> None:
    """Have the token index take in what the last writes left waiting."""
    pending.take_in()
