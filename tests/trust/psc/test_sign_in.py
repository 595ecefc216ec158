"""The whole sign-in over HTTP, by e-CPS, and everything that must stop it."""

import time

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.oidc import BACK, PIN, SECRET, ask, begin, confirm, hidden, redeem, returned, sign_in
from virage.core.accounts import rules, tokens


def test_a_professional_signs_in(live, browser):
    request = ask(live, scope="openid scope_all user/*.cruds")
    answer = sign_in(browser, request)
    assert answer["state"] == request.query["state"]
    assert answer["iss"] == live.path("/psc")
    given = redeem(request, answer["code"]).json()
    keys = httpx.get(live.path("/psc/certs")).json()
    claims = jwt.decode(given["id_token"], KeySet.import_key_set(keys), algorithms=["RS256"]).claims
    assert claims["iss"] == live.path("/psc")
    assert claims["aud"] == "essai-lps"
    assert claims["nonce"] == request.query["nonce"]
    assert claims["acr"] == "eidas1"
    assert claims["at_hash"] == rules.half_digest(given["access_token"])
    assert claims["sid"] == given["session_state"]
    assert given["expires_in"] == 120
    assert 1790 <= given["refresh_expires_in"] <= 1800
    caller = tokens.verify(given["access_token"])
    assert (caller.kind, caller.subject, caller.client_id) == ("professional", "899900000011", "essai-lps")
    assert "user/*.cruds" in caller.scopes

    said = httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {given['access_token']}"}).json()
    assert said["sub"] == claims["sub"]
    assert said["sub"].endswith(":899900000011")
    assert said["SubjectNameID"] == "899900000011"
    assert said["SubjectRole"] == ["10^1.2.250.1.213.1.1.5.5"]
    practice = said["SubjectRefPro"]["exercices"][0]
    assert practice["codeSavoirFaire"] == "SM54"
    assert practice["activities"][0]["numeroFinessSite"] == "990000019"
    assert practice["activities"][0]["telephone"] == ""

    again = returned(browser.get(ask(live).url), BACK)
    assert "code" in again, "the session lets the next authorization pass"
    anew = browser.get(ask(live, prompt="login").url)
    assert anew.status_code == 200, "prompt=login asks for a new proof"


def test_a_code_serves_once_and_takes_down_what_it_gave(live, browser):
    request = ask(live)
    code = sign_in(browser, request)["code"]
    given = redeem(request, code).json()
    tokens.verify(given["access_token"])
    replayed = redeem(request, code)
    assert replayed.status_code == 400
    assert replayed.json()["error"] == "invalid_grant"
    bearer = {"Authorization": f"Bearer {given['access_token']}"}
    assert httpx.get(live.path("/psc/userinfo"), headers=bearer).status_code == 401
    refreshed = httpx.post(
        live.path("/psc/token"),
        data={"grant_type": "refresh_token", "refresh_token": given["refresh_token"]},
        auth=("essai-lps", SECRET),
    )
    assert refreshed.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    "change",
    [
        {"code_verifier": "x" * 43},
        {"code_verifier": ""},
        {"redirect_uri": BACK + "/"},
        {"redirect_uri": ""},
        {"code": "unknown"},
    ],
)
def test_a_code_needs_its_verifier_and_its_address(live, browser, change):
    request = ask(live)
    code = sign_in(browser, request)["code"]
    refused = redeem(request, change.pop("code", code), **change)
    assert refused.status_code == 400
    assert refused.json()["error"] == "invalid_grant"
    refused.json()["error_description"].encode("ascii")
    if "code_verifier" in change:
        # What a thief could not use still serves its owner: guessing does not burn the code.
        assert redeem(request, code).status_code == 200


def test_a_code_is_not_another_clients(live, browser):
    request = ask(live)
    code = sign_in(browser, request)["code"]
    form = {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": request.verifier,
    }
    stolen = httpx.post(live.path("/psc/token"), data=form, auth=("autre-lps", "a" * 43))
    assert stolen.json()["error"] == "invalid_grant"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"scope": "scope_all"}, "invalid_scope"),
        ({"scope": 'openid "'}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"request_uri": "https://evil.example"}, "request_uri_not_supported"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"purpose": "bris_de_glace"}, "invalid_request"),
        ({"purpose": "curiosite"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
    ],
)
def test_a_wrong_request_goes_back_to_its_client(live, browser, change, error):
    answer = returned(browser.get(ask(live, **change).url), BACK)
    assert answer["error"] == error
    assert answer["state"] == "état &=?"
    assert "code" not in answer


@pytest.mark.parametrize(
    "change",
    [
        {"client_id": "nobody"},
        {"client_id": None},
        {"redirect_uri": "https://evil.example/retour"},
        {"redirect_uri": None},
        {"redirect_uri": "http://127.0.0.1@evil.example/retour"},
        {"redirect_uri": "http://127.0.0.1.evil.example/retour"},
        {"redirect_uri": "http://127.0.0.1:9/retour#fragment"},
        {"redirect_uri": "javascript:alert(1)"},
        {"client_id": "autre-lps", "redirect_uri": "https://autre.example/retour/"},
        {"client_id": "autre-lps", "redirect_uri": "http://127.0.0.1:9/retour"},
    ],
)
def test_an_unknown_return_address_keeps_the_browser_here(live, browser, change):
    answer = browser.get(ask(live, **change).url)
    assert answer.status_code == 400
    assert "location" not in answer.headers
    assert "text/html" in answer.headers["content-type"]


