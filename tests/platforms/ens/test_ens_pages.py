"""The citizen's space in a browser: sound pages, the main job by the keyboard alone and without scripts."""

import csv
import io

import pytest

pytestmark = pytest.mark.browser
HOME = "/mon-espace-sante/"
PAGES = (
    "",
    "documents/",
    "documents/?archives=on",
    "acces/",
    "acces/?qui=tous",
    "professionnels/",
    "professionnels/?nom=Le",
    "dossier/",
    "avis/",
)


def test_on_a_telephone_the_decisions_are_in_sight(visitor) -> None:
    claire = visitor(width=320).become_citizen("patiente")
    claire.go(f"{HOME}professionnels/")
    buttons = claire.page.locator("td button").all()
    assert buttons
    for button in buttons:
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320


@pytest.mark.parametrize("width", [1100, 320])
def test_every_page_is_sound(visitor, width) -> None:
    claire = visitor(width=width).become_citizen("patiente")
    found = claire.walk(*(HOME + page for page in PAGES))
    claire.go(f"{HOME}documents/")
    documents = [link.get_attribute("href") for link in claire.page.locator("table a").all()]
    assert len(documents) > 1
    assert found + claire.walk(*documents) == []


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_sign_in_open_a_document_and_mask_it_by_the_keyboard(visitor, scripts) -> None:
    claire = visitor(scripts=scripts)
    page = claire.page
    claire.go(HOME)
    page.focus("input[value=patiente]")
    page.keyboard.press("Space")
    claire.tab_to("Continuer avec cette identité")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{HOME}")
    claire.tab_to("Mes documents")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/")
    claire.tab_to("Ordonnance")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/*/")
    claire.tab_to("Masquer aux professionnels")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Le document est masqué")
    assert "avez masqué un document" in page.inner_text(".virage-timeline")
    claire.tab_to("Démasquer ce document")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Le document est de nouveau visible")
    assert "Durand" not in page.title() + page.url


def test_who_looked_and_why_is_read_and_exported(visitor) -> None:
    nurse = visitor().become_professional("infirmiere")
    nurse.go("/pro/patients/demo-patiente/")
    nurse.page.fill("textarea", "Malaise au domicile, traitements en cours ?")
    nurse.page.click("text=Briser la glace")
    nurse.page.wait_for_selector("table")
    claire = visitor().become_citizen("patiente")
    claire.page.wait_for_selector("text=a ouvert votre dossier en urgence")
    assert claire.findings() == []
    claire.page.click("text=Voir qui a regardé et pourquoi")
    shown = claire.page.inner_text("main")
    assert "Nadia Benali, infirmière" in shown
    assert "Malaise au domicile, traitements en cours ?" in shown
    assert "Bris de glace (urgence)" in shown
    got = claire.context.request.get(f"{claire.address}{HOME}acces.csv")
    rows = list(csv.DictReader(io.StringIO(got.body().decode("utf-8-sig")), delimiter=";"))
    assert any(row["qui"] == "Nadia Benali" and row["motif"].startswith("Malaise") for row in rows)
    claire.go(HOME)
    before = claire.page.locator("text=J’ai lu cet avis").count()
    claire.page.click("text=J’ai lu cet avis >> nth=0")
    claire.page.wait_for_url(f"**{HOME}")
    assert claire.page.locator("text=J’ai lu cet avis").count() == before - 1


def test_a_professional_is_found_blocked_and_forgotten(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    page = claire.page
    claire.go(f"{HOME}professionnels/?nom=Roussel")
    page.click(".virage-people button:has-text('Bloquer')")
    page.wait_for_selector("text=n’a plus aucun accès à votre dossier")
    row = page.locator("tr", has_text="Roussel")
    assert "Bloqué" in row.inner_text()
    row.locator("button:has-text('Retirer')").click()
    page.wait_for_selector("text=est retirée")
    claire.go(f"{HOME}professionnels/?nom=Zzzz")
    assert "Aucun professionnel de ce nom" in page.inner_text("main")
    assert claire.findings() == []


def test_closing_asks_to_confirm_and_keeps_what_was_typed(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    page = claire.page
    claire.go(f"{HOME}dossier/")
    page.fill("[name=motif]", "Je déménage")
    page.click("button:has-text('Fermer mon dossier')")
    page.wait_for_selector("#erreurs")
    assert "Cochez la case" in page.inner_text("#erreurs")
    assert page.input_value("[name=motif]") == "Je déménage"
    assert claire.findings() == []
    page.check("[name=confirmation]")
    page.click("button:has-text('Fermer mon dossier')")
    page.wait_for_selector("text=Rouvrir mon dossier")
    assert claire.findings() == []
    page.check("[name=confirmation]")
    page.click("button:has-text('Rouvrir mon dossier')")
    page.wait_for_selector("text=Fermer mon dossier")


def test_filters_live_in_the_address_and_an_empty_list_says_so(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    claire.go(f"{HOME}documents/?depuis=2199")
    assert "Aucun document ne correspond" in claire.page.inner_text("main")
    assert claire.findings() == []
    assert claire.go(f"{HOME}documents/?depuis=abc").status == 200
    assert claire.page.input_value("[name=depuis]") == "abc"
    assert "Donnez une année en quatre chiffres" in claire.page.inner_text("main")
    assert claire.findings() == []
    assert claire.go(f"{HOME}acces/?apres=hier").status == 400
    assert claire.findings() == []
    assert claire.go(f"{HOME}documents/rien/").status == 404


def test_whoever_took_the_wrong_door_is_led_to_their_own(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    assert claire.go("/pro/").status == 403
    claire.page.click("text=Revenir à l’accueil")
    claire.page.wait_for_url(f"**{HOME}")
    assert claire.page.inner_text("h1") == "Mon espace santé"


def test_each_page_of_the_menu_has_a_title_of_its_own(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    titles = []
    for link in [link.get_attribute("href") for link in claire.page.locator("#menu a").all()]:
        claire.go(link)
        titles.append(claire.page.title())
    assert len(set(titles)) == 5
    assert all(own != space for own, _, space in (title.partition(" – ") for title in titles))


def test_a_refusal_made_to_somebody_else_does_not_speak_to_the_holder(visitor) -> None:
    visitor().become_professional("biologiste").go("/pro/patients/demo-patiente/")
    regulator = visitor().become_professional("regulateur15")
    assert regulator.go("/pro/patients/demo-patiente/").status == 403
    claire = visitor().become_citizen("patiente")
    claire.go(f"{HOME}acces/")
    line = claire.page.locator(".virage-timeline > li", has_text="Refusé").first.inner_text()
    assert "Marc Roussel" in line
    assert "Réponse qui lui a été faite : « Vous ne faites pas partie" in line.replace("\xa0", " ")


def test_the_table_of_accesses_keeps_the_filter_of_its_page(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    names = {}
    for who in ("autres", "tous"):
        claire.go(f"{HOME}acces/?qui={who}")
        with claire.page.expect_download() as coming:
            claire.page.click("text=Télécharger la liste pour un tableur")
        rows = csv.DictReader(io.StringIO(coming.value.path().read_text("utf-8-sig")), delimiter=";")
        names[who] = {row["qui"] for row in rows}
    assert names["tous"] - names["autres"] == {"Claire Durand-Lévêque"}


def test_a_name_too_short_is_told_once_and_in_sight(visitor) -> None:
    claire = visitor(scripts=False).become_citizen("patiente")
    claire.go(f"{HOME}professionnels/")
    claire.page.fill("[name=nom]", "Z")
    claire.page.eval_on_selector("[name=nom]", "it => it.form.noValidate = true")
    claire.page.click("text=Chercher dans l’annuaire")
    claire.page.wait_for_url("**/?nom=Z#annuaire")
    shown = claire.page.inner_text("main")
    assert "Écrivez au moins deux lettres du nom." in shown
    assert "Aucun professionnel de ce nom" not in shown


def test_what_is_printed_still_says_that_its_people_are_fictional(visitor) -> None:
    claire = visitor().become_citizen("patiente")
    claire.go(f"{HOME}documents/")
    claire.page.emulate_media(media="print")
    assert claire.page.is_visible("text=tous les documents sont fictifs")
    assert claire.page.is_visible("main table")
    for left_out in ("#menu", "footer", "text=Filtrer la liste", "text=Télécharger la liste"):
        assert claire.page.is_hidden(left_out)
