"""$import through the router and over HTTP: lines in, resources and rejects out."""

import gzip
import io
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import orjson
import pytest

from tests.core.fhir.router.conftest import SOFTWARE, asking, observation, patient
from virage.core.callers import Caller
from virage.core.fhir import SHARED, FhirRequest, adapter, router
from virage.core.fhir.bulk import importing

NDJSON = {"content-type": "application/fhir+ndjson"}


@pytest.fixture(autouse=True)
def _home(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))


def _lines(resources):
    return b"\n".join(each if isinstance(each, bytes) else orjson.dumps(each) for each in resources) + b"\n"


def _order(ask, body, **headers):
    told = ask("POST", "$import", body, **(headers or NDJSON))
    assert told.status == 202, told.body
    return told.headers["Content-Location"].partition("/fhir/")[2]


def _finish(ask, status, **more):
    while importing.run(status.partition("job=")[2], **more):
        pass
    told = ask("GET", status)
    assert told.status == 200, told.body
    return told.json


def _rejects(manifest):
    found = []
    for file in manifest["error"]:
        path, _, query = file["url"].partition("/fhir/")[2].partition("?")
        request = FhirRequest("GET", path, query, caller=SOFTWARE, base="http://test.local/fhir")
        found += [orjson.loads(line) for line in b"".join(router.handle(SHARED, request).stream).splitlines()]
    return found


def _world(count):
    return [
        patient(id="p1"),
        *(observation("Patient/p1", id=f"o{number}", effectiveDateTime="2020-01-01") for number in range(count)),
    ]


def test_lines_become_resources(ask):
    status = _order(ask, _lines(_world(30)))
    assert ask("GET", status).status == 202
    manifest = _finish(ask, status)
    assert manifest["extension"] == {"written": 31, "present": 0, "rejected": 0}
    assert ask("GET", "Observation?patient=p1&code=8867-4&_total=accurate").json["total"] == 30
    assert ask("GET", "Observation/o7").json["status"] == "final"
    # Again: what is there stays.
    manifest = _finish(ask, _order(ask, _lines(_world(30))))
    assert manifest["extension"] == {"written": 0, "present": 31, "rejected": 0}


def test_each_bad_line_is_told_with_its_place(ask):
    bad = [
        b"{not json",
        {"resourceType": "Nothing"},
        b"[]",
        {**observation("Patient/p1"), "status": "wrong"},
        {**observation("Patient/p1"), "id": "no/good"},
        b'{"resourceType":"Patient","a":1,"a":2}',
        b'"text"',
        b"\xff\xfe",
        b"[" * 5000,
    ]
    manifest = _finish(ask, _order(ask, _lines([patient(id="p1"), *bad, b"", patient(id="p2")])))
    assert manifest["extension"] == {"written": 2, "present": 0, "rejected": len(bad)}
    found = _rejects(manifest)
    assert [each["id"] for each in found] == [f"input-0-line-{number}" for number in range(2, 2 + len(bad))]
    for each in found:
        assert each["issue"][0]["details"]["text"]
        assert each["issue"][0]["diagnostics"]


def test_a_batch_that_failed_is_taken_again_whole(ask, monkeypatch):
    monkeypatch.setattr(importing, "BATCH", 10)
    lines = [patient(), *(observation("Patient/p1") for _ in range(24)), b"{bad"]
    status = _order(ask, _lines(lines))
    job = status.partition("job=")[2]
    assert importing.run(job, seconds=-1)
    real = importing.jobs.save
    with monkeypatch.context() as failing:

        def fail(*given, **more):
            failing.setattr(importing.jobs, "save", real)
            raise RuntimeError

        failing.setattr(importing.jobs, "save", fail)
        with pytest.raises(RuntimeError):
            importing.run(job)
    manifest = _finish(ask, status)
    assert manifest["extension"] == {"written": 25, "present": 0, "rejected": 1}
    assert ask("GET", "Observation?_summary=count").json["total"] == 24


