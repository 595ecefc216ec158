"""Liveness and figures for the operator: `/health` and `/metrics`. Open to all, and therefore without a word on anybody."""

from django.db import Error
from django.http import HttpRequest, HttpResponse, JsonResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest

from virage.core import db


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


def metrics(request: HttpRequest) -> HttpResponse:
    """Prometheus text."""
    registry: CollectorRegistry = REGISTRY
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
