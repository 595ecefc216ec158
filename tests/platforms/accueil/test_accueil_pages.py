"""The public door, and every closed one, in a browser."""

import pytest

pytestmark = pytest.mark.browser
PUBLIC = ("/", "/editeurs/", "/connexion/")


@pytest.mark.parametrize("width", [1100, 320])
def test_public_pages_are_sound(visitor, width) -> None:
    assert visitor(width=width).walk(*PUBLIC) == []


def test_every_link_of_the_public_pages_leads_somewhere(visitor) -> None:
    window = visitor()
    links = set()
    for path in PUBLIC:
        window.go(path)
        links |= {a.get_attribute("href") for a in window.page.locator("a[href^='/']").all()}
    assert {"/mon-espace-sante/", "/pro/", "/editeurs/", "/dmp/fhir/metadata"} <= links
    answers = {link: window.context.request.get(window.address + link).status for link in links}
    assert {link: status for link, status in answers.items() if status != 200} == {}


def test_nobody_is_asked_to_sign_in_for_a_door_that_is_closed(visitor) -> None:
    window = visitor()
    window.go("/connexion/")
    shown = window.page.inner_text("main")
    assert "FranceConnect" in shown
    assert "Pro Santé Connect" in shown
    assert "ProConnect" not in shown


@pytest.mark.parametrize("path", ["/pilotage/", "/hdh/"])
def test_a_closed_door_says_so_and_shows_the_open_ones(visitor, path) -> None:
    window = visitor()
    assert window.go(path).status == 404
    assert "n’est pas encore ouvert" in window.page.inner_text("main")
    assert window.page.locator("main a[href='/pro/']").count() == 1
    assert window.findings() == []


def test_an_unknown_address_is_explained(visitor) -> None:
    window = visitor()
    assert window.go("/nulle-part/").status == 404
    assert "Page introuvable" in window.page.title()
    assert window.findings() == []


def test_the_skip_link_is_the_first_stop_and_moves_the_focus(visitor) -> None:
    window = visitor()
    window.go("/")
    window.page.keyboard.press("Tab")
    assert "Aller au contenu" in window.focused()
    window.page.keyboard.press("Enter")
    assert window.page.evaluate("document.activeElement.id") == "contenu"


def test_text_twice_as_large_still_fits(visitor) -> None:
    window = visitor()
    for path in PUBLIC:
        window.go(path)
        window.page.evaluate("document.documentElement.style.setProperty('font-size', '200%')")
        assert window.findings() == []


def test_the_front_page_is_for_people_and_the_vendors_page_for_programs(visitor) -> None:
    window = visitor()
    window.go("/")
    assert "FHIR" not in window.page.inner_text("main")
    window.page.click("text=Se raccorder")
    assert "/dmp/fhir" in window.page.inner_text("main table >> nth=0")
