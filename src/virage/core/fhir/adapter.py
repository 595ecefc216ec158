"""HTTP for the engine: a WSGI environment in, a FhirRequest; a FhirResponse, the answer out. Nothing else."""

import logging
import random
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from virage.core import accounts, settings
from virage.core.accounts.tokens import verify
from virage.core.errors import Malformed, VirageError
from virage.core.fhir import json, representation, router
from virage.core.fhir.interactions import reads
from virage.core.fhir.request import CONTENT_TYPES, JSON, REASONS, FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService, register

if TYPE_CHECKING:
    from virage.core.fhir.store import Version

log = logging.getLogger("virage.fhir")

StartResponse = Callable[..., Any]
Wsgi = Callable[[dict[str, Any], StartResponse], Iterable[bytes]]

_CHUNK = 64 * 1024
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_CONDITIONS = (
    ("HTTP_IF_MATCH", "If-Match"),
    ("HTTP_IF_NONE_MATCH", "If-None-Match"),
    ("HTTP_IF_NONE_EXIST", "If-None-Exist"),
    ("HTTP_IF_MODIFIED_SINCE", "If-Modified-Since"),
)
_SMART = ".well-known/smart-configuration"
# What every answer says to browsers: health data is for nobody's cache, frame or guess.
_SECURITY = [
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Vary", "Accept, Authorization"),
]
_OPEN = [
    ("Access-Control-Allow-Origin", "*"),
    ("Access-Control-Expose-Headers", "ETag, Location, Content-Location, Retry-After, X-Progress"),
]

observers: list[Callable[[str, str, str, int, float], None]] = []
"""Called after each answer with (space, interaction, type, status, seconds); `site` hangs its metrics here."""


class TooLarge(VirageError):
    """The body is larger than this base takes."""

    code = "FHIR.TOO_LARGE"
    status = 413
    issue = "too-long"


