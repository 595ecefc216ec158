"""What clients do after the sign-in: refresh, introspect, give back, leave; programs alone; and a client of others."""

import time
import uuid
from urllib.parse import quote

import httpx
import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from tests.oidc import BACK, SECRET, ask, begin, confirm, redeem, returned, sign_in
from virage.core.accounts import rules, tokens
from virage.core.errors import Unauthenticated

LPS = ("essai-lps", SECRET)


def post(live, path, auth=LPS, **form):
    return httpx.post(live.path(path), data=form, auth=auth)


@pytest.fixture
def given(live, browser):
    request = ask(live)
    return redeem(request, sign_in(browser, request)["code"]).json()


def assertion(live, *, key=None, header=None, **change):
    now = int(time.time())
    claims = {
        "iss": "essai-lps",
        "sub": "essai-lps",
        "aud": live.path("/psc/token"),
        "iat": now,
        "exp": now + 60,
        "jti": str(uuid.uuid4()),
    } | change
    claims = {name: value for name, value in claims.items() if value is not None}
    head = {"alg": "ES256", "kid": "lps-1"} | (header or {})
    return jwt.encode(head, claims, key or live.client_key, algorithms=[head["alg"]])


def by_key(live, signed, **form):
    data = {
        "grant_type": "client_credentials",
        "scope": "system/Patient.rs",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": signed,
    } | form
    return httpx.post(live.path("/psc/token"), data=data)


def test_both_names_of_the_description(live):
    about = httpx.get(live.path("/psc/.well-known/openid-configuration")).json()
    assert about == httpx.get(live.path("/psc/.well-known/wallet-openid-configuration")).json()
    assert about["issuer"] == live.path("/psc")
    assert about["code_challenge_methods_supported"] == ["S256"]
    assert "none" not in about["token_endpoint_auth_signing_alg_values_supported"]
    private = {"d", "p", "q", "dp", "dq", "qi", "k"}
    assert not any(private & set(key) for key in httpx.get(about["jwks_uri"]).json()["keys"])


def test_a_program_proves_itself_by_its_key(live):
    signed = assertion(live)
    answer = by_key(live, signed)
    assert answer.status_code == 200, answer.text
    caller = tokens.verify(answer.json()["access_token"])
    assert (caller.kind, caller.subject, caller.scopes) == ("software", "essai-lps", frozenset({"system/Patient.rs"}))
    assert "refresh_token" not in answer.json()
    again = by_key(live, signed)
    assert again.status_code == 401
    assert again.json()["error"] == "invalid_client"
    assert by_key(live, assertion(live, aud=[live.path("/psc")])).status_code == 200


@pytest.mark.parametrize(
    "change",
    [
        {"iss": "autre"},
        {"sub": "autre-lps"},
        {"sub": None},
        {"aud": "https://elsewhere.example/token"},
        {"aud": None},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": int(time.time()) + 10**7},
        {"nbf": int(time.time()) + 10**7},
        {"iat": int(time.time()) + 10**7},
        {"jti": None},
        {"jti": "x" * 300},
        {"header": {"kid": "another"}},
        {"key": ECKey.generate_key("P-256")},
        {"header": {"alg": "HS256"}, "key": OctKey.import_key("s" * 43)},
    ],
)
def test_an_assertion_that_does_not_hold(live, change):
    answer = by_key(live, assertion(live, **change))
    assert answer.status_code == 401
    assert answer.json()["error"] == "invalid_client"
    assert "WWW-Authenticate" in answer.headers


@pytest.mark.parametrize("auth", [("essai-lps", "wrong"), ("nobody", SECRET), ("", ""), ("essai-lps", "")])
def test_a_wrong_secret(live, auth):
    answer = post(live, "/psc/token", auth=auth, grant_type="client_credentials", scope="system/*.rs")
    assert answer.status_code == 401
    assert SECRET not in answer.text


