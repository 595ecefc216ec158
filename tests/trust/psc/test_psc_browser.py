"""The sign-in in a real browser: no rule of accessibility broken, and the page goes on by itself once the phone confirmed."""

import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from tests.browser import CHROMIUM, FLAGS
from tests.core.fhir.router.conftest import patient
from tests.oidc import BY, PIN, ask

pytestmark = [pytest.mark.browser, pytest.mark.skipif(not CHROMIUM, reason="no Chromium on this machine")]


def sound(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert found == [], [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found]


def test_a_patient_is_chosen(live):
    """The form's answer leads to the client, on another origin."""
    from virage.core.fhir import SHARED
    from virage.core.fhir.service import register

    register(SHARED)
    SHARED.store.update(patient(id="anne"), by=BY)
    with HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler) as client, sync_playwright() as playwright:
        threading.Thread(target=client.serve_forever, daemon=True).start()
        back = f"http://127.0.0.1:{client.server_port}/retour"
        request = ask(live, scope="openid launch/patient launch/encounter patient/*.rs", redirect_uri=back)
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page, phone = chromium.new_context().new_page(), chromium.new_context().new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
        page.goto(request.url)
        page.fill("#identifiant", live.rpps)
        page.click("main button")
        phone.goto(live.path(page.get_attribute("#telephone", "href") or ""))
        phone.fill("#pin", PIN)
        phone.check(f"#code-{page.inner_text('#nombre')}")
        phone.click("button[value=confirmer]")
        page.wait_for_selector("#patient", timeout=60_000)
        sound(page)
        page.fill("#patient", "personne")
        page.click("main button")
        sound(page)
        page.fill("#patient", "anne")
        page.click("main button")
        page.wait_for_url(f"{back}?code=*", timeout=60_000)
        assert complaints == []
        chromium.close()
        client.shutdown()


def test_sign_in_by_e_cps(live):
    request = ask(live, redirect_uri=live.path("/connexion/"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page, phone = chromium.new_context().new_page(), chromium.new_context().new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text) if "Policy" in message.text else None)
        page.goto(request.url)
        sound(page)
        page.fill("#identifiant", "99900000012")
        page.click("main button")
        sound(page)
        page.fill("#identifiant", live.rpps)
        page.click("main button")
        number = page.inner_text("#nombre")
        sound(page)
        phone.goto(live.path(page.get_attribute("#telephone", "href") or ""))
        sound(phone)
        phone.fill("#pin", "0000" if PIN != "0000" else "1111")
        phone.check(f"#code-{number}")
        phone.click("button[value=confirmer]")
        assert "vérifiez les quatre chiffres" in phone.inner_text("#pin-erreur")
        assert "pin-erreur" in (phone.get_attribute("#pin", "aria-describedby") or "")
        sound(phone)
        phone.fill("#pin", PIN)
        phone.check(f"#code-{number}")
        phone.click("button[value=confirmer]")
        sound(phone)
        page.wait_for_url("**/connexion/?code=*", timeout=60_000)
        sound(page)
        page.goto(live.path("/psc/logout"))
        sound(page)
        page.click("main button")
        assert "déconnecté" in page.inner_text("h1")
        sound(page)
        page.goto(live.path("/franceconnect/authorize?client_id=nobody"))
        sound(page)
        page.goto(live.path("/connexion/franceconnect"))
        sound(page)
        assert complaints == []
        chromium.close()


def test_what_was_given_up_is_told_by_the_title_too(live):
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = chromium.new_page()
        page.goto(ask(live, redirect_uri=live.path("/connexion/")).url)
        page.fill("#identifiant", live.rpps)
        page.click("main button")
        page.click("text=Abandonner")
        page.wait_for_selector("text=Recommencer")
        assert page.inner_text("h1") == "La connexion n’a pas abouti"
        assert page.title().startswith("La connexion n’a pas abouti")
        sound(page)
        chromium.close()