def test_a_repeated_parameter_keeps_the_browser_here(live, browser):
    request = ask(live)
    assert browser.get(request.url + "&redirect_uri=https%3A%2F%2Fevil.example").status_code == 400


def test_the_wrong_number_ends_the_request(live, browser):
    waiting = begin(browser, ask(live))
    refused = confirm(live, waiting, code="xx")
    assert refused.status_code == 422
    assert "annulée" in refused.text
    over = browser.get(waiting.url)
    assert "n’a pas abouti" in over.text
    assert "access_denied" in over.text


def test_a_wrong_pin_may_be_mended_then_locks(live, browser, monkeypatch):
    monkeypatch.setenv("VIRAGE_ECPS_FAILURES", "4")
    waiting = begin(browser, ask(live))
    assert confirm(live, waiting, pin="0000").status_code == 422
    assert confirm(live, waiting).status_code == 200, "one mistake is forgiven"
    for _ in range(2):
        waiting = begin(browser, ask(live))
        for _ in range(2):
            assert confirm(live, waiting, pin="0000").status_code in (422, 403)
    locked = begin(browser, ask(live))
    assert locked.status_code == 403
    assert "bloquée" in locked.text


def test_another_browser_cannot_take_the_sign_in(live, browser):
    waiting = begin(browser, ask(live))
    assert confirm(live, waiting).status_code == 200
    with httpx.Client() as thief:
        assert thief.get(waiting.url).status_code == 403
    first = browser.get(waiting.url)
    assert first.status_code == 303
    again = browser.get(waiting.url)
    assert again.status_code == 200
    assert "n’a pas abouti" in again.text


def test_forms_need_their_token(live, browser):
    page = browser.get(ask(live).url)
    form = {"demande": hidden(page, "demande"), "identifiant": live.rpps}
    assert browser.post(live.path("/psc/connexion"), data=form).status_code == 403
    waiting = begin(browser, ask(live))
    assert browser.post(str(waiting.url) + "/abandon").status_code == 403
    phone = str(waiting.url).replace("attente", "telephone")
    assert httpx.post(phone, data={"pin": PIN, "code": "00", "reponse": "confirmer"}).status_code == 403


def test_a_request_changed_on_the_way_is_refused(live, browser):
    page = browser.get(ask(live).url)
    sealed = hidden(page, "demande")
    form = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"), "identifiant": live.rpps}
    for changed in (sealed[:-3] + "AAA", "", sealed[::-1]):
        answer = browser.post(live.path("/psc/connexion"), data=form | {"demande": changed})
        assert answer.status_code == 400


@pytest.mark.parametrize("identifier", ["", "99900000012", "essai-lps", "12345678901", "' OR 1=1", "9" * 5000])
def test_an_unknown_identifier_is_told_how_to_mend_it(live, browser, identifier):
    page = begin(browser, ask(live), identifier)
    assert page.status_code == 422
    assert "RPPS" in page.text


@pytest.mark.parametrize("identifier", ["999 00000 011", "899900000011", "essai-medecin"])
def test_identifiers_that_are_taken(live, browser, identifier):
    assert 'id="nombre"' in begin(browser, ask(live), identifier).text


def test_the_page_that_waits_polls(live, browser):
    waiting = begin(browser, ask(live))
    state = str(waiting.url) + "/etat"
    again = browser.get(state)
    assert again.status_code == 200
    assert "HX-Redirect" not in again.headers
    assert 'hx-trigger="load delay:1s"' in again.text
    confirm(live, waiting)
    assert browser.get(state).headers["HX-Redirect"] == httpx.URL(str(waiting.url)).path


def test_the_phone_finds_what_waits(live, browser):
    with httpx.Client() as phone:
        page = phone.get(live.path("/psc/telephone/"))
        form = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"), "identifiant": "essai-medecin"}
        assert phone.post(live.path("/psc/telephone/"), data=form).status_code == 422
        waiting = begin(browser, ask(live))
        found = phone.post(live.path("/psc/telephone/"), data=form)
        assert found.status_code == 303
        assert found.headers["location"] == str(waiting.url).replace(live.url, "").replace("attente", "telephone")


def test_giving_up(live, browser):
    waiting = begin(browser, ask(live))
    form = {"csrfmiddlewaretoken": hidden(waiting, "csrfmiddlewaretoken")}
    assert browser.post(str(waiting.url) + "/abandon", data=form).status_code == 302
    assert "access_denied" in browser.get(waiting.url).text
    phone = httpx.get(str(waiting.url).replace("attente", "telephone"))
    assert "n’attend plus de réponse" in phone.text


def test_max_age_asks_again(live, browser):
    sign_in(browser, ask(live))
    time.sleep(1.1)
    assert browser.get(ask(live, max_age="1").url).status_code == 200
    assert browser.get(ask(live, max_age="60").url).status_code == 303


def test_the_phone_exists_in_the_sandbox_only(live, browser, monkeypatch):
    waiting = begin(browser, ask(live))
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    assert httpx.get(str(waiting.url).replace("attente", "telephone")).status_code == 404
    assert httpx.get(live.path("/psc/telephone/")).status_code == 404
