"""The engine's own periodic work."""

import asgiref.sync
from procrastinate.contrib.django import app
from procrastinate.exceptions import UniqueViolation
from procrastinate.jobs import Status

from virage.core.db import backfill
from virage.core.events.work import periodic


@periodic("* * * * *")
def resume_abandoned(timestamp: int) -> None:
    """Start again the tasks of workers that were killed: their heartbeat has stopped."""

    async def resume() -> None:
        for job in await app.job_manager.get_stalled_jobs():
            try:
                await app.job_manager.retry_job(job)
            except UniqueViolation:
                # Its next run waits already: this one will never be needed again.
                await app.job_manager.finish_job(job, status=Status.FAILED, delete_job=False)

    asgiref.sync.async_to_sync(resume)()


@periodic("* * * * *")
def continue_backfills(timestamp: int) -> None:
    """Carry on with the long data steps that a migration left to the background."""
    for name in backfill.unfinished():
        backfill.advance(name)
