"""What comes in and what goes out, free of any web framework: a test, a worker and HTTP use the same two values."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl, unquote

from virage.core.callers import Caller
from virage.core.errors import Malformed, VirageError
from virage.core.fhir import json

JSON = "json"
XML = "xml"
CONTENT_TYPES = {JSON: "application/fhir+json; charset=utf-8", XML: "application/fhir+xml; charset=utf-8"}
_JSON_TYPES = frozenset({"application/fhir+json", "application/json", "text/json", "application/json+fhir", "json"})
_XML_TYPES = frozenset({"application/fhir+xml", "application/xml", "text/xml", "application/xml+fhir", "xml"})
_VERSION = re.compile(r'(?i)(?:^|;)\s*fhirVersion\s*=\s*"?([^";\s]*)')
_MAX_PARAMETERS = 1000
REASONS = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
"""The statuses of HTTP with their words, as a status line and `Bundle.entry.response.status` write them."""

NOBODY = Caller(kind="system", subject="", name="")
"""Whoever gave no token: may read what is open to all, and nothing else."""


def media(content_type: str) -> str | None:
    """`json`, `xml`, or None for what is neither, from a media type with or without its parameters.

    A `fhirVersion` that is not R4's is another format: what is written by one version is not safely read by another.
    """
    name, _, parameters = content_type.partition(";")
    name = name.strip().lower()
    version = _VERSION.search(parameters)
    if version is not None and version[1] not in ("4.0", "4.0.1"):
        return None
    if name in _JSON_TYPES:
        return JSON
    return XML if name in _XML_TYPES else None


class UnsupportedMedia(VirageError):
    """The body is in a format that this interface does not read."""

    code = "FHIR.CONTENT_TYPE"
    status = 415
    issue = "not-supported"

    def __init__(self, text: str) -> None:
        super().__init__(text, path="Content-Type")


@dataclass(slots=True)
class FhirRequest:
    """One request on a FHIR base.

    `path` is what follows the base, without the leading slash (`Patient/12`); `query` the raw query string; `headers` have
    lower-case names; `base` is the absolute address of the base without a trailing slash, as the client knows it. The router
    fills the second half before any handler sees the request.
    """

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    caller: Caller = NOBODY
    base: str = ""

    interaction: str = ""
    type: str = ""
    id: str = ""
    version_id: str = ""
    operation: str = ""
    compartment: tuple[str, str] | None = None
    """(type, id) of the compartment in `Patient/12/Observation`, where `type` is then `Observation`, or empty for `*`."""

    inside_transaction: bool = False
    """True for the entries of a transaction, whose locks and retries belong to the whole."""

    checked: bool = False
    """True when the resource was found structurally sound already, by the whole that this request is an entry of."""

    assigned_id: str = ""
    """The id that the server chose for a create before it came here."""

    stream: Iterable[bytes] | None = None
    """The body in pieces instead of `body`, for `$import`, which keeps nothing of it in memory."""

    parsed: dict[str, Any] | None = None
    parsed_params: list[tuple[str, str]] | None = None

    @property
    def params(self) -> list[tuple[str, str]]:
        """The query's parameters in order, decoded; with POST `_search` those of the form body too. Raises Malformed."""
        if self.parsed_params is None:
            given = decode_query(self.query)
            if self.method == "POST" and self.path.rpartition("/")[2] == "_search" and self.body:
                kind = self.headers.get("content-type", "").partition(";")[0].strip().lower()
                if kind != "application/x-www-form-urlencoded":
                    raise UnsupportedMedia(
                        "Une recherche par POST porte ses paramètres en « application/x-www-form-urlencoded »."
                    )
                try:
                    given = given + decode_query(self.body.decode())
                except UnicodeDecodeError:
                    raise Malformed("Les paramètres de recherche ne sont pas en UTF-8.", code="FHIR.QUERY") from None
            self.parsed_params = given
        return self.parsed_params

    def param(self, name: str) -> str | None:
        """The last value of a parameter, or None."""
        found = None
        for key, value in self.params:
            if key == name:
                found = value
        return found

    @property
    def resource(self) -> dict[str, Any]:
        """The resource of the body, from JSON or XML by its Content-Type. Raises Malformed (400) or UnsupportedMedia (415)."""
        if self.parsed is None:
            self.parsed = self._parse()
        return self.parsed

    def _parse(self) -> dict[str, Any]:
        given = self.headers.get("content-type", "")
        kind = media(given) if given else JSON
        if kind == JSON:
            return json.loads(self.body)
        if kind == XML:
            from virage.core.fhir import xml

            return xml.loads(self.body)
        raise UnsupportedMedia(
            "Ce format n'est pas lu ici : envoyez la ressource en « application/fhir+json » ou « application/fhir+xml »."
        )


@dataclass(slots=True)
class FhirResponse:
    """The answer: FHIR content as JSON bytes (the router turns it to XML when the client wants it), or `native` bytes."""

    status: int = 200
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    native: bool = False
    """True when `body` is not FHIR content and leaves as it is, with the Content-Type that `headers` says."""

    stream: Iterable[bytes] | None = None
    """The body in pieces, instead of `body`, for what is too large to hold; only when `native`, with its Content-Length."""

    updated: datetime | None = None
    """When the version that was written or read was made: an entry of a Bundle says it finer than Last-Modified can."""

    @classmethod
    def of(
        cls, resource: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None
    ) -> "FhirResponse":
        """The answer that carries this resource."""
        return cls(status, json.dumps(resource), dict(headers or {}))


def decode_query(query: str) -> list[tuple[str, str]]:
    """The parameters of a query string, in order. Raises Malformed for what is not UTF-8, holds U+0000, or never ends."""
    if not query:
        return []
    try:
        found = parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=_MAX_PARAMETERS)
    except UnicodeDecodeError:
        raise Malformed("Les paramètres de l'adresse ne sont pas en UTF-8.", code="FHIR.QUERY") from None
    except ValueError:
        raise Malformed(f"Plus de {_MAX_PARAMETERS} paramètres : c'est refusé.", code="FHIR.QUERY") from None
    if any("\x00" in name or "\x00" in value for name, value in found):
        raise Malformed(
            "Le caractère nul (U+0000) n'a pas sa place dans un paramètre.", code="FHIR.QUERY", issue="value"
        )
    return found


def decode_segment(segment: str) -> str:
    """One segment of a path, decoded. Raises Malformed when it is not UTF-8."""
    try:
        return unquote(segment, errors="strict")
    except UnicodeDecodeError:
        raise Malformed("L'adresse n'est pas en UTF-8.", code="FHIR.PATH") from None
