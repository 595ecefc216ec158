"""AWS Signature Version 4, which every S3-compatible store asks for; forty lines rather than a software kit of 100 MB.

Source: AWS, « Signature Version 4 signing process » for Amazon S3 (authorization header, payload hash given).
"""

import hashlib
import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from urllib.parse import quote

EMPTY = hashlib.sha256(b"").hexdigest()
"""The digest of a request without a body."""


@dataclass(frozen=True, slots=True)
class Signer:
    """Who signs, for which region of the store."""

    key: str
    secret: str
    region: str

    def headers(
        self,
        method: str,
        host: str,
        path: str,
        query: Iterable[tuple[str, str]] = (),
        *,
        payload: str = EMPTY,
        headers: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> dict[str, str]:
        """The headers to send: those given, and `authorization` with what it needs.

        `path` is as sent (already percent-encoded), `query` is not; `payload` is the SHA-256 of the body in hexadecimal.
        """
        at = (at or datetime.now(UTC)).astimezone(UTC)
        stamp = at.strftime("%Y%m%dT%H%M%SZ")
        given = {name.lower(): " ".join(value.split()) for name, value in (headers or {}).items()}
        given |= {"host": host, "x-amz-date": stamp, "x-amz-content-sha256": payload}
        names = ";".join(sorted(given))
        lines = [f"{name}:{given[name]}\n" for name in sorted(given)]
        canonical = "\n".join([method, path, encoded(query), "".join(lines), names, payload])
        scope = f"{stamp[:8]}/{self.region}/s3/aws4_request"
        asked = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = f"AWS4{self.secret}".encode()
        for part in scope.split("/"):
            key = hmac.digest(key, part.encode(), "sha256")
        signature = hmac.digest(key, asked.encode(), "sha256").hex()
        given["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={self.key}/{scope}, SignedHeaders={names}, Signature={signature}"
        )
        return given


def encoded(query: Iterable[tuple[str, str]]) -> str:
    """The query string in the one order and the one encoding that the signature knows."""
    return "&".join(
        f"{name}={value}" for name, value in sorted((quote(n, safe=""), quote(v, safe="")) for n, v in query)
    )
