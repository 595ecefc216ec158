"""HTTP's edge: sizes, codings, proof of identity, headers. No database."""

import gzip
import io

import orjson
import pytest

from virage.core.fhir import SHARED, adapter

pytestmark = pytest.mark.django_db  # a token is looked for among the revoked before it is refused


def call(method="GET", path="/metadata", body=b"", **environ):
    told = {}

    def start_response(status, headers):
        told["status"] = int(status[:3])
        told["headers"] = dict(headers)

    given = {
        "REQUEST_METHOD": method,
        "PATH_INFO": "/fhir" + path,
        "QUERY_STRING": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "8000",
        "HTTP_HOST": "127.0.0.1:8000",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "CONTENT_LENGTH": str(len(body)) if body else "",
        **environ,
    }
    told["body"] = b"".join(adapter.application(SHARED)(given, start_response))
    return told


@pytest.fixture
def let_in(monkeypatch):
    from tests.core.fhir.router.conftest import SOFTWARE

    monkeypatch.setattr(adapter.accounts, "authenticate", lambda headers: SOFTWARE)


def test_the_statement_is_open():
    told = call()
    assert told["status"] == 200
    assert told["headers"]["X-Content-Type-Options"] == "nosniff"
    assert orjson.loads(told["body"])["implementation"]["url"] == "http://127.0.0.1:8000/fhir"
    assert int(told["headers"]["Content-Length"]) == len(told["body"])


def test_smart_configuration_is_open():
    told = call(path="/.well-known/smart-configuration")
    assert told["headers"]["Content-Type"] == "application/json"
    assert orjson.loads(told["body"])["token_endpoint"] == "http://127.0.0.1:8000/psc/token"


@pytest.mark.parametrize("path", ["/Patient/1", "/Patient", "", "/_history", "/Patient/$validate", "/$nothing", "/é"])
@pytest.mark.parametrize("header", [{}, {"HTTP_AUTHORIZATION": "Basic eDp5"}, {"HTTP_AUTHORIZATION": "Bearer forged"}])
def test_who_are_you(path, header):
    told = call("GET", path, **header)
    assert told["status"] == 401
    forged = header.get("HTTP_AUTHORIZATION", "").startswith("Bearer")
    challenge = 'Bearer realm="virage", error="invalid_token"' if forged else 'Bearer realm="virage"'
    assert told["headers"]["WWW-Authenticate"] == challenge
    assert orjson.loads(told["body"])["issue"][0]["code"] == "login"
    assert told["headers"]["Cache-Control"] == "no-store"


def test_head_has_no_body_but_its_length():
    told = call("HEAD")
    assert told["body"] == b""
    assert int(told["headers"]["Content-Length"]) > 1000


def test_a_declared_size_beyond_the_limit_is_not_even_read(let_in, monkeypatch):
    monkeypatch.setenv("VIRAGE_MAX_BODY", "2048")
    told = call("POST", "/Patient", b"x" * 10, CONTENT_LENGTH=str(50 * 2**20))
    assert told["status"] == 413
    assert orjson.loads(told["body"])["issue"][0]["code"] == "too-long"


def test_an_undeclared_size_is_read_up_to_the_limit(let_in, monkeypatch):
    monkeypatch.setenv("VIRAGE_MAX_BODY", "2048")
    assert call("POST", "/Patient", b"x" * 5000, CONTENT_LENGTH="")["status"] == 413


def test_a_bomb_is_not_inflated(let_in, monkeypatch):
    monkeypatch.setenv("VIRAGE_MAX_BODY", "100000")
    bomb = gzip.compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert call("POST", "/Patient", bomb, HTTP_CONTENT_ENCODING="gzip")["status"] == 413


@pytest.mark.parametrize(
    ("body", "coding", "status"),
    [(b"not gzip", "gzip", 400), (gzip.compress(b"{}", mtime=0)[:-9], "gzip", 400), (b"{}", "br", 415)],
)
def test_bodies_coded_wrongly(let_in, body, coding, status):
    assert call("POST", "/Patient", body, HTTP_CONTENT_ENCODING=coding)["status"] == status


def test_a_body_cut_short_is_told(let_in):
    assert call("POST", "/Patient", b'{"resourceType"', CONTENT_LENGTH="400")["status"] == 400


def test_a_gzip_body_is_read(let_in):
    told = call("POST", "/Patient", gzip.compress(b"[]"), HTTP_CONTENT_ENCODING="gzip")
    assert told["status"] == 400
    assert "tableau" in told["body"].decode()


def test_a_forged_host_does_not_enter_links():
    told = call(HTTP_HOST='evil"><script>')
    assert b"evil" not in told["body"]


def test_preflight():
    told = call("OPTIONS", "/Patient", HTTP_ORIGIN="https://app.example", HTTP_ACCESS_CONTROL_REQUEST_METHOD="GET")
    assert told["status"] == 204
    assert told["headers"]["Access-Control-Allow-Origin"] == "*"
    assert "Authorization" in told["headers"]["Access-Control-Allow-Headers"]


def test_observers_hear_of_every_answer(monkeypatch):
    heard = []
    monkeypatch.setattr(adapter, "observers", [lambda *told: heard.append(told)])
    call()
    assert heard[0][:4] == ("fhir", "capabilities", "", 200)
    assert heard[0][4] > 0


def test_request_ids_come_back_when_they_are_harmless():
    assert call(HTTP_X_REQUEST_ID="abc123")["headers"]["X-Request-Id"] == "abc123"
    assert call(HTTP_X_REQUEST_ID="a\r\nb")["headers"]["X-Request-Id"].isalnum()