def test_secret_in_the_form_or_in_the_header(live):
    form = {"grant_type": "client_credentials", "client_id": "essai-lps", "client_secret": SECRET}
    answer = httpx.post(live.path("/psc/token"), data=form)
    assert answer.json()["scope"] == "system/*.cruds"
    assert answer.headers["cache-control"] == "no-store"
    both = httpx.post(live.path("/psc/token"), data=form, auth=LPS)
    assert both.json()["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "scope": "user/*.cruds"}, "invalid_scope"),
        ({"grant_type": "client_credentials", "scope": ["system/*.rs", "openid"]}, "invalid_request"),
        ({"grant_type": "refresh_token"}, "invalid_grant"),
        ({"grant_type": "authorization_code"}, "invalid_grant"),
    ],
)
def test_wrong_token_requests(live, form, error):
    answer = post(live, "/psc/token", **form)
    assert answer.status_code == 400
    assert answer.json()["error"] == error


def test_wrong_shapes(live):
    assert httpx.get(live.path("/psc/token")).status_code == 405
    as_json = httpx.post(live.path("/psc/token"), json={"grant_type": "client_credentials"}, auth=LPS)
    assert as_json.json()["error"] == "invalid_request"
    large = post(live, "/psc/token", grant_type="client_credentials", scope="x" * 70_000)
    assert large.status_code == 413


def test_refresh_turns_and_a_second_use_takes_all_down(live, given):
    first = post(live, "/psc/token", grant_type="refresh_token", refresh_token=given["refresh_token"]).json()
    assert first["refresh_token"] != given["refresh_token"]
    tokens.verify(first["access_token"])
    stolen = post(live, "/psc/token", grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert stolen.json()["error"] == "invalid_grant"
    owner = post(live, "/psc/token", grant_type="refresh_token", refresh_token=first["refresh_token"])
    assert owner.json()["error"] == "invalid_grant"
    with pytest.raises(Unauthenticated):
        tokens.verify(first["access_token"])


def test_refresh_narrows_and_never_widens(live, given):
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    wide = post(live, "/psc/token", **form, scope="openid system/*.cruds")
    assert wide.json()["error"] == "invalid_scope"
    narrow = post(live, "/psc/token", **form, scope="openid user/Patient.rs").json()
    assert tokens.verify(narrow["access_token"]).scopes == {"openid", "user/Patient.rs"}


def test_breaking_the_glass_by_refresh(live, given):
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"], "purpose": "bris_de_glace"}
    refused = post(live, "/psc/token", **form)
    assert refused.status_code == 400
    broken = post(live, "/psc/token", **form, reason="Patient inconscient aux urgences").json()
    caller = tokens.verify(broken["access_token"])
    assert (caller.purpose, caller.reason) == ("bris_de_glace", "Patient inconscient aux urgences")
    said = httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {broken['access_token']}"}).json()
    assert said["Mode_Acces_Raison"] == "Patient inconscient aux urgences"


def test_introspection(live, given):
    said = post(live, "/psc/token/introspect", token=given["access_token"]).json()
    assert said["active"] is True
    assert said["SubjectNameID"] == "899900000011"
    assert said["client_id"] == "essai-lps"
    assert said["sid"] == given["session_state"]
    of_refresh = post(live, "/psc/token/introspect", token=given["refresh_token"]).json()
    assert of_refresh["active"] is True
    assert "SubjectNameID" not in of_refresh
    for dead in ("unknown", given["id_token"], given["access_token"][:-4] + "AAAA"):
        assert post(live, "/psc/token/introspect", token=dead).json() == {"active": False}
    anonymous = httpx.post(live.path("/psc/token/introspect"), data={"token": given["access_token"]})
    assert anonymous.status_code == 401


def test_revocation(live, given):
    other = post(live, "/psc/revoke", auth=("autre-lps", "a" * 43), token=given["access_token"])
    assert other.status_code == 200
    tokens.verify(given["access_token"])
    assert post(live, "/psc/revoke", token=given["access_token"]).status_code == 200
    assert post(live, "/psc/token/introspect", token=given["access_token"]).json() == {"active": False}
    with pytest.raises(Unauthenticated):
        tokens.verify(given["access_token"])
    assert post(live, "/psc/revoke", token=given["refresh_token"]).status_code == 200
    again = post(live, "/psc/token", grant_type="refresh_token", refresh_token=given["refresh_token"])
    assert again.json()["error"] == "invalid_grant"
    assert post(live, "/psc/revoke", token="unknown").status_code == 200


@pytest.mark.parametrize("token", ["", "x", "a.b.c"])
def test_userinfo_refuses(live, token):
    answer = httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {token}".strip()})
    assert answer.status_code == 401
    # RFC 6750, 3.1: what is wrong is said of a token that came, never where none did.
    said = 'Bearer realm="virage"'
    assert answer.headers["WWW-Authenticate"] == (f'{said}, error="invalid_token"' if token else said)
    assert ("error" in answer.json()) is bool(token)


def test_an_id_token_is_no_access_token(live, given):
    assert (
        httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {given['id_token']}"}).status_code
        == 401
    )
    with pytest.raises(Unauthenticated):
        tokens.verify(given["id_token"])


def test_sign_out_ends_session_and_tokens(live, browser, given):
    leave = f"/psc/logout?id_token_hint={given['id_token']}&post_logout_redirect_uri="
    evil = browser.get(live.path(leave + quote("https://evil.example/", safe="")))
    assert evil.status_code == 400
    tokens.verify(given["access_token"])
    done = browser.get(live.path(leave + quote("http://127.0.0.1:9/fini", safe="") + "&state=x%20y"))
    assert done.status_code == 303
    assert done.headers["location"] == "http://127.0.0.1:9/fini?state=x+y"
    with pytest.raises(Unauthenticated):
        tokens.verify(given["access_token"])
    assert browser.get(ask(live).url).status_code == 200, "the next sign-in asks for a proof"


def test_sign_out_without_proof_asks_first(live, browser, given):
    page = browser.get(live.path("/psc/logout"))
    assert page.status_code == 200
    tokens.verify(given["access_token"])
    assert browser.post(live.path("/psc/deconnexion")).status_code == 403
    forged = browser.get(live.path("/psc/logout?id_token_hint=" + given["access_token"]))
    assert forged.status_code == 400


def test_a_client_that_nobody_here_wrote(live, browser):
    about = httpx.get(live.path("/psc/.well-known/openid-configuration")).json()
    client = OAuth2Client(
        "essai-lps",
        SECRET,
        scope="openid scope_all",
        redirect_uri=BACK,
        code_challenge_method="S256",
        token_endpoint_auth_method="client_secret_basic",
    )
    verifier = "v" * 64
    url, state = client.create_authorization_url(about["authorization_endpoint"], nonce="n-1", code_verifier=verifier)
    answer = _through(live, browser, url)
    assert answer["state"] == state
    back = f"{BACK}?code={answer['code']}&state={state}"
    token = client.fetch_token(
        about["token_endpoint"], authorization_response=back, code_verifier=verifier, state=state
    )
    assert client.get(about["userinfo_endpoint"]).json()["SubjectNameID"] == "899900000011"
    renewed = client.refresh_token(about["token_endpoint"], refresh_token=token["refresh_token"])
    assert renewed["access_token"] != token["access_token"]
    assert client.introspect_token(about["introspection_endpoint"], token=renewed["access_token"]).json()["active"]
    assert client.revoke_token(about["revocation_endpoint"], token=renewed["refresh_token"]).status_code == 200
    client.close()

    machine = OAuth2Client("essai-lps", live.client_rsa.as_dict(private=True), scope="system/*.rs")
    machine.register_client_auth_method(
        PrivateKeyJWT(about["token_endpoint"], {"exp": int(time.time()) + 120}, {"kid": "lps-2"}, "RS256")
    )
    machine.token_endpoint_auth_method = "private_key_jwt"
    got = machine.fetch_token(about["token_endpoint"], grant_type="client_credentials")
    assert rules.covers(got["scope"].split(), "system/Patient.rs")
    machine.close()


def _through(live, browser, url):
    waiting = begin(browser, _At(live, url))
    confirm(live, waiting)
    return returned(browser.get(waiting.url), BACK)


class _At:
    """A request whose address another library wrote."""

    def __init__(self, live, url):
        self.live, self.url = live, url
