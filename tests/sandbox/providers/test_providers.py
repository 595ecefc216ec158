"""FranceConnect and ProConnect of the sandbox, and the portals that sign people in by them: the real protocol, end to end."""

import re
import secrets
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from django.test import RequestFactory
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.oidc import BACK, SECRET, ask, confirm, hidden, returned
from virage.core.accounts import actions, doors, rules, tokens
from virage.core.accounts.pages import safe_address
from virage.core.callers import system
from virage.core.errors import Unauthenticated


@pytest.fixture(autouse=True)
def _client(live):
    """The client of the tests may also ask for the pivot identity."""
    actions.ensure_account(
        by=system("test"),
        login="essai-lps",
        kind="software",
        name="Logiciel des essais",
        scopes=["openid", "scope_all", "user/*.cruds", "system/*.cruds", "identite_pivot", "birthdate"],
    )


def france(live, **change):
    request = ask(live, scope="openid identite_pivot")
    request.query.update(change)
    return request, live.path("/franceconnect/authorize"), request.query


def choose(live, browser, page, login):
    form = {name: hidden(page, name) for name in ("csrfmiddlewaretoken", "demande")} | {"identite": login}
    action = re.search(r'<form method="post" action="([^"]+identite)"', page.text)
    assert action, page.text
    return browser.post(live.path(action[1]), data=form)


def test_a_citizen_signs_in_by_franceconnect(live, browser):
    request, address, query = france(live)
    page = browser.get(address, params=query)
    assert f"form-action 'self' http://{urlsplit(BACK).netloc}" in page.headers["Content-Security-Policy"]
    answer = returned(choose(live, browser, page, "essai-usager"), BACK)
    assert answer["iss"] == live.path("/franceconnect")
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK}
    form |= {"code_verifier": request.verifier, "client_id": "essai-lps", "client_secret": SECRET}
    given = httpx.post(live.path("/franceconnect/token"), data=form).json()
    assert "refresh_token" not in given
    keys = KeySet.import_key_set(httpx.get(live.path("/franceconnect/jwks")).json())
    claims = jwt.decode(given["id_token"], keys, algorithms=["ES256"]).claims
    assert claims["exp"] - claims["iat"] == 60
    assert claims["sub"].endswith("v1")
    assert claims["sub"] != "essai-patient"
    said = httpx.get(live.path("/franceconnect/userinfo"), headers={"Authorization": f"Bearer {given['access_token']}"})
    assert said.headers["content-type"] == "application/jwt"
    person = jwt.decode(said.text, keys, algorithms=["ES256"]).claims
    assert person["sub"] == claims["sub"]
    assert person["given_name"] == "Zoé Marie"
    assert person["given_name_array"] == ["Zoé", "Marie"]
    assert (person["birthplace"], person["birthcountry"]) == ("63220", "99100")
    with pytest.raises(Unauthenticated, match="autre service"):
        tokens.verify(given["access_token"])
    at_psc = httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {given['access_token']}"})
    assert at_psc.status_code == 401


def test_only_what_was_asked_is_said(live, browser):
    request, address, query = france(live, scope="openid birthdate")
    answer = returned(choose(live, browser, browser.get(address, params=query), "essai-usager"), BACK)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK}
    form |= {"code_verifier": request.verifier}
    given = httpx.post(live.path("/franceconnect/token"), data=form, auth=("essai-lps", SECRET)).json()
    said = httpx.get(live.path("/franceconnect/userinfo"), headers={"Authorization": f"Bearer {given['access_token']}"})
    keys = KeySet.import_key_set(httpx.get(live.path("/franceconnect/jwks")).json())
    person = jwt.decode(said.text, keys, algorithms=["ES256"]).claims
    assert set(person) == {"iss", "aud", "iat", "exp", "sub", "birthdate"}


@pytest.mark.parametrize("missing", ["nonce", "state"])
def test_state_and_nonce_are_asked_for(live, browser, missing):
    _, address, query = france(live)
    query.pop(missing)
    assert returned(browser.get(address, params=query), BACK)["error"] == "invalid_request"


@pytest.mark.parametrize("login", ["", "essai-medecin", "essai-agent", "nobody"])
def test_only_listed_people_may_be_chosen(live, browser, login):
    _, address, query = france(live)
    assert choose(live, browser, browser.get(address, params=query), login).status_code == 422


def test_a_code_of_one_provider_is_nothing_at_another(live, browser):
    request, address, query = france(live)
    answer = returned(choose(live, browser, browser.get(address, params=query), "essai-usager"), BACK)
    form = {"grant_type": "authorization_code", "code": answer["code"], "redirect_uri": BACK}
    form |= {"code_verifier": request.verifier}
    assert httpx.post(live.path("/psc/token"), data=form, auth=("essai-lps", SECRET)).json()["error"] == "invalid_grant"


