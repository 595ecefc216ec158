"""Whatever comes in at the addresses of the sign-in: never a 5xx, and an error of the protocol from its machine endpoints."""

from urllib.parse import urlencode

import httpx
import pytest
from django.test import Client
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oidc import BACK, SECRET, ask
from virage.core.accounts.provider import limits

MACHINES = [
    "/psc/token",
    "/psc/token/introspect",
    "/psc/revoke",
    "/psc/userinfo",
    "/franceconnect/token",
    "/proconnect/token",
]
PLACES = [
    *[
        "/psc/auth",
        "/psc/logout",
        "/psc/deconnexion",
        "/psc/connexion",
        "/psc/patient",
        "/psc/attente/x",
        "/psc/attente/x/etat",
    ],
    *[
        "/psc/attente/\x00",
        "/psc/attente/é",
        "/psc/telephone/",
        "/psc/telephone/x",
        "/psc/telephone/\x00",
        "/psc/certs",
    ],
    *["/franceconnect/authorize", "/franceconnect/identite", "/connexion/psc/retour", "/connexion/x"],
]
NAMES = [
    *[
        "grant_type",
        "code",
        "redirect_uri",
        "code_verifier",
        "client_id",
        "client_secret",
        "client_assertion",
        "scope",
        "token",
    ],
    *[
        "client_assertion_type",
        "refresh_token",
        "response_type",
        "state",
        "nonce",
        "code_challenge",
        "prompt",
        "max_age",
        "aud",
    ],
    *[
        "purpose",
        "reason",
        "id_token_hint",
        "post_logout_redirect_uri",
        "demande",
        "identifiant",
        "patient",
        "request",
        "pin",
    ],
]
# JWT whose header or claims are no object, say U+0000, or half of a character.
TOKENS = [
    *["a.b.c", "W10.e30.x", "bnVsbA.bnVsbA.x", "eyJhbGciOiJub25lIn0.e30."],
    *["eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJcdTAwMDAifQ.AAAA", "eyJhbGciOiJFUzI1NiJ9.eyJzdWIiOiJcdWQ4MDAifQ.AAAA"],
]
VALUES = [
    *[
        "",
        "x",
        "\x00",
        "a\x00b",
        "é",
        "😀",
        "a" * 5000,
        "openid",
        "openid launch/patient",
        "user/*.rs?a",
        "patient/*.read",
        "-1",
    ],
    *[
        "9" * 40,
        "http://[",
        "http://127.0.0.1:99999/x",
        BACK,
        "essai-lps",
        SECRET,
        "code",
        "S256",
        "A" * 43,
        "\n",
        "none",
    ],
    *["authorization_code", "refresh_token", "client_credentials", "bris_de_glace", "scope_all " * 200, "login none"],
    *["urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "system/*.rs?_tag=\x00", *TOKENS],
]
PROOFS = [
    "Basic x",
    "Basic YTpi",
    "Basic /////w==",
    "Basic ADph",
    "Basic " + "A" * 9000,
    *[f"Bearer {each}" for each in TOKENS],
]


@pytest.fixture
def unhurried(monkeypatch):
    """As many requests as it takes."""
    monkeypatch.setattr(limits._machines, "rate", 1e9)
    monkeypatch.setattr(limits._machines, "burst", 1e9)


@settings(max_examples=300)
@given(
    st.sampled_from(MACHINES + PLACES),
    st.booleans(),
    st.booleans(),
    st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES), max_size=4),
    st.sampled_from([None, None, *PROOFS]),
)
def test_whatever_comes_in(live, unhurried, place, posted, whole, change, proof):
    form = (ask(live).query if whole else {"client_id": "essai-lps", "client_secret": SECRET}) | change
    browser = Client()
    more = {"HTTP_AUTHORIZATION": proof} if proof else {}
    if posted:
        answer = browser.post(place, urlencode(form), content_type="application/x-www-form-urlencoded", **more)
    else:
        answer = browser.get(place, form, **more)
    assert answer.status_code < 500
    if place in MACHINES and answer.status_code in (400, 401, 403):
        assert answer["Content-Type"] == "application/json"
        assert answer.json().get("error") or answer["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("token", TOKENS)
def test_assertions_that_no_database_holds(live, unhurried, token):
    form = {
        "grant_type": "client_credentials",
        "client_assertion": token,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    answer = httpx.post(live.path("/psc/token"), data=form)
    assert answer.status_code in (400, 401)
    assert answer.json()["error"] in ("invalid_client", "invalid_request")
