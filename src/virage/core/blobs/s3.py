"""Files in an object store that speaks S3 (Amazon, Ceph, MinIO, Scaleway, OVHcloud…), addressed by path.

What goes out carries its SHA-256, which the store verifies; what comes back is verified here. A request that met a busy
store or a broken connection is sent again: all of them may be, because a name always means the same bytes.
"""

import contextlib
import hashlib
import random
import tempfile
import time
from collections.abc import Iterator
from functools import lru_cache
from io import BytesIO
from typing import IO, BinaryIO, cast
from urllib.parse import quote, urlsplit

import httpx
from lxml import etree

from virage.core import settings
from virage.core.blobs.names import Blob, BlobDamaged, BlobMissing, checked
from virage.core.blobs.signature import EMPTY, Signer, encoded
from virage.core.errors import VirageError
from virage.core.settings import SettingError

_CHUNK = 1 << 20
_IN_MEMORY = 8 << 20
_ATTEMPTS = 5
_BUSY = {429, 500, 502, 503, 504}
_LIST = "{http://s3.amazonaws.com/doc/2006-03-01/}"


class StoreUnavailable(VirageError):
    """The object store does not answer, after several attempts. Nothing was stored."""

    code = "BLOBS.UNAVAILABLE"
    status = 503
    issue = "transient"


class StoreRefused(VirageError):
    """The object store answers, and refuses us: an operator must look at the settings."""

    code = "BLOBS.REFUSED"
    status = 500
    issue = "exception"


