"""Birth places: the committed table, and INSEE's files on top of it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from virage.core.callers import system
from virage.core.errors import Malformed
from virage.trust.ins import cog, places

BY = system("test")
COMMUNES = (
    "TYPECOM,COM,REG,DEP,CTCD,ARR,TNCC,NCC,NCCENR,LIBELLE,CAN,COMPARENT\n"
    "COM,63113,84,63,63D,632,0,CLERMONT FERRAND,Clermont-Ferrand,Clermont-Ferrand,6399,\n"
    "COM,63999,84,63,63D,632,0,VILLENEUVE,Villeneuve,Villeneuve-la-Neuve,6399,\n"
    "COMD,63998,,63,,,0,HAMEAU,Hameau,Hameau,,63999\n"
    "COM,631,84,63,63D,632,0,COURT,Court,Court,6399,\n"
)
OLD = (
    "COM,TNCC,NCC,NCCENR,LIBELLE,DATE_DEBUT,DATE_FIN\n"
    "2A020,0,ANCIENNE,Ancienne,Ancienne,1943-01-01,1968-01-01\n"
    "63113,0,CLERMONT,Clermont,Clermont,1943-01-01,1950-01-01\n"
)
COUNTRIES = "COG,ACTUAL,CRPAY,ANI,LIBCOG,LIBENR\n99143,3,,,Chypre,République de Chypre\n12345,1,,,Faux,Faux\n"


@pytest.fixture(autouse=True)
def _own_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    places.table.cache_clear()
    yield
    places.table.cache_clear()


def test_the_committed_table_knows_communes_districts_former_ones_and_countries() -> None:
    natures = {place.nature for place in places.table().values()}
    assert natures == {"A", "M", "D", "S", "F", "P"}
    assert places.label("75113") == "Paris 13e Arrondissement"
    assert places.find("63999") is None
    assert places.label("99352") == "Algérie"
    assert places.label("99999") == "Inconnu"


def test_every_code_has_its_form() -> None:
    from virage.trust.ins import rules

    for code, place in places.table().items():
        assert rules.check_traits(rules.Traits("A", "B", "F", None, code))[-1].path == "Patient.birthDate", place


@pytest.mark.usefixtures("db")
def test_files_of_insee_come_on_top(tmp_path: Path) -> None:
    path = tmp_path / "v_commune.csv"
    path.write_text(COMMUNES)
    report = cog.load(path, BY)
    assert (report.read, report.created, report.unchanged, report.rejected) == (4, 2, 1, 1)
    assert places.label("63999") == "Villeneuve-la-Neuve"
    assert places.find("63113").population > 0
    again = cog.load(path, BY)
    assert (again.created, again.updated, again.unchanged) == (0, 0, 3)
    path.write_text(COMMUNES.replace("Clermont-Ferrand,6399", "Clermont,6399"))
    assert cog.load(path, BY).updated == 1
    assert (places.label("63113"), places.find("63113").postal_code) == ("Clermont", "63000")
    path.write_text(OLD)
    assert cog.load(path, BY).created == 1
    assert places.find("2A020").nature == "F"
    assert places.label("63113") == "Clermont"
    path.write_text(COUNTRIES)
    assert (cog.load(path, BY).created, places.label("99143")) == (1, "Chypre")
    assert places.label("63999") == "Villeneuve-la-Neuve"


@pytest.mark.parametrize("content", [b"", b"a,b\n1,2\n", b"\xff\xfe\x00", b"COM;LIBELLE\n63113;X\n"])
def test_another_file_is_refused_and_changes_nothing(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(Malformed) as refused:
        cog.load(path, BY)
    assert refused.value.code == "INS.COG_HEADER"
    assert not places.supplement_path().exists()