def test_only_what_the_caller_may_create(ask):
    limited = asking(
        caller=Caller(kind="software", subject="x", patient="p1", scopes=frozenset({"patient/Observation.crs"}))
    )
    lines = [patient(id="p3"), observation("Patient/p1", id="a"), observation("Patient/p2", id="b")]
    told = _finish(limited, _order(limited, _lines(lines)))
    assert told["extension"] == {"written": 1, "present": 0, "rejected": 2}
    assert ask("GET", "Observation/a").status == 200
    assert ask("GET", "Observation/b").status == 404


def test_streamed_over_http_gzip_undone(db, tmp_path, monkeypatch):
    """The adapter hands the body on as it comes: a file larger than the bound on bodies goes through."""
    monkeypatch.setenv("VIRAGE_MAX_BODY", "2048")
    monkeypatch.setattr(adapter.accounts, "authenticate", lambda headers: SOFTWARE)
    served = adapter.application(SHARED)
    data = gzip.compress(_lines(_world(400)))
    told = {}
    environ = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/fhir/$import",
        "CONTENT_TYPE": "application/fhir+ndjson",
        "CONTENT_LENGTH": str(len(data)),
        "HTTP_CONTENT_ENCODING": "gzip",
        "HTTP_HOST": "test.local",
        "wsgi.input": io.BytesIO(data),
    }
    list(served(environ, lambda status, headers: told.update(dict(headers), status=status)))
    assert told["status"].startswith("202")
    manifest = _finish(asking(), told["Content-Location"].partition("/fhir/")[2])
    assert manifest["extension"]["written"] == 401
    for broken in (data[:-20], b"not gzip"):
        environ |= {"wsgi.input": io.BytesIO(broken), "CONTENT_LENGTH": str(len(broken))}
        list(served(environ, lambda status, headers: told.update(dict(headers), status=status)))
        assert told["status"].startswith("400")


@pytest.fixture
def elsewhere():
    """A server of NDJSON on the loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            if self.path == "/moved":
                self.send_response(302)
                self.send_header("Location", "/patients")
                self.end_headers()
                return
            body = _lines([patient(id="far")])
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def _manifest(*urls):
    parts = [
        {"name": "input", "part": [{"name": "type", "valueCode": "Patient"}, {"name": "url", "valueUrl": url}]}
        for url in urls
    ]
    return {
        "resourceType": "Parameters",
        "parameter": [{"name": "inputFormat", "valueCode": "application/fhir+ndjson"}, *parts],
    }


def test_inputs_by_address(ask, elsewhere, monkeypatch):
    monkeypatch.setenv("VIRAGE_SUBSCRIPTION_LOOPBACK", "1")
    json = {"content-type": "application/fhir+json"}
    told = _finish(ask, _order(ask, _manifest(f"{elsewhere}/patients"), **json))
    assert told["extension"]["written"] == 1
    assert ask("GET", "Patient/far").status == 200
    status = _order(ask, _manifest(f"{elsewhere}/moved"), **json)
    importing.run(status.partition("job=")[2])
    assert "302" in ask("GET", status).texts


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "https://localhost/x",
        "https://10.0.0.1/x",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::7f00:1]/",
        "https://0.0.0.0/",
        "https://2130706433/",
        "https://user@93.184.216.34/",
        "http://93.184.216.34/plain",
        "file:///etc/hosts",
        "https://93.184.216.34:99999/",
        "https://a b/",
        "https://",
    ],
)
def test_addresses_inside_are_refused(ask, url):
    told = ask("POST", "$import", _manifest(url))
    assert told.status == 422, told.body
    assert told.texts


@pytest.mark.parametrize("body", [{"resourceType": "Parameters"}, {"resourceType": "Patient"}, _manifest("")])
def test_orders_without_anything_to_read_are_refused(ask, body):
    assert ask("POST", "$import", body).status == 400