def application(service: FhirService) -> Wsgi:
    """The WSGI callable that serves a base, wherever it is mounted: PATH_INFO begins with `service.base`."""
    register(service)
    cut = len(service.base) + 1
    limit = settings.number("VIRAGE_MAX_BODY", 1024)

    def answer(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        if environ["REQUEST_METHOD"] == "GET" and not environ.get("QUERY_STRING"):
            version = _known(environ, service, cut)
            if version is not None:
                body = version.body
                headers = _read_headers(version.version, version.last_updated, len(body))
                start_response("200 OK", [*headers, ("X-Request-Id", f"{random.getrandbits(64):016x}")])
                return [body]
        started = time.perf_counter()
        request = _request(environ, service, cut)
        response = _respond(environ, service, request, limit)
        status, body = response.status, response.body
        headers = list(response.headers.items())
        headers += _SECURITY if "Cache-Control" not in response.headers else _SECURITY[1:]
        mark = environ.get("HTTP_X_REQUEST_ID", "")
        if not mark.isalnum() or len(mark) > 64:
            mark = f"{random.getrandbits(64):016x}"
        headers.append(("X-Request-Id", mark))
        if environ.get("HTTP_ORIGIN"):
            headers += _OPEN
        if response.stream is None and status != 204 and status != 304:
            headers.append(("Content-Length", str(len(body))))
        start_response(REASONS[status], headers)
        for observe in observers:
            observe(service.space, request.interaction, request.type, status, time.perf_counter() - started)
        if request.method == "HEAD":
            return []
        return [body] if response.stream is None else response.stream

    return answer


def _known(environ: dict[str, Any], service: FhirService, cut: int) -> "Version | None":
    """The read that needs nothing but what is at hand: most reads of what is read often. All others, refusals too, go the whole way."""
    header = environ.get
    if (
        header("HTTP_IF_NONE_MATCH")
        or header("HTTP_IF_MODIFIED_SINCE")
        or header("HTTP_ORIGIN")
        or header("HTTP_X_REQUEST_ID")
    ):
        return None
    authorization = header("HTTP_AUTHORIZATION", "")
    if not authorization.startswith("Bearer "):
        return None
    try:
        return reads.known(environ["PATH_INFO"][cut:], header("HTTP_ACCEPT", ""), verify(authorization[7:]), service)
    except Exception:  # whatever it is, the whole way meets it too, and says it
        return None


@lru_cache(maxsize=8192)
def _read_headers(number: int, updated: datetime, size: int) -> list[tuple[str, str]]:
    tag, date = representation.validators(number, updated)
    kind, length = ("Content-Type", CONTENT_TYPES[JSON]), ("Content-Length", str(size))
    return [("ETag", tag), ("Last-Modified", date), kind, *_SECURITY, length]


class _Headers(Mapping[str, str]):
    """The headers of a WSGI environment by their lower-case names. Most are never asked for, so none is renamed before."""

    __slots__ = ("_environ",)

    def __init__(self, environ: dict[str, Any]) -> None:
        self._environ = environ

    def get(self, name: str, default: Any = None) -> Any:
        return self._environ.get(_variable(name)) or default

    def __getitem__(self, name: str) -> str:
        found: str | None = self.get(name)
        if found is None:
            raise KeyError(name)
        return found

    def __contains__(self, name: object) -> bool:
        return bool(self._environ.get(_variable(str(name))))

    def __iter__(self) -> Iterator[str]:
        for variable in self._environ:
            if variable.startswith("HTTP_"):
                yield variable[5:].replace("_", "-").lower()
        if self._environ.get("CONTENT_TYPE"):
            yield "content-type"

    def __len__(self) -> int:
        return sum(1 for _ in self)


@lru_cache(maxsize=256)
def _variable(name: str) -> str:
    """What WSGI calls a header."""
    name = name.upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else "HTTP_" + name


def _request(environ: dict[str, Any], service: FhirService, cut: int) -> FhirRequest:
    path: str = environ["PATH_INFO"][cut:]
    query: str = environ.get("QUERY_STRING", "")
    try:
        # WSGI gives the bytes of the path and of the query as Latin-1.
        path = path if path.isascii() else path.encode("latin-1").decode()
        query = query if query.isascii() else query.encode("latin-1").decode()
    except UnicodeError:
        path = "?"
    host = environ.get("HTTP_HOST") or f"{environ['SERVER_NAME']}:{environ['SERVER_PORT']}"
    return FhirRequest(
        environ["REQUEST_METHOD"].upper(),
        path,
        query,
        _Headers(environ),
        base=_base(environ.get("wsgi.url_scheme", "http"), host, service.base),
    )


@lru_cache(maxsize=256)
def _base(scheme: str, host: str, base: str) -> str:
    """The absolute address of the base: the public one where it is set, else the one that the client used."""
    public = settings.get("VIRAGE_BASE_URL").rstrip("/")
    if public:
        return public + base
    if any(not (char.isalnum() or char in ".:-[]") for char in host) or len(host) > 255:
        return settings.base_url() + base
    return f"{scheme}://{host}{base}"


def _respond(environ: dict[str, Any], service: FhirService, request: FhirRequest, limit: int) -> FhirResponse:
    try:
        if request.method == "GET" and request.path == _SMART:
            return smart_configuration(request)
        if request.method == "OPTIONS" and "access-control-request-method" in request.headers:
            return _preflight()
        if not is_open(service, request):
            request.caller = accounts.authenticate(request.headers)
        if request.method not in _READING:
            _refuse_blank_conditions(environ)
        if request.method in ("POST", "PUT", "PATCH"):
            if request.path == "$import" and "ndjson" in request.headers.get("content-type", ""):
                request.stream = pieces(environ)
            else:
                request.body = body(environ, limit)
    except VirageError as error:
        return router.refusal(request, error)
    except Exception as error:
        return router.accident(request, error)
    return router.handle(service, request)


def _refuse_blank_conditions(environ: dict[str, Any]) -> None:
    """The web server hands over as empty a header that it cannot read, such as one with letters that are not ASCII: a condition
    must not be lost on the way, the write would be made without it. Raises Malformed.
    """
    for variable, name in _CONDITIONS:
        if environ.get(variable) == "":
            raise Malformed(
                f"L'en-tête « {name} » est vide, ou porte des caractères hors de l'ASCII : codez-les (« é » s'écrit %C3%A9).",
                code="FHIR.CONDITION",
                issue="value",
                path=name,
            )


def is_open(service: FhirService, request: FhirRequest) -> bool:
    """Whether a request is served without a token: /metadata, OPTIONS, and the operations that say they are public."""
    if request.path == "metadata" or request.method == "OPTIONS":
        return True
    name = request.path.rpartition("/")[2]
    if name[:1] != "$":
        return False
    return (
        any(
            operation.public
            for level in ("system", "type", "instance")
            for operation in service.operation_table.get((level, name[1:]), ())
        )
        and "authorization" not in request.headers
    )


def body(environ: dict[str, Any], limit: int) -> bytes:
    """The body, `limit` bytes at most, gzip undone within the same bound. Raises TooLarge (413), Malformed."""
    if (_length(environ) or 0) > limit:
        raise _too_large(limit)
    received: list[bytes] = []
    size = 0
    for chunk in _chunks(environ):
        size += len(chunk)
        if size > limit:
            raise _too_large(limit)
        received.append(chunk)
    whole = received[0] if len(received) == 1 else b"".join(received)
    return _inflated(whole, limit) if _is_gzip(environ) else whole


def pieces(environ: dict[str, Any]) -> Iterator[bytes]:
    """The body as it comes, gzip undone, never whole in memory. Raises Malformed."""
    inflater = zlib.decompressobj(wbits=31) if _is_gzip(environ) else None
    for chunk in _chunks(environ):
        try:
            while inflater is not None and chunk:
                yield inflater.decompress(chunk, _CHUNK)
                chunk = inflater.unconsumed_tail
        except zlib.error:
            raise Malformed("Le corps annoncé en gzip est illisible.", code="FHIR.BODY") from None
        if inflater is None:
            yield chunk
    if inflater is not None and not inflater.eof:
        raise _incomplete()


def _length(environ: dict[str, Any]) -> int | None:
    """The length announced; None for a body whose end alone says how long it is."""
    length = environ.get("CONTENT_LENGTH") or ""
    return int(length) if length.isdecimal() else None


def _chunks(environ: dict[str, Any]) -> Iterator[bytes]:
    """The body as it was sent. Raises Malformed when it ends before its length."""
    stream, left = environ["wsgi.input"], _length(environ)
    while left is None or left > 0:
        chunk = stream.read(_CHUNK if left is None else min(_CHUNK, left))
        if not chunk:
            break
        if left is not None:
            left -= len(chunk)
        yield chunk
    if left:
        raise _incomplete()


def _incomplete() -> Malformed:
    return Malformed("Le corps de la requête est arrivé incomplet.", code="FHIR.BODY")


def _is_gzip(environ: dict[str, Any]) -> bool:
    """Whether the body is to be inflated. Raises VirageError (415) for another coding."""
    coding = environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if coding not in ("", "identity", "gzip", "x-gzip"):
        raise VirageError(
            "Seul le codage « gzip » est accepté.",
            code="FHIR.CONTENT_ENCODING",
            status=415,
            issue="not-supported",
            path="Content-Encoding",
        )
    return "gzip" in coding


def _inflated(data: bytes, limit: int) -> bytes:
    """A bomb is found by never asking for more than the limit."""
    inflater = zlib.decompressobj(wbits=31)
    try:
        whole = inflater.decompress(data, limit + 1)
    except zlib.error:
        raise Malformed("Le corps annoncé en gzip est illisible.", code="FHIR.BODY") from None
    if len(whole) > limit:
        raise _too_large(limit)
    if not inflater.eof:
        raise Malformed("Le corps annoncé en gzip est incomplet.", code="FHIR.BODY")
    return whole


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"Le corps dépasse {limit // 2**20} Mio : découpez l'envoi, ou passez par $import pour un volume.")


