"""The sign-in in a real browser: no rule of accessibility broken, and the page goes on by itself once the phone confirmed."""

import shutil

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, sync_playwright

from tests.oidc import PIN, ask

CHROMIUM = shutil.which("chromium")
pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]


def sound(page: Page) -> None:
    found = Axe().run(page).response["violations"]
    assert found == [], [(one["id"], [node["html"][:100] for node in one["nodes"]]) for one in found]


def test_sign_in_by_e_cps(live):
    request = ask(live, redirect_uri=live.path("/connexion/"))
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
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
        phone.fill("#pin", PIN)
        phone.check(f"#code-{number}")
        phone.click("button[value=confirmer]")
        sound(phone)
        page.wait_for_url("**/connexion/?code=*", timeout=10_000)
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
