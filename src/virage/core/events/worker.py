"""The worker: delivers events and runs tasks, inside `virage serve` or alone (`virage worker`), as many as one likes."""

import asyncio
import contextlib
import copy
import logging
import threading
import time
from collections.abc import Callable
from typing import Any

from virage.core.events import delivery

logger = logging.getLogger("virage.events")

_STEADY = 30.0
"""Seconds after which a worker that ends was a sound one: the pauses grow again from the shortest."""


class Worker:
    """Two threads: one delivers events, one runs the tasks of procrastinate."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=delivery.run, args=(self._stop,), name="events"),
            threading.Thread(target=_run_tasks, args=(self._stop,), name="tasks"),
        ]

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """End once what is under way is finished; what waits stays in the database."""
        self._stop.set()
        for thread in self._threads:
            thread.join()


def _run_tasks(stop: threading.Event) -> None:
    pause = 0.5
    while not stop.is_set():
        began = time.monotonic()
        try:
            asyncio.run(_tasks(stop))
            reason = "the worker gave up"  # it also ends quietly, when one of its side tasks has lost the database
        except Exception as error:  # the database went away: whatever the reason, come back
            reason = delivery.describe(error)
        if not stop.is_set():
            pause = 0.5 if time.monotonic() - began > _STEADY else min(pause * 2, 10)
            logger.warning("tasks interrupted: %s; again in %g s", reason, pause)
            stop.wait(pause)


def _alone(call_next: Callable[[], Any], context: object, worker: object) -> Any:
    """Give each task a connection for its own time: between two tasks an open one would only hold memory."""
    from django.db import connections

    try:
        return call_next()
    finally:
        connections.close_all()


async def _tasks(stop: threading.Event) -> None:
    """Run procrastinate's worker until `stop`.

    It has an app of its own, with the same tasks: the app that rooms defer with must stay on Django's connection, in the
    transaction under way.
    """
    from procrastinate import App
    from procrastinate.contrib.django import app
    from procrastinate.contrib.django.utils import connector_params
    from procrastinate.periodic import PeriodicRegistry
    from procrastinate.psycopg_connector import PsycopgConnector

    parameters: dict[str, Any] = await asyncio.to_thread(connector_params)
    connector = PsycopgConnector(min_size=1, max_size=2, kwargs=parameters)
    own = App(connector=connector, worker_defaults=app.worker_defaults)
    own.tasks = app.tasks
    own.periodic_registry = PeriodicRegistry()  # type: ignore[no-untyped-call]
    for periodic in app.periodic_registry.periodic_tasks.values():
        # A task is ordered through the app it belongs to: left to the other, its order would wait in a thread and on a
        # connection of Django that nobody looks after, and stay lost once the database has been away.
        task = copy.copy(periodic.task)
        task.blueprint = own
        own.periodic_registry.register_task(
            task=task,
            cron=periodic.cron,
            periodic_id=periodic.periodic_id,
            configure_kwargs={**periodic.configure_kwargs},
        )
    async with own.open_async():
        worker = asyncio.create_task(
            own.run_worker_async(
                install_signal_handlers=False, delete_jobs="successful", concurrency=1, task_middleware=[_alone]
            )
        )
        while not worker.done() and not stop.is_set():
            await asyncio.wait([worker], timeout=0.25)
        if not worker.done():
            worker.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await worker
