"""Numbers of the directory."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from virage.core.errors import Invalid
from virage.trust.annuaire import rules


@pytest.mark.parametrize("rpps", ["99700366240", "99700218896", "99700427885"])
def test_the_published_test_rpps_hold(rpps: str) -> None:
    assert rules.is_rpps(rpps)
    assert rules.rpps_of_idnat(rules.idnat_ps(rpps)) == rpps


@pytest.mark.parametrize(
    "finess", ["750712184", "690781810", "580008803", "010002350", "130786049", "920000650", "010000024"]
)
def test_published_finess_numbers_hold(finess: str) -> None:
    assert rules.is_finess(finess)
    assert rules.finess_key(finess[:8]) == finess[8]


@pytest.mark.parametrize("value", ["", "10102727017", "9970036624", "997003662400", "9970036624x", "٩9700366240"])
def test_a_wrong_rpps_is_refused(value: str) -> None:
    assert not rules.is_rpps(value)
    with pytest.raises(Invalid) as refused:
        rules.require_rpps(value, path="Practitioner.identifier[0]")
    assert refused.value.code == "ANNUAIRE.RPPS_WRONG"
    assert refused.value.path == "Practitioner.identifier[0]"


@pytest.mark.parametrize("value", ["", "750712185", "75071218", "AA0712184", "7507121844"])
def test_a_wrong_finess_is_refused(value: str) -> None:
    assert not rules.is_finess(value)


@given(st.from_regex(r"[0-9]{10}", fullmatch=True))
def test_the_luhn_key_makes_any_number_valid_and_only_it(digits: str) -> None:
    key = rules.luhn_key(digits)
    assert rules.is_rpps(digits + key)
    assert not any(rules.is_rpps(digits + other) for other in "0123456789" if other != key)


@given(st.from_regex(r"[0-9][A-Z][0-9]{6}", fullmatch=True))
def test_a_letter_in_a_finess_number_counts_for_its_rank(eight: str) -> None:
    assert rules.is_finess(eight + rules.finess_key(eight))


def test_siren_and_siret() -> None:
    assert rules.is_siret("26010004500012")
    assert not rules.is_siret("26010004500013")
    assert rules.is_siret("35600000049837")
    assert rules.is_siren("260100045")
    assert not rules.is_siren("260100046")


def test_national_ids_of_structures() -> None:
    assert rules.idnat_struct(finess="010000024", siret="26010004500012") == "1010000024"
    assert rules.idnat_struct(siret="26010004500012") == "326010004500012"
    assert rules.idnat_struct(siren="260100045") == "2260100045"
    assert rules.idnat_struct(technical="R10100000001") == "R10100000001"
    assert rules.rpps_of_idnat("0751234567") == ""


def test_the_address_of_a_nomenclature_table() -> None:
    assert (
        rules.nos("TRE_G15-ProfessionSante")
        == "https://mos.esante.gouv.fr/NOS/TRE_G15-ProfessionSante/FHIR/TRE-G15-ProfessionSante"
    )


@pytest.mark.parametrize(
    ("department", "commune", "code"), [("01", "451", "01451"), ("9B", "207", "97207"), ("2A", "004", "2A004")]
)
def test_the_commune_of_a_finess_line(department: str, commune: str, code: str) -> None:
    assert rules.commune_of_finess_line(department, commune) == code


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (["1 place de la Mairie"], ("1", "", "place de la Mairie")),
        (["Bâtiment C", "12 bis rue d’Essai"], ("12", "BIS", "rue d’Essai")),
        (["7B avenue d’Essai", "3 rue Autre"], ("7", "B", "avenue d’Essai")),
    ],
)
def test_a_street_is_told_from_the_lines_of_an_address(lines: list[str], told: tuple[str, str, str]) -> None:
    assert tuple(rules.street(lines).values()) == told


@pytest.mark.parametrize("lines", [[], ["BP 12"], ["Lieu-dit le Bourg"], ["12345 67890"]])
def test_a_line_that_begins_with_no_number_tells_no_street(lines: list[str]) -> None:
    assert rules.street(lines) == {}


@pytest.mark.parametrize(("commune", "department"), [("75113", "75"), ("2A004", "2A"), ("97411", "974"), ("", "")])
def test_a_commune_is_in_its_department(commune: str, department: str) -> None:
    assert rules.department(commune) == department
