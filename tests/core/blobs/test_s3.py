"""The object store: signed, verified, tried again, and the same to its users as the folder."""

import hashlib
import os
from datetime import UTC, datetime
from io import BytesIO

import pytest

from tests.core.blobs.object_store import KEY, REGION, SECRET, running
from virage.core import blobs
from virage.core.blobs import s3
from virage.core.blobs.signature import EMPTY, Signer
from virage.core.errors import Malformed
from virage.core.settings import SettingError

# The requests that AWS publishes with their signatures (Signature Version 4, examples for Amazon S3).
AWS = Signer("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "us-east-1")
AT = datetime(2013, 5, 24, tzinfo=UTC)
HOST = "examplebucket.s3.amazonaws.com"


@pytest.mark.parametrize(
    ("path", "query", "headers", "signature"),
    [
        ("/test.txt", [], {"Range": "bytes=0-9"}, "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"),
        ("/", [("lifecycle", "")], {}, "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"),
        ("/", [("prefix", "J"), ("max-keys", "2")], {}, "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"),
    ],
)  # fmt: skip
def test_the_published_signatures(path, query, headers, signature):
    signed = AWS.headers("GET", HOST, path, query, headers=headers, at=AT)
    assert signed["authorization"].endswith(f"Signature={signature}")
    assert signed["x-amz-content-sha256"] == EMPTY


@pytest.fixture
def store(monkeypatch):
    """An object store that the settings name."""
    with running() as opened:
        for name, value in {
            "VIRAGE_BLOBS": "s3://files/a house",
            "VIRAGE_S3_ENDPOINT": opened.endpoint,
            "VIRAGE_S3_REGION": REGION,
            "VIRAGE_S3_KEY": KEY,
            "VIRAGE_S3_SECRET": SECRET,
        }.items():
            monkeypatch.setenv(name, value)
        s3._bucket.cache_clear()
        bucket = s3.bucket()
        monkeypatch.setattr(bucket, "_pause", 0.001)
        yield opened
        bucket._client.close()
        s3._bucket.cache_clear()


@pytest.mark.parametrize("data", [b"", "Compte rendu é".encode(), os.urandom(9 << 20)], ids=["empty", "text", "9 MB"])
def test_what_goes_in_comes_out(store, data):
    blob = blobs.put(BytesIO(data))
    assert (blob.digest, blob.sha1, blob.size) == (
        hashlib.sha256(data).hexdigest(),
        hashlib.sha1(data).digest(),
        len(data),
    )
    assert blobs.read(blob.digest) == data
    assert store.objects == {f"/files/a house/{blob.digest}": data}


def test_twice_is_once(store):
    assert blobs.put(b"same") == blobs.put(b"same")
    assert [method for method, _ in store.asked] == ["HEAD", "PUT", "HEAD"]


def test_a_damaged_file_is_not_given(store):
    blob = blobs.put(b"as it was")
    store.objects[f"/files/a house/{blob.digest}"] = b"as it is."
    with pytest.raises(blobs.BlobDamaged):
        blobs.open(blob.digest)


def test_a_missing_file_says_so(store):
    with pytest.raises(blobs.BlobMissing):
        blobs.read("0" * 64)


@pytest.mark.parametrize("digest", ["", "../../files", "A" * 64])
def test_only_a_digest_names_a_file(store, digest):
    with pytest.raises(Malformed):
        blobs.open(digest)
    assert store.asked == []


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_store_is_asked_again(store, status):
    store.status, store.fail = status, 3
    blob = blobs.put(b"wanted")
    store.fail = 3
    assert blobs.read(blob.digest) == b"wanted"


def test_an_answer_cut_short_is_asked_again(store):
    data = os.urandom(100_000)
    blob = blobs.put(data)
    store.cut = 2
    assert blobs.read(blob.digest) == data


def test_a_store_that_stays_busy_is_said(store):
    store.fail = 100
    with pytest.raises(s3.StoreUnavailable, match="ne répond pas") as refusal:
        blobs.put(b"refused")
    assert refusal.value.status == 503
    assert store.objects == {}


def test_a_wrong_secret_is_said_and_nothing_is_stored(store, monkeypatch):
    monkeypatch.setenv("VIRAGE_S3_SECRET", "another")
    with pytest.raises(s3.StoreRefused, match="VIRAGE_S3_SECRET"):
        blobs.put(b"refused")
    assert store.objects == {}
    s3.bucket()._client.close()


def test_every_file_is_listed_page_by_page(store):
    put = {blobs.put(str(number).encode()).digest for number in range(5)}
    store.objects["/files/another house/" + "0" * 64] = b"not ours"
    assert set(blobs.stored()) == put


@pytest.mark.parametrize(
    ("name", "value"), [("VIRAGE_BLOBS", "s3://"), ("VIRAGE_S3_SECRET", ""), ("VIRAGE_S3_ENDPOINT", "files.example")]
)
def test_settings_that_make_no_sense(store, monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(SettingError):
        blobs.put(b"x")
