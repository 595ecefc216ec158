"""A small S3 over loopback: it checks signatures and digests by itself, and fails when told to."""

import hashlib
import hmac
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, quote, unquote, urlsplit

KEY, SECRET, REGION = "key-of-the-test", "secret/of+the=test", "fr-par"


class ObjectStore(ThreadingHTTPServer):
    """`objects` by path; `fail` counts the requests that are answered by `status` before the store works again."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.objects: dict[str, bytes] = {}
        self.asked: list[tuple[str, str]] = []
        self.fail = 0
        self.cut = 0
        self.status = 503
        self.page = 2

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: ObjectStore
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        return

    def _answer(self, status: int, body: bytes = b"") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            if self.command == "GET" and body and self.server.cut:
                self.server.cut -= 1
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
                return
            self.wfile.write(body)

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        place = urlsplit(self.path)
        path = unquote(place.path)
        self.server.asked.append((self.command, path))
        if self.server.fail:
            self.server.fail -= 1
            self._answer(self.server.status)
        elif not self._signed(place.path, place.query, hashlib.sha256(body).hexdigest()):
            self._answer(403)
        elif self.command == "PUT":
            self.server.objects[path] = body
            self._answer(200)
        elif path == "/files":
            self._answer(200, self._listed(dict(parse_qsl(place.query))))
        elif path in self.server.objects:
            self._answer(200, self.server.objects[path])
        else:
            self._answer(404)

    do_GET = do_HEAD = do_PUT = _handle

    def _listed(self, asked: dict[str, str]) -> bytes:
        start = f"/files/{asked['prefix']}"
        names = sorted(name for name in self.server.objects if name.startswith(start))
        first = int(asked.get("continuation-token", "0"))
        page = names[first : first + self.server.page]
        more = first + len(page)
        keys = "".join(f"<Contents><Key>{name.removeprefix('/files/')}</Key></Contents>" for name in page)
        token = f"<NextContinuationToken>{more}</NextContinuationToken>" if more < len(names) else ""
        return f'<ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{keys}{token}</ListBucketResult>'.encode()

    def _signed(self, path: str, query: str, digest: str) -> bool:
        """The store's side of the protocol, from the received request alone."""
        if self.headers["x-amz-content-sha256"] != digest:
            return False
        words = dict(part.strip().split("=", 1) for part in self.headers["Authorization"].split(" ", 1)[1].split(","))
        key, day, region, service, end = words["Credential"].split("/")
        if (key, region, service) != (KEY, REGION, "s3") or not self.headers["x-amz-date"].startswith(day):
            return False
        signed = words["SignedHeaders"].split(";")
        if not {"host", "x-amz-date", "x-amz-content-sha256"} <= set(signed):
            return False
        pairs = sorted(
            (quote(n, safe="-_.~"), quote(v, safe="-_.~")) for n, v in parse_qsl(query, keep_blank_values=True)
        )
        request = f"{self.command}\n{path}\n{'&'.join('='.join(pair) for pair in pairs)}\n"
        request += "".join(f"{name}:{self.headers[name].strip()}\n" for name in signed)
        request += f"\n{';'.join(signed)}\n{digest}"
        text = f"AWS4-HMAC-SHA256\n{self.headers['x-amz-date']}\n{day}/{region}/{service}/{end}\n"
        text += hashlib.sha256(request.encode()).hexdigest()
        secret = f"AWS4{SECRET}".encode()
        for word in (day, region, service, end):
            secret = hmac.new(secret, word.encode(), hashlib.sha256).digest()
        return hmac.new(secret, text.encode(), hashlib.sha256).hexdigest() == words["Signature"]


@contextmanager
def running() -> Iterator[ObjectStore]:
    store = ObjectStore()
    thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        thread.join()
        store.server_close()
