"""The one WSGI application: FHIR services by prefix, ahead of Django, then Django for everything else."""

import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "virage.site.settings")
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

from virage.site import house  # noqa: E402

Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


def build() -> Wsgi:
    """Dispatch on the longest base of a FHIR service; what no service claims goes to Django."""
    services: list[tuple[str, Wsgi]] = []
    if house.fhir_services():
        from virage.core.fhir.adapter import application as fhir_application

        services = [(service.base.rstrip("/"), fhir_application(service)) for service in house.fhir_services()]
        services.sort(key=lambda pair: -len(pair[0]))
    pages = WSGIHandler()

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        for base, service in services:
            if path.startswith(base) and (len(path) == len(base) or path[len(base)] == "/"):
                return service(environ, start_response)
        return pages(environ, start_response)

    return application


application = build()
