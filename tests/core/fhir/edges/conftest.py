"""FHIR over HTTP's own interface (WSGI), and what every answer to bad input has to be."""

import io
import resource
from typing import Any

import orjson
import pytest

from tests.bounds import bounded
from tests.core.fhir.router.conftest import SOFTWARE, _traces_at_once, ask, observation, patient  # noqa: F401
from virage.core import db
from virage.core.fhir import SHARED, FhirService, adapter, xml

# http://hl7.org/fhir/issue-type, R4
ISSUE_TYPES = frozenset(
    [
        "invalid",
        "structure",
        "required",
        "value",
        "invariant",
        "security",
        "login",
        "unknown",
        "expired",
        "forbidden",
        "suppressed",
        "processing",
        "not-supported",
        "duplicate",
        "multiple-matches",
        "not-found",
        "deleted",
        "too-long",
        "code-invalid",
        "extension",
        "too-costly",
        "business-rule",
        "conflict",
        "transient",
        "lock-error",
        "no-store",
        "exception",
        "timeout",
        "incomplete",
        "throttled",
        "informational",
    ]
)
MEGABYTES = 1024


class Answered:
    """An answer as the client gets it."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)

    @property
    def outcome(self) -> Any:
        told = xml.loads(self.body) if self.body.startswith(b"<") else self.json
        assert told["resourceType"] == "OperationOutcome"
        return told


class Door:
    """Sends requests to a base, and holds every answer to what the issue promises."""

    def __init__(self, caplog: pytest.LogCaptureFixture, service: FhirService = SHARED) -> None:
        self._caplog = caplog
        self._base = service.base
        self._served = adapter.application(service)

    def send(
        self, method: str, path: str, query: str = "", body: bytes = b"", kind: str = "", **headers: str
    ) -> Answered:
        told: dict[str, Any] = {}

        def start_response(status: str, given: list[tuple[str, str]]) -> None:
            for name, value in given:
                assert not set(value) & {"\r", "\n"}, name
                assert value.isascii(), name
            told.update(status=int(status[:3]), headers=dict(given))

        wire = {f"HTTP_{name.upper()}": value.encode().decode("latin-1") for name, value in headers.items()}
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": self._base + path.encode().decode("latin-1"),
            "QUERY_STRING": query,
            "SERVER_NAME": "127.0.0.1",
            "SERVER_PORT": "8000",
            "wsgi.url_scheme": "http",
            "wsgi.input": io.BytesIO(body),
            "CONTENT_LENGTH": str(len(body)) if body else "",
            "CONTENT_TYPE": kind.encode().decode("latin-1"),
            **wire,
        }
        answer = b"".join(self._served(environ, start_response))
        return Answered(told["status"], told["headers"], answer)

    def hold(
        self, method: str, path: str, query: str = "", body: bytes = b"", kind: str = "", **headers: str
    ) -> Answered:
        """Send, and check: never a 5xx; a refusal is an OperationOutcome with code and advice, in bounded time, that wrote nothing."""
        before, peak = written(), _peak()
        self._caplog.clear()
        with bounded():
            answer = self.send(method, path, query, body, kind, **headers)
        assert _peak() - peak < MEGABYTES
        assert answer.status < 500, (answer.body, self._caplog.text)
        if answer.status >= 400:
            assert written() == before, answer.body
            if method != "HEAD":
                refused(answer.outcome)
        return answer


def refused(outcome: Any) -> None:
    """A refusal says what a program can test, where, and what to do."""
    for issue in outcome["issue"]:
        assert issue["code"] in ISSUE_TYPES
        assert issue["severity"] in ("fatal", "error", "warning", "information")
        assert issue["diagnostics"].startswith(issue["details"]["coding"][0]["code"])
        assert issue["details"]["text"].strip()
        assert "Traceback" not in issue["details"]["text"]


def written() -> Any:
    """What changes with any write."""
    with db.cursor() as cursor:
        return cursor.execute("SELECT count(*), coalesce(sum(version), 0) FROM fhir_resource").fetchone()


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


@pytest.fixture
def door(ask, monkeypatch, caplog, tmp_path) -> Door:  # noqa: F811
    """The door of /fhir, a caller who may do everything, and two resources."""
    monkeypatch.setattr(adapter.accounts, "authenticate", lambda headers: SOFTWARE)
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    assert ask("PUT", "Patient/p", patient(id="p")).status == 201
    assert ask("PUT", "Observation/o", observation("Patient/p", id="o")).status == 201
    return Door(caplog)
