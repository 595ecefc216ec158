"""SMART launch contexts: the professional chooses the patient, the token stays with them, and says who signed in."""

import re

import httpx
import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from tests.core.fhir.router.conftest import observation, patient
from tests.oidc import BACK, BY, SECRET, ask, begin, confirm, hidden, redeem, returned
from virage.core.fhir import SHARED
from virage.core.fhir.service import register
from virage.trust import annuaire

INS = "175126322012345"
SCOPE = "openid fhirUser launch/patient patient/*.rs"


@pytest.fixture(scope="module")
def record(house):
    """Two patients with an observation and an encounter each, and the physician in the directory."""
    from virage.trust.annuaire.api import SERVICE

    register(SHARED)
    register(SERVICE)
    for name in ("anne", "bob"):
        identifier = [{"system": "urn:oid:1.2.250.1.213.1.4.10", "value": INS}] if name == "anne" else []
        resource = patient(id=name, **({"identifier": identifier} if identifier else {}))
        SHARED.store.update(resource, by=BY)
        SHARED.store.update(observation(f"Patient/{name}", id=f"o-{name}"), by=BY)
        subject = {"reference": f"Patient/{name}"}
        visit = {"resourceType": "Encounter", "id": f"e-{name}", "status": "finished", "class": {"code": "AMB"}}
        SHARED.store.update({**visit, "subject": subject}, by=BY)
    id = annuaire.resources.stable_id("practitioner", f"8{house.rpps}")
    SERVICE.store.update({"resourceType": "Practitioner", "id": id, "name": [{"family": "Essai"}]}, by=BY)
    return house.path(f"/annuaire/fhir/Practitioner/{id}")


def chosen(browser, request, **fields):
    """The sign-in up to the page of the choice, then what is typed there."""
    waiting = begin(browser, request)
    assert confirm(request.live, waiting).status_code == 200
    page = browser.get(waiting.url)
    assert page.status_code == 200, page.text
    assert "Choisir le patient" in page.text
    # Browsers let a form lead where the page says only.
    assert page.headers["content-security-policy"].endswith(" http://127.0.0.1:9")
    assert page.headers["cache-control"] == "no-store"
    return choose(browser, request, page, **fields)


def choose(browser, request, page, **fields):
    form = {name: hidden(page, name) for name in ("csrfmiddlewaretoken", "demande")}
    return browser.post(request.live.path("/psc/patient"), data=form | fields)


def tokens_of(browser, request, **fields):
    answer = returned(chosen(browser, request, **fields), BACK)
    given = redeem(request, answer["code"])
    assert given.status_code == 200, given.text
    return given.json()


