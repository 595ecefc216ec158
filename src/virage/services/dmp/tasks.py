"""What the record does by itself, each night."""

from datetime import UTC, datetime

from virage.core.callers import system
from virage.core.events import periodic
from virage.services.dmp import actions


@periodic("10 3 * * *")
def open_records(timestamp: int) -> None:
    """Opens the records whose notice is past its delay."""
    while actions.open_due(by=system("dmp")):
        pass


@periodic("40 3 * * *")
def destroy_records(timestamp: int) -> None:
    """Destroys the records closed for ten years."""
    while actions.destroy_due(by=system("dmp")):
        pass


@periodic("10 4 * * *")
def show_hidden_documents(timestamp: int) -> None:
    """Tells the holders whom an update waits for, then shows what was kept from its holder for a month."""
    # By the planned time: the days of two runs then touch, whenever each really began.
    actions.tell_waiting(by=system("dmp"), now=datetime.fromtimestamp(timestamp, UTC))
    while actions.release_due(by=system("dmp")):
        pass
