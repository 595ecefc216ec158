"""The engine's own periodic work."""

import asgiref.sync
from procrastinate.contrib.django import app

from virage.core.db import backfill
from virage.core.events.work import periodic


@periodic("* * * * *")
def resume_abandoned(timestamp: int) -> None:
    """Start again the tasks of workers that were killed: their heartbeat has stopped."""

    async def resume() -> None:
        for job in await app.job_manager.get_stalled_jobs():
            await app.job_manager.retry_job(job)

    asgiref.sync.async_to_sync(resume)()


@periodic("* * * * *")
def continue_backfills(timestamp: int) -> None:
    """Carry on with the long data steps that a migration left to the background."""
    for name in backfill.unfinished():
        backfill.advance(name)
