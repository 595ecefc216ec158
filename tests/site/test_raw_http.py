"""Bytes that no HTTP library sends, to a real server: an answer, never a 5xx, and it goes on serving."""

import re
import socket

import pytest

from tests.site.running import Running
from tests.site.test_killed_transactions import TOKEN

pytestmark = pytest.mark.slow
BODY = b'{"resourceType":"Patient"}'


@pytest.fixture(scope="module")
def house(tmp_path_factory):
    home = tmp_path_factory.mktemp("raw")
    home.parent.chmod(0o711)
    home.chmod(0o711)
    running = Running(home)
    running.run("migrate")
    running.start()
    running.bearer = running.script(TOKEN).split()[-1].encode()
    yield running
    assert running.end() == 0


def send(house, start, *headers, body=b"", known=True):
    """The status and the body of the answer to these very bytes; 0 when the connection was just closed."""
    lines = [start, b"Host: 127.0.0.1", *headers]
    if known:
        lines.append(b"Authorization: Bearer " + house.bearer)
    with socket.create_connection(("127.0.0.1", house.port), timeout=120) as connection:
        connection.sendall(b"\r\n".join(lines) + b"\r\nConnection: close\r\n\r\n" + body)
        told = b""
        while chunk := connection.recv(65536):
            told += chunk
    found = re.match(rb"HTTP/1\.[01] (\d{3})", told)
    return int(found[1]) if found else 0, told.partition(b"\r\n\r\n")[2]


GET = b"GET /fhir/Patient HTTP/1.1"
POST = b"POST /fhir/Patient HTTP/1.1"
JSON = b"Content-Type: application/fhir+json"
LENGTH = b"Content-Length: 26"
CHUNKED = b"Transfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("start", "headers", "body", "status"),
    [
        (GET, (), b"", 200),
        (b"GET /fhir/Patient/\xff\xfe HTTP/1.1", (), b"", 400),
        (b"GET /fhir/Patient/%ff HTTP/1.1", (), b"", 404),
        (b"GET /fhir/Patient/%00 HTTP/1.1", (), b"", 400),
        ("GET /fhir/Patient/é HTTP/1.1".encode(), (), b"", 400),
        (b"GET /fhir/Patient?name=\xff HTTP/1.1", (), b"", 400),
        (b"GET /fhir/Patient?name=%ff HTTP/1.1", (), b"", 400),
        ("GET /fhir/Patient?name=é HTTP/1.1".encode(), (), b"", 200),
        (b"GET /fhir/../fhir/Patient HTTP/1.1", (), b"", 404),
        (b"GET /fhir/Patient?name=" + b"a" * 100_000 + b" HTTP/1.1", (), b"", 414),
        (b"FOO /fhir/Patient HTTP/1.1", (), b"", 405),
        (b"\x00\x01\x02", (), b"", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (), b"", 400),
        (GET, tuple(b"X-%d: a" % number for number in range(3000)), b"", 431),
        (GET, (b"Accept: \xe9",), b"", 200),
        (POST, (JSON, LENGTH, b"If-None-Exist: name=\xe9"), BODY, 400),
        (POST, (JSON, LENGTH, "If-None-Exist: name=é".encode()), BODY, 400),
        (POST, (JSON, LENGTH, b"If-None-Exist:"), BODY, 400),
        (b"PUT /fhir/Patient/p HTTP/1.1", (JSON, LENGTH, b"If-Match: \xe9"), BODY, 400),
        (POST, (JSON, b"Content-Length: -1"), BODY, 400),
        (POST, (JSON, LENGTH, b"Content-Length: 27"), BODY, 400),
        (POST, (JSON, b"Content-Length: 99999999999"), BODY, 413),
        (POST, (JSON, b"Content-Length: " + b"9" * 30), BODY, 400),
        (POST, (JSON, CHUNKED), b"1a\r\n" + BODY + b"\r\n0\r\n\r\n", 201),
        (POST, (JSON, CHUNKED), b"zz\r\n" + BODY + b"\r\n0\r\n\r\n", 400),
        (POST, (b"Content-Type: \xe9", LENGTH), BODY, 201),
    ],
)
def test_bytes(house, start, headers, body, status):
    told, answer = send(house, start, *headers, body=body)
    assert told == status, answer[:300]
    if answer and status >= 400:
        assert b"OperationOutcome" in answer
    assert send(house, GET)[0] == 200


def test_a_client_that_leaves_in_the_middle_holds_nothing(house):
    for start, kind in ((POST, JSON), (b"POST /fhir/$import HTTP/1.1", b"Content-Type: application/fhir+ndjson")):
        for _ in range(20):
            lines = [start, b"Host: x", b"Authorization: Bearer " + house.bearer, kind, b"Content-Length: 500"]
            with socket.create_connection(("127.0.0.1", house.port), timeout=120) as connection:
                connection.sendall(b"\r\n".join(lines) + b"\r\n\r\n" + BODY)
    assert send(house, GET)[0] == 200


def test_an_unreadable_proof_proves_nothing(house):
    assert send(house, GET, b"Authorization: Bearer \xff", known=False)[0] == 401
    assert send(house, GET, b"Authorization: Bearer x")[0] == 401
