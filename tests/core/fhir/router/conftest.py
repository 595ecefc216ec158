"""A caller who may do everything, one who may do little, and a short way to ask the router."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import orjson
import pytest

from virage.core.callers import Caller
from virage.core.fhir import SHARED, FhirRequest, FhirService, router
from virage.core.fhir.service import register

BASE = "http://test.local/fhir"
SOFTWARE = Caller(kind="software", subject="essai", client_id="essai", scopes=frozenset({"system/*.cruds"}))


@dataclass
class Answer:
    """An answer with its body read."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def texts(self) -> str:
        return " ".join(issue["details"]["text"] for issue in self.json["issue"])


Ask = Callable[..., Answer]


def asking(service: FhirService = SHARED, caller: Caller = SOFTWARE) -> Ask:
    """A function that asks this service as this caller: ask("GET", "Patient/1?_summary=true")."""
    register(service)

    def ask(method: str, url: str, body: Any = None, **headers: str) -> Answer:
        path, _, query = url.partition("?")
        given = {name.replace("_", "-").lower(): value for name, value in headers.items()}
        if body is not None and not isinstance(body, bytes):
            body = orjson.dumps(body)
            given.setdefault("content-type", "application/fhir+json")
        request = FhirRequest(method, path, query, given, body or b"", caller, BASE.replace("/fhir", service.base))
        response = router.handle(service, request)
        return Answer(response.status, response.headers, response.body)

    return ask


@pytest.fixture(autouse=True)
def _traces_at_once(monkeypatch):
    """Read traces are written by the test's own connection, not by the thread that waits for more of them."""
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)


@pytest.fixture
def ask(db) -> Ask:
    """Ask /fhir, in a database that forgets after the test."""
    return asking()


@pytest.fixture
def ask_for_real(own_database) -> Ask:
    """Ask /fhir, in a database of this test's own, where transactions really commit."""
    return asking()


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: Any) -> None:
        pass


class _Threaded(socketserver.ThreadingMixIn, WSGIServer):
    daemon_threads = True


@pytest.fixture
def live(own_database) -> Iterator[str]:
    """The address of /fhir on a real server of this process, on a free port."""
    from django.db import connections

    from virage.core.fhir.adapter import application

    served = application(SHARED)

    def closing(environ: Any, start_response: Any) -> Any:
        try:
            yield from served(environ, start_response)
        finally:
            connections.close_all()

    with make_server("127.0.0.1", 0, closing, _Threaded, _Quiet) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/fhir"
        server.shutdown()
        thread.join()


def patient(**more: Any) -> dict[str, Any]:
    """A small Patient."""
    return {"resourceType": "Patient", "name": [{"family": "Essai", "given": ["Anne"]}], "gender": "female", **more}


def observation(subject: str, **more: Any) -> dict[str, Any]:
    """A small Observation about a subject."""
    return {
        "resourceType": "Observation",
        "status": "final",
        "code": {"coding": [{"system": "http://loinc.org", "code": "8867-4"}]},
        "subject": {"reference": subject},
        "valueQuantity": {"value": 72, "unit": "/min"},
        **more,
    }
