"""What the worker does of the re-indexing, in slices, so that other work has its turn between two of them."""

from virage.core import events
from virage.core.fhir.reindex import engine

SLICE = 10.0


@events.task()
def carry_on() -> None:
    """A slice, then the next one."""
    left = engine.run(SLICE)
    if left == engine.MORE:
        carry_on.defer()
    elif left == engine.WAIT:
        carry_on.configure(schedule_in={"seconds": 1}).defer()


@events.periodic("* * * * *")
def look_after(timestamp: int) -> None:
    """Take up what a worker left, and what a new release indexes."""
    if engine.run(SLICE) == engine.MORE:
        carry_on.defer()
