"""What the worker does for subscriptions."""

from virage.core import events
from virage.core.fhir.subscriptions import delivery, table


@events.task()
def activate(space: int, id: str) -> None:
    """Shake hands, again a little later when nobody answers."""
    pause = delivery.activate(space, id)
    if pause is not None:
        activate.configure(schedule_in={"seconds": int(pause)}).defer(space=space, id=id)


@events.task()
def deliver(space: int, id: str) -> None:
    """Tell a subscriber what waits, again a little later when it fails."""
    pause = delivery.deliver(space, id)
    if pause is not None:
        deliver.configure(schedule_in={"seconds": int(pause)}).defer(space=space, id=id)


@events.task()
def beat(space: int, id: str) -> None:
    """Give a sign of life."""
    delivery.beat(space, id)


@events.periodic("* * * * *")
def look_after(timestamp: int) -> None:
    """Take up deliveries lost with a worker, end what is past its end, give signs of life, let go of old notices."""
    for space, id in table.overdue():
        deliver.defer(space=space, id=id)
    for space, id in table.ended():
        delivery.end(space, id)
    for space, id in table.silent():
        beat.defer(space=space, id=id)
    table.trim()