def _preflight() -> FhirResponse:
    return FhirResponse(
        204,
        headers={
            "Access-Control-Allow-Methods": "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            "Access-Control-Allow-Headers": "Authorization, Content-Type, Accept, Prefer, If-Match, If-None-Match, "
            "If-None-Exist, If-Modified-Since",
            "Access-Control-Max-Age": "600",
        },
        native=True,
    )


# What SMART discovery repeats of the authorization server's own description.
_SMART_NAMES = (
    "issuer",
    "jwks_uri",
    "authorization_endpoint",
    "token_endpoint",
    "introspection_endpoint",
    "revocation_endpoint",
    "grant_types_supported",
    "response_types_supported",
    "scopes_supported",
    "code_challenge_methods_supported",
    "token_endpoint_auth_methods_supported",
    "token_endpoint_auth_signing_alg_values_supported",
)

# Only what can be had from that server by whoever asks: every client proves itself (no `client-public`), no record system launches
# a program here (no `launch-ehr`), a refresh token ends with the session (no `permission-offline`). Scopes of a patient are those of a
# professional who chose one: citizens' tokens are those of the portals.
_SMART_CAPABILITIES = (
    "launch-standalone",
    "authorize-post",
    "client-confidential-symmetric",
    "client-confidential-asymmetric",
    "sso-openid-connect",
    "context-standalone-patient",
    "context-standalone-encounter",
    "permission-patient",
    "permission-user",
    "permission-v1",
    "permission-v2",
)


def smart_configuration(request: FhirRequest) -> FhirResponse:
    """SMART App Launch 2.2 discovery, under every base, open to all."""
    server = accounts.authorization_server()
    told = {name: server[name] for name in _SMART_NAMES if name in server}
    told["capabilities"] = list(_SMART_CAPABILITIES)
    headers = {"Content-Type": "application/json", "Cache-Control": "public, max-age=60"}
    return FhirResponse(200, json.dumps(told), headers, native=True)
