"""Clients that publish their keys at an address: fetched with care, kept for a while, turned without asking."""

import json
import threading
import time
import uuid
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey, RSAKey

from tests.oidc import BY
from virage.core import outside
from virage.core.accounts import actions
from virage.core.accounts.provider import published

FIRST, SECOND = (ECKey.generate_key("P-384", {"kid": kid, "use": "sig"}) for kid in ("first", "second"))
STATIC = RSAKey.generate_key(2048, {"kid": "static", "use": "sig"})


class Place:
    """Where the client publishes: what it answers, and how often it was asked."""

    def __init__(self, url):
        self.url, self.asked, self.status, self.headers = url, 0, 200, {}
        self.body = b""
        self.publish(FIRST)

    def publish(self, *keys):
        self.body = json.dumps({"keys": [key.as_dict(private=False) for key in keys]}).encode()


@pytest.fixture
def place():
    held = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            held[0].asked += 1
            self.send_response(held[0].status)
            for name, value in held[0].headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(held[0].body)))
            self.end_headers()
            self.wfile.write(held[0].body)

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        held.append(Place(f"http://127.0.0.1:{server.server_port}/jwks.json"))
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        published.forget()
        yield held[0]
        server.shutdown()
        thread.join()


@pytest.fixture
def client(live, place):
    actions.ensure_account(
        by=BY,
        login="essai-publie",
        kind="software",
        name="Logiciel qui publie ses clés",
        client_keys={"keys": [STATIC.as_dict(private=False)]},
        client_keys_url=place.url,
        scopes=["system/*.rs"],
    )
    return live


def asked(live, key, *, algorithm="ES384", **header):
    now = int(time.time())
    url = live.path("/psc/token")
    claims = {"iss": "essai-publie", "sub": "essai-publie", "aud": url, "exp": now + 120, "jti": str(uuid.uuid4())}
    head = {"alg": algorithm, "kid": key.kid, **header}
    form = {
        "grant_type": "client_credentials",
        "scope": "system/Patient.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(head, claims, key, algorithms=[algorithm]),
    }
    return httpx.post(url, data=form)


@pytest.fixture
def clock(monkeypatch):
    """A clock to move by hand."""
    start, moved = time.monotonic(), [0.0]
    monkeypatch.setattr(published.time, "monotonic", lambda: start + moved[0])
    return lambda seconds: moved.__setitem__(0, moved[0] + seconds)


def test_a_published_key_proves_and_is_kept(client, place):
    assert asked(client, FIRST).status_code == 200
    assert asked(client, FIRST).status_code == 200
    assert asked(client, FIRST, jku=place.url).status_code == 200
    assert place.asked == 1


def test_a_declared_key_proves_without_a_call(client, place):
    assert asked(client, STATIC, algorithm="RS384").status_code == 200
    assert place.asked == 0


def test_a_new_key_is_fetched_when_it_is_used(client, place, clock):
    assert asked(client, FIRST).status_code == 200
    place.publish(SECOND)
    # Not at every assertion that anybody sends: one call in ten seconds.
    assert asked(client, SECOND).status_code == 401
    assert place.asked == 1
    clock(published.AGAIN)
    assert asked(client, SECOND).status_code == 200
    assert place.asked == 2
    # The old one went with the new.
    assert asked(client, FIRST).status_code == 401


def test_a_key_taken_away_holds_no_longer_than_it_was_let(client, place, clock):
    place.headers = {"Cache-Control": "public, max-age=60"}
    assert asked(client, FIRST).status_code == 200
    place.publish(SECOND)
    clock(59)
    assert asked(client, FIRST).status_code == 200
    clock(2)
    assert asked(client, FIRST).status_code == 401


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        *[("", published.FRESH), ("max-age=60", 60), ("public, max-age=60, must-revalidate", 60), ("no-store", 0)],
        *[("max-age=99999999", published.LONGEST), ("no-cache, max-age=60", 0), ("s-maxage=5", published.FRESH)],
    ],
)
def test_how_long_they_are_kept(told, seconds):
    assert published.lifetime(told) == seconds


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"{}",
        b'{"keys":{}}',
        b'{"keys":[]}',
        b'{"keys":[1,null,{"kty":"EC"}]}',
        b" " * 200_000,
        b"\xff",
    ],
)
def test_what_is_no_key_set_proves_nothing(client, place, body):
    place.body = body
    answer = asked(client, FIRST)
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"


@pytest.mark.parametrize("status", [302, 404, 500])
def test_other_answers_are_refused_and_not_followed(client, place, status):
    place.status, place.headers = status, {"Location": place.url}
    assert asked(client, FIRST).json()["error"] == "invalid_client"
    assert asked(client, FIRST).status_code == 401
    assert place.asked == 1


def test_a_shared_secret_among_the_keys_is_none(client, place):
    shared = OctKey.import_key("s" * 48, {"kid": "shared"})
    place.body = json.dumps({"keys": [shared.as_dict()]}).encode()
    assert asked(client, shared, algorithm="HS384").status_code == 401


def test_another_address_in_the_assertion_is_not_called(client, place):
    answer = asked(client, FIRST, jku=place.url + "?other")
    assert answer.status_code == 401
    assert place.asked == 0


@pytest.mark.parametrize(
    "url",
    ["http://93.184.216.34/jwks", "https://10.0.0.1/jwks", "https://169.254.169.254/", "ftp://x/", "https://u@x/"],
)
def test_addresses_inside_are_refused(live, url):
    with pytest.raises(outside.AddressRefused) as told:
        actions.ensure_account(by=BY, login="essai-dedans", kind="software", name="x", client_keys_url=url)
    assert told.value.path == "client_keys_url"


def test_the_loopback_is_for_the_sandbox(live, place, monkeypatch):
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    with pytest.raises(outside.AddressRefused):
        published.keys_at(place.url)
    assert place.asked == 0


def test_parallel_assertions_make_one_call(client, place):
    answers = []
    threads = [threading.Thread(target=lambda: answers.append(asked(client, FIRST).status_code)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert place.asked == 1