def follow(browser, answer):
    """Follows redirections until a page, or until an address that nothing serves here."""
    for _ in range(6):
        if answer.status_code not in (302, 303):
            break
        answer = browser.get(httpx.URL(str(answer.url)).join(answer.headers["location"]))
    return answer


def test_a_citizen_enters_the_portals(live, browser):
    page = follow(browser, browser.get(live.path("/connexion/franceconnect?suite=/connexion/")))
    before = dict(browser.cookies)
    landed = follow(browser, choose(live, browser, page, "essai-usager"))
    assert landed.url.path == "/connexion/"
    assert "Zoé Adrun" in landed.text
    assert browser.cookies["sessionid"] != before.get("sessionid"), (
        "a session known before the sign-in is worth nothing"
    )
    out = {"csrfmiddlewaretoken": hidden(landed, "csrfmiddlewaretoken")}
    assert browser.post(live.path("/connexion/fin")).status_code == 403, "no one signs others out from elsewhere"
    left = browser.post(live.path("/connexion/fin"), data=out)
    assert left.headers["location"].startswith(live.path("/franceconnect/session/end?"))
    follow(browser, left)
    assert "Zoé Adrun" not in browser.get(live.path("/connexion/")).text
    again = follow(browser, browser.get(live.path("/connexion/franceconnect")))
    assert "Choisir une identité" in again.text, "the session at the provider ended too"


def test_an_agent_enters_the_portals(live, browser):
    page = follow(browser, browser.get(live.path("/connexion/proconnect?suite=/connexion/")))
    assert "Paul Pilote" in follow(browser, choose(live, browser, page, "essai-agent")).text


def test_a_professional_enters_the_portals(live, browser):
    page = follow(browser, browser.get(live.path("/connexion/psc?suite=/connexion/")))
    form = {name: hidden(page, name) for name in ("csrfmiddlewaretoken", "demande")} | {"identifiant": live.rpps}
    waiting = follow(browser, browser.post(live.path("/psc/connexion"), data=form))
    assert confirm(live, waiting).status_code == 200
    assert "Ada Essai" in follow(browser, browser.get(waiting.url)).text


def test_a_sign_in_that_did_not_begin_here_is_refused(live, browser):
    begun = browser.get(live.path("/connexion/franceconnect"))
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    for query in ("", "?code=x", f"?code=x&state={secrets.token_urlsafe(8)}", f"?error=access_denied&state={state}"):
        answer = browser.get(live.path(f"/connexion/franceconnect/retour{query}"))
        assert answer.status_code == 401
    begun = browser.get(live.path("/connexion/franceconnect"))
    state = parse_qs(urlsplit(begun.headers["location"]).query)["state"][0]
    other = browser.get(live.path(f"/connexion/proconnect/retour?code=x&state={state}"))
    assert other.status_code == 401, "a state belongs to its provider"
    mixed = browser.get(live.path(f"/connexion/franceconnect/retour?code=x&state={state}"))
    assert mixed.status_code == 401, "a state serves once"


def test_an_unknown_provider(live, browser):
    assert browser.get(live.path("/connexion/facebook")).status_code == 404


@pytest.mark.parametrize(
    "address", ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:x", "", "evil"]
)
def test_going_on_stays_on_this_site(address):
    assert safe_address(address, "/pro/") == "/pro/"


def test_going_on_inside():
    assert safe_address("/pro/dossier/?a=1") == "/pro/dossier/?a=1"


def test_doors_declare_and_hold():
    @doors.door("professional", "agent")
    def page(request):
        raise AssertionError("the door is open")

    assert page.door == frozenset({"professional", "agent"})
    request = RequestFactory().get("/pro/secret/?q=1")
    assert page(request).headers["location"] == "/connexion/?suite=%2Fpro%2Fsecret%2F%3Fq%3D1"
    fragment = page(RequestFactory().get("/pro/", headers={"HX-Request": "true"}))
    assert fragment.headers["HX-Redirect"].startswith("/connexion/")
    with pytest.raises(ValueError, match="door"):
        doors.door("everyone")
    request = RequestFactory().get("/pro/")
    request._virage_caller = system("test")
    with pytest.raises(doors.WrongDoor):
        page(request)


def test_scopes_of_people_are_never_wider_than_their_kind():
    granted = rules.grant_scopes(
        {"openid", "scope_all", "system/*.cruds", "user/*.cruds"},
        client={"openid", "scope_all", "system/*.cruds", "user/*.cruds"},
        person=rules.DEFAULT_SCOPES["citizen"],
    )
    assert granted == {"openid", "scope_all"}
