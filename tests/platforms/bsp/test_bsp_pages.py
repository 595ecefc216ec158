"""The professional's desk in a browser: sound pages, the main job by the keyboard alone and without scripts."""

import pytest

from tests.browser import saved

pytestmark = pytest.mark.browser
PDF = b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[]/Count 0>>endobj\ntrailer<</Root 1 0 R>>\n"
CLAIRE = "/pro/patients/demo-patiente/"
REASON = "Patiente inconsciente, antécédents nécessaires."


@pytest.mark.parametrize("width", [1100, 320])
def test_every_page_is_sound(visitor, width) -> None:
    doctor = visitor(width=width).become_professional("generaliste")
    found = doctor.walk("/pro/", "/pro/identites/", CLAIRE, f"{CLAIRE}publier")
    doctor.go(CLAIRE)
    documents = [link.get_attribute("href") for link in doctor.page.locator("table a").all()]
    assert len(documents) > 1
    assert found + doctor.walk(*documents) == []


def test_the_identity_stands_on_each_page_about_a_person_and_never_in_its_title_or_address(visitor) -> None:
    doctor = visitor().become_professional("generaliste")
    doctor.go(CLAIRE)
    document = doctor.page.locator("table a").first.get_attribute("href")
    for path in (CLAIRE, f"{CLAIRE}publier", document):
        doctor.go(path)
        banner = doctor.page.inner_text("section[aria-label='Identité du patient']")
        assert "Claire Durand-Lévêque" in banner
        assert "17 mai 1984" in banner
        assert "Durand" not in doctor.page.title() + doctor.page.url


def test_a_pdf_inside_a_document_shows_in_the_page(visitor) -> None:
    doctor = visitor().become_professional("generaliste")
    doctor.go(CLAIRE)
    doctor.page.click("table a:has-text('Ordonnance')")
    doctor.page.wait_for_selector("object.cda-pdf")
    doctor.until(lambda: doctor.page.locator("object.cda-pdf").evaluate("it => it.offsetHeight") > 300)
    doctor.until(lambda: any(frame.url.startswith("data:application/pdf") for frame in doctor.page.frames))
    assert doctor.said == []


def _search(doctor) -> None:
    page = doctor.page
    doctor.go("/pro/")
    doctor.tab_to("Chercher une identité")
    page.keyboard.press("Enter")
    page.wait_for_url("**/identites/")
    doctor.tab_to("Nom de naissance")
    for typed in ("durand leveque", "Claire"):
        page.keyboard.type(typed)
        page.keyboard.press("Tab")
    page.keyboard.type("F")
    for typed in ("17", "5", "1984"):
        page.keyboard.press("Tab")
        page.keyboard.type(typed)
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{CLAIRE}")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_search_break_the_glass_and_read_by_the_keyboard(visitor, scripts) -> None:
    nurse = visitor(scripts=scripts).become_professional("infirmiere")
    page = nurse.page
    _search(nurse)
    assert "équipe de soins" in page.inner_text("main")
    assert "Le titulaire du dossier peut vous autoriser" in page.inner_text("main")
    if scripts:
        assert nurse.findings() == []
    nurse.tab_to("Le patient lira ce motif")
    page.keyboard.type("trop")
    nurse.tab_to("Briser la glace")
    page.keyboard.press("Enter")
    page.wait_for_selector("#erreurs")
    assert page.input_value("textarea") == "trop"
    if scripts:
        assert nurse.findings() == []
    nurse.tab_to("Le patient lira ce motif")
    page.keyboard.press("Control+a")
    page.keyboard.type(REASON)
    nurse.tab_to("Briser la glace")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**{CLAIRE}")
    assert REASON in page.inner_text("[role=status]")
    title = page.locator("table a").first.inner_text()
    nurse.tab_to(title)
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/**")
    assert page.inner_text("h1") == title


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_publish_a_file_through_errors_without_losing_anything(visitor, tmp_path, scripts) -> None:
    doctor = visitor(scripts=scripts).become_professional("generaliste")
    page = doctor.page
    doctor.go(f"{CLAIRE}publier")
    doctor.tab_to("Titre")
    page.keyboard.type("Bilan de février")
    doctor.tab_to("Jour")
    page.keyboard.type("31")
    doctor.tab_to("Mois")
    page.keyboard.type("2")
    doctor.tab_to("Année")
    page.keyboard.type("2026")
    page.set_input_files("input[type=file]", saved(tmp_path, "programme.pdf", b"MZ not a pdf"))
    doctor.tab_to("Vérifier avant de publier")
    page.keyboard.press("Enter")
    page.wait_for_selector("#erreurs")
    assert "ni un PDF" in page.inner_text("#erreurs")
    assert "Choisissez un type" in page.inner_text("#erreurs")
    assert page.input_value("[name=titre]") == "Bilan de février"
    page.set_input_files("input[type=file]", saved(tmp_path, "bilan.pdf", PDF))
    page.select_option("[name=type]", label="Synthèse médicale")
    page.keyboard.press("Enter")
    doctor.tab_to("Vérifier avant de publier")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=bilan.pdf")
    assert "Cette date n’existe pas" in page.inner_text("#erreurs")
    assert "bilan.pdf" in page.inner_text("main")
    if scripts:
        assert doctor.findings() == []
    page.fill("[name=jour]", "28")
    page.click("text=Vérifier avant de publier")
    page.wait_for_url("**/verification")
    summary = page.inner_text("main")
    for shown in ("bilan.pdf", "Synthèse médicale", "Bilan de février", "28 février 2026", "Antoine Lefèvre"):
        assert shown in summary
    if scripts:
        assert doctor.findings() == []
    doctor.tab_to("Publier")
    page.keyboard.press("Enter")
    page.wait_for_url("**/documents/**")
    assert "publié sous le numéro" in page.inner_text("[role=status]")
    assert page.inner_text("h1") == "Bilan de février"
    doctor.go(f"{CLAIRE}publier")
    assert page.input_value("[name=titre]") == ""