def get(live, token, path):
    return httpx.get(live.path(f"/fhir/{path}"), headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("typed", ["anne", "Patient/anne", INS, "1 75 12 63 220 123 45"])
def test_the_token_stays_with_the_patient_chosen(live, record, browser, typed):
    given = tokens_of(browser, ask(live, scope=SCOPE, aud=live.path("/fhir")), patient=typed)
    assert given["patient"] == "anne"
    assert given["need_patient_banner"] is True
    assert "encounter" not in given
    assert set(given["scope"].split()) == set(SCOPE.split())
    token = given["access_token"]
    assert get(live, token, "Patient/anne").status_code == 200
    assert get(live, token, "Observation/o-anne").status_code == 200
    for path in ("Patient/bob", "Observation/o-bob", "Patient/bob/$everything", "Practitioner/x"):
        assert get(live, token, path).status_code in (403, 404), path
    found = get(live, token, "Observation").json()
    assert [each["resource"]["id"] for each in found["entry"]] == ["o-anne"]


def test_who_signed_in_is_a_practitioner_of_the_directory(live, record, browser):
    given = tokens_of(browser, ask(live, scope=SCOPE), patient="anne")
    keys = KeySet.import_key_set(httpx.get(live.path("/psc/certs")).json())
    claims = jwt.decode(given["id_token"], keys, algorithms=["RS256"]).claims
    assert claims["fhirUser"] == record
    userinfo = httpx.get(live.path("/psc/userinfo"), headers={"Authorization": f"Bearer {given['access_token']}"})
    assert userinfo.json()["fhirUser"] == record
    form = {"token": given["access_token"]}
    told = httpx.post(live.path("/psc/token/introspect"), data=form, auth=("essai-lps", SECRET)).json()
    assert (told["patient"], told["fhirUser"]) == ("anne", record)
    reader = tokens_of(browser, ask(live, scope="openid launch/patient user/*.rs", prompt="login"), patient="anne")
    read = httpx.get(record, headers={"Authorization": f"Bearer {reader['access_token']}"})
    assert read.json()["resourceType"] == "Practitioner"


def test_whom_no_directory_knows_has_no_fhir_user(live, record, browser):
    request = ask(live, scope="openid fhirUser")
    waiting = begin(browser, request, "99900000029")
    confirm(live, waiting)
    given = redeem(request, returned(browser.get(waiting.url), BACK)["code"]).json()
    assert given["scope"] == "openid"
    keys = KeySet.import_key_set(httpx.get(live.path("/psc/certs")).json())
    assert "fhirUser" not in jwt.decode(given["id_token"], keys, algorithms=["RS256"]).claims


def test_an_encounter_goes_with_its_patient(live, record, browser):
    scope = f"{SCOPE} launch/encounter"
    request = ask(live, scope=scope)
    refused = chosen(browser, request, patient="anne", sejour="e-bob")
    assert refused.status_code == 422
    assert "sejour" in refused.text
    answer = returned(choose(browser, request, refused, patient="anne", sejour="Encounter/e-anne"), BACK)
    given = redeem(request, answer["code"]).json()
    assert (given["patient"], given["encounter"]) == ("anne", "e-anne")
    # Left empty, it is not granted.
    request = ask(live, scope=scope)
    page = browser.get(request.url)
    answer = returned(choose(browser, request, page, patient="anne", sejour=""), BACK)
    given = redeem(request, answer["code"]).json()
    assert "encounter" not in given
    assert set(given["scope"].split()) == set(SCOPE.split())


def test_a_renewed_token_keeps_its_patient(live, record, browser):
    given = tokens_of(browser, ask(live, scope=SCOPE), patient="anne")
    form = {"grant_type": "refresh_token", "refresh_token": given["refresh_token"]}
    again = httpx.post(live.path("/psc/token"), data=form, auth=("essai-lps", SECRET)).json()
    assert again["patient"] == "anne"
    assert get(live, again["access_token"], "Patient/bob").status_code == 403
    assert get(live, again["access_token"], "Patient/anne").status_code == 200


@pytest.mark.parametrize("typed", ["", "nobody", "../anne", "anne?x=1", "x" * 200, "é"])
def test_a_patient_who_is_not_there(live, record, browser, typed):
    request = ask(live, scope=SCOPE)
    page = chosen(browser, request, patient=typed)
    assert page.status_code == 422
    assert "Rien n’a été transmis" in page.text
    assert returned(choose(browser, request, page, patient="bob"), BACK)["code"]


def test_without_a_choice_there_are_no_scopes_of_a_patient(live, record, browser):
    request = ask(live, scope="openid patient/*.rs user/Observation.rs")
    waiting = begin(browser, request)
    confirm(live, waiting)
    given = redeem(request, returned(browser.get(waiting.url), BACK)["code"]).json()
    assert set(given["scope"].split()) == {"openid", "user/Observation.rs"}
    assert "patient" not in given


def test_scopes_of_the_first_version_and_constrained_ones(live, record, browser):
    scope = "openid launch/patient patient/Observation.read patient/Patient.read"
    given = tokens_of(browser, ask(live, scope=scope), patient="anne")
    assert set(given["scope"].split()) == set(scope.split())
    assert get(live, given["access_token"], "Observation/o-anne").status_code == 200
    assert get(live, given["access_token"], "Observation/o-bob").status_code == 403
    assert get(live, given["access_token"], "Encounter/e-anne").status_code == 403
    scope = "openid launch/patient patient/Observation.rs?code=http://loinc.org|1-1"
    given = tokens_of(browser, ask(live, scope=scope, prompt="login"), patient="anne")
    assert set(given["scope"].split()) == set(scope.split())
    assert get(live, given["access_token"], "Observation/o-anne").status_code == 403


def test_no_page_where_none_may_be_shown(live, record, browser):
    request = ask(live, scope=SCOPE)
    assert tokens_of(browser, request, patient="anne")
    answer = returned(browser.get(ask(live, scope=SCOPE, prompt="none").url), BACK)
    assert answer["error"] == "interaction_required"


def test_the_choice_belongs_to_the_session(live, record, browser):
    request = ask(live, scope=SCOPE)
    page = chosen(browser, request, patient="nobody")
    with httpx.Client() as other:
        assert choose(other, request, page, patient="anne").status_code == 403
        other.cookies.set("csrftoken", browser.cookies.get("csrftoken"))
        assert choose(other, request, page, patient="anne").status_code == 403
    form = {"csrfmiddlewaretoken": hidden(page, "csrfmiddlewaretoken"), "patient": "anne", "demande": "x"}
    assert browser.post(live.path("/psc/patient"), data=form).status_code == 403
    # What another page sealed is no choice.
    identify = browser.get(ask(live, scope=SCOPE, prompt="login").url)
    form["demande"] = hidden(identify, "demande")
    assert browser.post(live.path("/psc/patient"), data=form).status_code == 403


def test_giving_up_says_so(live, record, browser):
    page = chosen(browser, ask(live, scope=SCOPE), patient="nobody")
    where = re.search(r'href="([^"]*error=access_denied[^"]*)"', page.text)
    assert where
    assert where[1].startswith(BACK)


def test_another_resource_server_is_refused(live, record, browser):
    for aud in ("https://elsewhere.example/fhir", live.url + ".evil.example/fhir"):
        answer = returned(browser.get(ask(live, scope=SCOPE, aud=aud).url), BACK)
        assert answer["error"] == "invalid_request"


class _At:
    """A request whose address another library wrote."""

    def __init__(self, live, url):
        self.live, self.url = live, url


def test_a_smart_client_that_nobody_here_wrote(live, record, browser):
    """`fhirclient`, the SMART project's own: finds the server, asks for a patient, brings the code back, reads the record."""
    from fhirclient import client as smart
    from fhirclient.models.observation import Observation

    settings = {"app_id": "essai-lps", "app_secret": SECRET, "api_base": live.path("/fhir"), "redirect_uri": BACK}
    app = smart.FHIRClient(settings={**settings, "scope": "openid fhirUser patient/*.rs"})
    assert not app.ready
    assert app.prepare() is False
    request = _At(live, app.authorize_url)
    answer = chosen(browser, request, patient=INS)
    app.handle_callback(answer.headers["location"])
    assert app.ready
    assert app.patient_id == "anne"
    assert app.patient.name[0].family == "Essai"
    assert [each.id for each in Observation.where(struct={}).perform_resources_iter(app.server)] == ["o-anne"]
    assert app.reauthorize()
    assert app.patient.id == "anne"