class Bucket:
    """A bucket, or the part of one under a prefix. Safe to share between threads."""

    def __init__(self, endpoint: str, bucket: str, prefix: str, signer: Signer, *, pause: float = 0.2) -> None:
        self._base = endpoint.rstrip("/")
        self._host = urlsplit(endpoint).netloc
        self._root = "/" + quote(bucket, safe="")
        self._prefix = f"{prefix}/" if prefix else ""
        self._signer = signer
        self._pause = pause
        # Proxies and certificate authorities of the machine are obeyed, as everywhere else.
        self._client = httpx.Client(timeout=httpx.Timeout(30, connect=5), follow_redirects=False)

    def put(self, data: bytes | BinaryIO) -> Blob:
        """Store a file; on return the store has acknowledged it. Raises StoreUnavailable, StoreRefused."""
        source = BytesIO(data) if isinstance(data, bytes | bytearray | memoryview) else data
        sha256, sha1, size = hashlib.sha256(), hashlib.sha1(usedforsecurity=False), 0
        with tempfile.SpooledTemporaryFile(_IN_MEMORY) as spool:
            while chunk := source.read(_CHUNK):
                sha256.update(chunk)
                sha1.update(chunk)
                size += len(chunk)
                spool.write(chunk)
            blob = Blob(sha256.hexdigest(), sha1.digest(), size)
            with contextlib.suppress(BlobMissing), self._sent("HEAD", self._path(blob.digest)) as answer:
                if answer.headers.get("content-length") == str(size):
                    return blob
            with self._sent("PUT", self._path(blob.digest), body=spool, payload=blob.digest, size=size):
                return blob

    def open(self, digest: str) -> BinaryIO:
        """The file, whole and verified before the first byte is given.

        Raises BlobMissing, BlobDamaged, StoreUnavailable, StoreRefused; Malformed when `digest` is not one.
        """
        path = self._path(checked(digest))
        for attempt in range(_ATTEMPTS):
            spool = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115  the caller closes it
            found = hashlib.sha256()
            try:
                with self._sent("GET", path) as answer:
                    for chunk in answer.iter_raw(_CHUNK):
                        found.update(chunk)
                        spool.write(chunk)
            except httpx.TransportError:  # cut off in the midst of the bytes
                spool.close()
                self._wait(attempt)
                continue
            except BaseException:
                spool.close()
                raise
            if found.hexdigest() != digest:
                spool.close()
                raise BlobDamaged
            spool.seek(0)
            return cast(BinaryIO, spool)
        raise _unavailable("lecture interrompue")

    def read(self, digest: str) -> bytes:
        """The whole file. Raises like `open`."""
        with self.open(digest) as file:
            return file.read()

    def stored(self) -> Iterator[str]:
        """The digest of every file. Raises StoreUnavailable, StoreRefused."""
        more = ""
        while True:
            query = [("list-type", "2"), ("prefix", self._prefix)]
            query += [("continuation-token", more)] if more else []
            with self._sent("GET", self._root, query=query) as answer:
                page = etree.fromstring(answer.read(), etree.XMLParser(resolve_entities=False, no_network=True))
            for name in page.iter(f"{_LIST}Key"):
                yield checked((name.text or "").rpartition("/")[2])
            more = page.findtext(f"{_LIST}NextContinuationToken") or ""
            if not more:
                return

    def _path(self, digest: str) -> str:
        return f"{self._root}/{quote(self._prefix)}{digest}"

    @contextlib.contextmanager
    def _sent(
        self,
        method: str,
        path: str,
        *,
        query: list[tuple[str, str]] | None = None,
        body: IO[bytes] | None = None,
        payload: str = EMPTY,
        size: int = 0,
    ) -> Iterator[httpx.Response]:
        """Send, again when it may help. Raises BlobMissing (404), StoreUnavailable, StoreRefused."""
        address = self._base + path + (f"?{encoded(query)}" if query else "")
        answer, why = None, ""
        for attempt in range(_ATTEMPTS):
            # Signed anew each time: a signature is good for some minutes only.
            headers = self._signer.headers(method, self._host, path, query or (), payload=payload)
            if body is not None:
                body.seek(0)
                headers["content-length"] = str(size)
            content = iter(lambda: body.read(_CHUNK), b"") if body is not None else None
            request = self._client.build_request(method, address, headers=headers, content=content)
            try:
                answer = self._client.send(request, stream=True)
            except httpx.TransportError as error:
                why = type(error).__name__
            else:
                if answer.status_code not in _BUSY:
                    break
                answer.close()
                why = f"HTTP {answer.status_code}"
                answer = None
            self._wait(attempt)
        if answer is None:
            raise _unavailable(why)
        with contextlib.closing(answer):
            if answer.status_code == 404 and query is None and method != "PUT":
                raise BlobMissing
            if not answer.is_success:
                raise StoreRefused(
                    f"Le dépôt de fichiers refuse la demande (HTTP {answer.status_code}) : vérifier VIRAGE_BLOBS, VIRAGE_S3_ENDPOINT, "
                    "VIRAGE_S3_REGION, VIRAGE_S3_KEY et VIRAGE_S3_SECRET, et l'heure de la machine."
                )
            yield answer

    def _wait(self, attempt: int) -> None:
        if attempt < _ATTEMPTS - 1:
            time.sleep(self._pause * 2**attempt * random.uniform(0.5, 1.5))


def _unavailable(why: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"Le dépôt de fichiers ne répond pas ({why}) ; rien n'a été enregistré. Réessayer dans quelques instants."
    )


def bucket() -> Bucket:
    """The store that the settings name. Raises SettingError."""
    names = ("VIRAGE_BLOBS", "VIRAGE_S3_ENDPOINT", "VIRAGE_S3_REGION", "VIRAGE_S3_KEY", "VIRAGE_S3_SECRET")
    return _bucket(*map(settings.get, names))


@lru_cache(maxsize=4)
def _bucket(place: str, endpoint: str, region: str, key: str, secret: str) -> Bucket:
    name, _, prefix = place.removeprefix("s3://").partition("/")
    if not name:
        raise SettingError("VIRAGE_BLOBS doit s'écrire s3://depot ou s3://depot/prefixe.")
    if not key or not secret:
        raise SettingError("VIRAGE_S3_KEY et VIRAGE_S3_SECRET manquent : les donner avec VIRAGE_BLOBS=s3://….")
    endpoint = endpoint or f"https://s3.{region}.amazonaws.com"
    if urlsplit(endpoint).scheme not in {"http", "https"} or not urlsplit(endpoint).netloc:
        raise SettingError("VIRAGE_S3_ENDPOINT doit être une adresse https://….")
    return Bucket(endpoint, name, prefix.strip("/"), Signer(key, secret, region))