def test_searches_that_find_nobody_say_what_to_do(visitor) -> None:
    doctor = visitor().become_professional("generaliste")
    page = doctor.page
    doctor.go("/pro/identites/")
    page.click("text=Chercher par les traits")
    page.wait_for_selector("#erreurs")
    assert doctor.findings() == []
    page.fill("[name=ins]", "1 23")
    page.click("text=Chercher par le matricule")
    page.wait_for_selector("#erreurs")
    assert "15 caractères" in page.inner_text("#erreurs")
    assert page.input_value("[name=ins]") == "1 23"
    assert doctor.findings() == []
    doctor.go("/pro/identites/")
    for name, value in (("nom", "Personne"), ("prenom", "Aucune"), ("jour", "1"), ("mois", "1"), ("annee", "1990")):
        page.fill(f"[name={name}]", value)
    page.select_option("[name=sexe]", "F")
    page.click("text=Chercher par les traits")
    page.wait_for_selector("text=Personne n’a exactement ces traits")
    assert page.input_value("[name=nom]") == "Personne"
    assert doctor.findings() == []


def test_an_empty_desk_says_how_patients_get_there(visitor) -> None:
    regulator = visitor().become_professional("regulateur15")
    assert "recueillez l’accord" in regulator.page.inner_text("main")
    assert regulator.findings() == []


def test_unknown_patients_and_documents_are_refused_in_words(visitor) -> None:
    doctor = visitor().become_professional("generaliste")
    for path in ("/pro/patients/nobody/", f"{CLAIRE}documents/nothing/"):
        assert doctor.go(path).status == 404
        assert doctor.findings() == []
    assert doctor.go("/mon-espace-sante/").status == 403
    assert "réservée aux usagers" in doctor.page.inner_text("main")
    assert doctor.findings() == []


def test_the_list_of_patients_is_a_table_to_keep(visitor) -> None:
    doctor = visitor().become_professional("generaliste")
    listed = doctor.page.locator("tbody tr").count()
    with doctor.page.expect_download() as coming:
        doctor.page.click("text=Télécharger la liste (CSV)")
    assert coming.value.suggested_filename == "patients.csv"
    lines = coming.value.path().read_text("utf-8-sig").splitlines()
    assert lines[0] == "nom de naissance;prénom;sexe;date de naissance;identité"
    assert len(lines) == listed + 1
    assert "Durand-Lévêque;Claire;F;1984-05-17;qualifiée" in [
        line.replace("DURAND-LÉVÊQUE", "Durand-Lévêque") for line in lines
    ]


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no-scripts"])
def test_what_is_missing_has_the_focus_and_says_what_to_write(visitor, scripts) -> None:
    doctor = visitor(scripts=scripts).become_professional("generaliste")
    doctor.go("/pro/identites/")
    doctor.page.click("text=Chercher par les traits")
    doctor.page.wait_for_selector("#erreurs:focus")
    told = doctor.page.inner_text("#erreurs")
    assert "obligatoire" not in told
    assert "Année : Donnez l’année en quatre chiffres." in told


def test_a_whole_year_is_in_sight_and_no_trait_is_remembered(visitor) -> None:
    doctor = visitor(width=320).become_professional("generaliste")
    doctor.go("/pro/identites/")
    doctor.page.fill("#id_annee", "1984")
    # A narrower box shows less than it holds: what is hidden is scrolled.
    assert doctor.page.eval_on_selector("#id_annee", "it => it.type === 'text' && it.scrollWidth <= it.clientWidth")
    remembered = doctor.page.locator("main input:not([type=hidden]):not([autocomplete=off])")
    assert remembered.count() == 0


def test_an_agreement_that_was_not_ticked_leads_back_to_the_patient(visitor) -> None:
    regulator = visitor().become_professional("regulateur15")
    regulator.go(CLAIRE)
    regulator.page.eval_on_selector("#accord", "it => it.required = false")
    regulator.page.click("text=Enregistrer son accord")
    regulator.page.click("text=Revenir au dossier du patient")
    regulator.page.wait_for_url(f"**{CLAIRE}")
