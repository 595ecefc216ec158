"""SMART Backend Services over HTTP: from discovery to what a constrained token reads; and discovery says nothing untrue."""

import time
import uuid
from urllib.parse import urljoin

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, RSAKey

from tests.core.fhir.router.conftest import observation
from tests.oidc import BACK, BY, SECRET, ask, redeem, sign_in
from virage.core.accounts import actions
from virage.core.fhir import SHARED
from virage.core.fhir.service import register

CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"
LABORATORY = f"system/Observation.rs?category={CATEGORY}|laboratory"
KEYS = {
    "RS384": RSAKey.generate_key(2048, {"kid": "rsa", "use": "sig"}),
    "ES384": ECKey.generate_key("P-384", {"kid": "ec", "use": "sig"}),
}


@pytest.fixture(scope="module")
def hospital(house):
    """A client registered by its public keys, and two observations; gives what discovery says."""
    register(SHARED)
    actions.ensure_account(
        by=BY,
        login="essai-hopital",
        kind="software",
        name="Entrepôt des essais",
        client_keys={"keys": [key.as_dict(private=False) for key in KEYS.values()]},
        scopes=["system/*.rs"],
        demo=True,
    )
    for id, code in (("lab", "laboratory"), ("vital", "vital-signs")):
        category = [{"coding": [{"system": CATEGORY, "code": code}]}]
        SHARED.store.update(observation("Patient/p", id=id, category=category), by=BY)
    return httpx.get(house.path("/fhir/.well-known/smart-configuration")).json()


def asked(smart, algorithm, **change):
    now = int(time.time())
    claims = {"iss": "essai-hopital", "sub": "essai-hopital", "aud": smart["token_endpoint"]}
    claims |= {"iat": now, "exp": now + 120, "jti": str(uuid.uuid4())}
    header = {"alg": algorithm, "kid": KEYS[algorithm].kid, "typ": "JWT"}
    form = {
        "grant_type": "client_credentials",
        "scope": LABORATORY,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.encode(header, claims, KEYS[algorithm], algorithms=[algorithm]),
    }
    return httpx.post(smart["token_endpoint"], data=form | change)


@pytest.mark.parametrize("algorithm", list(KEYS))
def test_a_program_signs_asks_and_reads_what_its_scope_lets_through(live, hospital, algorithm):
    assert "private_key_jwt" in hospital["token_endpoint_auth_methods_supported"]
    assert algorithm in hospital["token_endpoint_auth_signing_alg_values_supported"]
    answer = asked(hospital, algorithm)
    assert answer.status_code == 200, answer.text
    given = answer.json()
    assert (given["token_type"].lower(), given["scope"]) == ("bearer", LABORATORY)
    assert 0 < given["expires_in"] <= 3600
    bearer = {"Authorization": f"Bearer {given['access_token']}"}

    def get(path):
        return httpx.get(live.path(f"/fhir/{path}"), headers=bearer)

    assert [entry["resource"]["id"] for entry in get("Observation").json()["entry"]] == ["lab"]
    assert [get(path).status_code for path in ("Observation/lab", "Observation/vital", "Patient/p")] == [200, 403, 403]
    seen = httpx.post(
        hospital["introspection_endpoint"], data={"token": given["access_token"]}, auth=("essai-lps", SECRET)
    ).json()
    assert (seen["active"], seen["scope"]) == (True, LABORATORY)


def test_a_scope_that_cannot_be_held_is_an_invalid_scope(live, hospital):
    for scope in (
        "system/Observation.rs?category:in=http://x/vs",
        "system/Observation.rs?date=ge2020-01-01",
        "system/Observation.rs?subject.name=x",
        "system/Observation.cruds",
    ):
        refused = asked(hospital, "ES384", scope=scope)
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_scope")
    part = asked(hospital, "ES384", scope=f"{LABORATORY} system/Observation.rs?date=ge2020-01-01")
    assert part.json()["scope"] == LABORATORY


def test_what_discovery_announces_is_granted(live, hospital, browser):
    """The client `essai-lps` may ask for everything, and the physician signs in; contexts: `test_launch_context.py`."""
    scopes = set(hospital["scopes_supported"])
    form = {"grant_type": "client_credentials", "client_id": "essai-lps", "client_secret": SECRET}
    for scope in scopes:
        if scope.startswith("system/"):
            assert httpx.post(hospital["token_endpoint"], data=form | {"scope": scope}).json()["scope"] == scope
    wanted = {scope for scope in scopes if scope.startswith("user/")} | {"openid", "scope_all", "user/Patient.read"}
    assert wanted <= scopes | {"user/Patient.read"}
    request = ask(live, scope=" ".join(sorted(wanted)))
    given = redeem(request, sign_in(browser, request)["code"]).json()
    assert wanted <= set(given["scope"].split())
    assert {"patient/*.rs", "patient/*.cruds", "launch/patient", "launch/encounter", "fhirUser"} <= scopes


def test_each_capability_is_served(live, hospital, browser):
    assert set(hospital["capabilities"]) == {
        *("launch-standalone", "authorize-post", "client-confidential-symmetric", "client-confidential-asymmetric"),
        *("sso-openid-connect", "context-standalone-patient", "context-standalone-encounter"),
        *("permission-patient", "permission-user", "permission-v1", "permission-v2"),
    }
    assert hospital["code_challenge_methods_supported"] == ["S256"]
    assert {"authorization_code", "client_credentials"} <= set(hospital["grant_types_supported"])
    # A client without proof is none here, and PKCE is asked of all.
    public = {"grant_type": "authorization_code", "client_id": "essai-lps", "code": "x", "redirect_uri": BACK}
    assert httpx.post(hospital["token_endpoint"], data=public).json()["error"] == "invalid_client"
    request = ask(live, code_challenge=None, code_challenge_method=None)
    assert "code_challenge" in browser.get(request.url).headers.get("location", "")
    posted = ask(live)
    sent_on = browser.post(hospital["authorization_endpoint"], data=posted.query)
    assert "identifiant" in browser.get(urljoin(str(sent_on.url), sent_on.headers["location"])).text
