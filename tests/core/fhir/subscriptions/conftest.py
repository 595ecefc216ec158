"""The router's fixtures, and a subscriber on the loopback."""

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tests.core.fhir.router.conftest import _traces_at_once, ask, ask_for_real, live  # noqa: F401


class Endpoint:
    """What a subscriber got, and what it answers."""

    def __init__(self, port):
        self.url, self.status, self.got = f"http://127.0.0.1:{port}/hook", 200, []
        self.headers = {}


@pytest.fixture
def endpoint(monkeypatch):
    monkeypatch.setenv("VIRAGE_SUBSCRIPTION_LOOPBACK", "1")
    held = []

    class Handler(BaseHTTPRequestHandler):
        def _take(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            held[0].got.append((self.command, self.path, dict(self.headers), body))
            self.send_response(held[0].status)
            for name, value in held[0].headers.items():
                self.send_header(name, value)
            self.end_headers()

        do_POST = do_PUT = _take

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        held.append(Endpoint(server.server_port))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield held[0]
        server.shutdown()
        thread.join()
