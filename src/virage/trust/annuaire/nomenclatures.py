"""Labels of the national codes that the directory serves."""

import csv
from functools import lru_cache
from importlib.resources import files

from virage.trust.annuaire.rules import nos

G15 = "TRE_G15-ProfessionSante"
R02 = "TRE_R02-SecteurActivite"
R04 = "TRE_R04-TypeSavoirFaire"
R09 = "TRE_R09-CategorieProfessionnelle"
R21 = "TRE_R21-Fonction"
R22 = "TRE_R22-GenreActivite"
R23 = "TRE_R23-ModeExercice"
R38 = "TRE_R38-SpecialiteOrdinale"
R66 = "TRE_R66-CategorieEtablissement"
R73 = "TRE_R73-ESPIC"
R75 = "TRE_R75-InseeNAFrev2Niveau5"
R256 = "TRE_R256-TypeMessagerie"


@lru_cache(maxsize=1)
def _table() -> dict[tuple[str, str], str]:
    text = (files("virage.trust.annuaire") / "data" / "nomenclatures.csv").read_text("utf-8")
    return {(row[0], row[1]): row[2] for row in csv.reader(text.splitlines()[2:], delimiter=";")}


def label(table: str, code: str) -> str:
    """Label of a code, empty where the table does not hold it."""
    return _table().get((table, code), "")


def coding(table: str, code: str, display: str = "") -> dict[str, str]:
    """FHIR Coding of a national code, with the label given or ours."""
    value = {"system": nos(table), "code": code}
    shown = display or label(table, code)
    return {**value, "display": shown} if shown else value


def professions() -> dict[str, str]:
    """Label of each health profession by its TRE_G15 code."""
    return {code: text for (table, code), text in _table().items() if table == G15}
