"""Liveness and figures for the operator: `/health`, open to all, and `/metrics`, for programs with a token. No word on anybody."""

import os

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, Gauge, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

from virage.core import db, events
from virage.core.accounts import door, token_door
from virage.site import measures


@door("public")
def health(request: HttpRequest) -> HttpResponse:
    """200 when the database answers, 503 when it does not."""
    try:
        with db.cursor() as cursor:
            cursor.execute("SELECT 1")
    except Exception as error:  # whatever the reason, the state is told rather than raised
        if not isinstance(error, (Error, OSError)) and not type(error).__module__.startswith(("psycopg", "virage")):
            raise
        return JsonResponse({"status": "down", "database": "down"}, status=503)
    return JsonResponse({"status": "up", "database": "up"})


@token_door
def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text: the sum of all web processes of this machine, and the state of the events."""
    measures.count()
    registry = CollectorRegistry()
    if "PROMETHEUS_MULTIPROC_DIR" in os.environ:
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    else:
        registry.register(measures.REQUESTS)
        registry.register(measures.SECONDS)
    waiting, dead = events.pending()
    Gauge("virage_events_waiting", "Deliveries that wait", registry=registry).set(waiting)
    Gauge("virage_events_dead", "Deliveries that failed for good", registry=registry).set(dead)
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
