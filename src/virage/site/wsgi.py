"""The one WSGI application: FHIR services by prefix, ahead of Django, then Django for everything else."""

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "virage.site.settings")
django.setup()

from django.core.handlers.wsgi import WSGIHandler  # noqa: E402

from virage.site import house  # noqa: E402
from virage.site.measures import Wsgi, measured  # noqa: E402


def build() -> Wsgi:
    """Dispatch on the longest base of a FHIR service; what no service claims goes to Django."""
    services: dict[str, list[tuple[str, Wsgi]]] = {}  # by the first segment of their base
    if house.fhir_services():
        from virage.core.fhir.adapter import application as fhir_application
        from virage.core.fhir.store import kept

        kept.start()

        for service in house.fhir_services():
            base = service.base.rstrip("/")
            services.setdefault(base.split("/")[1], []).append((base, measured(base, fhir_application(service))))
    for alike in services.values():
        alike.sort(key=lambda pair: -len(pair[0]))
    pages = measured("pages", WSGIHandler())

    def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        for base, service in services.get(path[1:].partition("/")[0], ()):
            if path.startswith(base) and (len(path) == len(base) or path[len(base)] == "/"):
                return service(environ, start_response)
        return pages(environ, start_response)

    return application


application = build()
gc.collect()
gc.freeze()  # what is loaded stays: the collector need not look at it again
# A large bundle is many small objects that all live until its answer: looked at each 700, the collector took a fifth of the time.
gc.set_threshold(20_000, 20, 50)
