"""The bulk work that the worker does. A long job runs in slices, so that others have their turn between two of them."""

from virage.core import events
from virage.core.fhir.bulk import exporting, importing, jobs


@events.task()
def export(job: str) -> None:
    """A slice of an export, then the next one."""
    if exporting.run(job):
        export.defer(job=job)


@events.task()
def import_(job: str) -> None:
    """A slice of an import, then the next one."""
    if importing.run(job):
        import_.defer(job=job)


@events.periodic("17 * * * *")
def purge_jobs(timestamp: int) -> None:
    """Remove what is past its time."""
    jobs.purge()
