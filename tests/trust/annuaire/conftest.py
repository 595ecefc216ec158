"""Files in the directory's formats, and exchanges with `/annuaire/fhir`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from virage.core.callers import Caller
from virage.core.fhir import FhirRequest, json, router
from virage.trust.annuaire.api import SERVICE

READER = Caller(kind="software", subject="lps", client_id="lps", scopes=frozenset({"system/*.rs"}))

_COORD = [
    "Complément destinataire",
    "Complément point géographique",
    "Numéro Voie",
    "Indice répétition voie",
    "Code type de voie",
    "Libellé type de voie",
    "Libellé Voie",
    "Mention distribution",
    "Bureau cedex",
    "Code postal",
    "Code commune",
    "Libellé commune",
    "Code pays",
    "Libellé pays",
    "Téléphone",
    "Téléphone 2",
    "Télécopie",
    "Adresse e-mail",
]


def _pair(name: str) -> list[str]:
    return [f"Code {name}", f"Libellé {name}"]


COLUMNS = [
    "Type d'identifiant PP",
    "Identifiant PP",
    "Identification nationale PP",
    *_pair("civilité d'exercice"),
    *_pair("civilité"),
    "Nom d'exercice",
    "Prénom d'exercice",
    *_pair("profession"),
    *_pair("catégorie professionnelle"),
    *_pair("type savoir-faire"),
    *_pair("savoir-faire"),
    *_pair("mode exercice"),
    "Numéro SIRET site",
    "Numéro SIREN site",
    "Numéro FINESS site",
    "Numéro FINESS établissement juridique",
    "Identifiant technique de la structure",
    "Raison sociale site",
    "Enseigne commerciale site",
    *[f"{name} (coord. structure)" for name in _COORD],
    *_pair("Département (structure)"),
    "Ancien identifiant de la structure",
    "Autorité d'enregistrement",
    *_pair("secteur d'activité"),
    *_pair("section tableau pharmaciens"),
    *_pair("rôle"),
    *_pair("genre activité"),
]

DOCTOR = {
    "Type d'identifiant PP": "8",
    "Identifiant PP": "99700366240",
    "Identification nationale PP": "899700366240",
    "Code civilité d'exercice": "DR",
    "Code civilité": "MME",
    "Nom d'exercice": "LEFÈVRE",
    "Prénom d'exercice": "Hélène",
    "Code profession": "10",
    "Libellé profession": "Médecin",
    "Code catégorie professionnelle": "C",
    "Code type savoir-faire": "S",
    "Code savoir-faire": "SM54",
    "Libellé savoir-faire": "Médecine générale",
    "Code mode exercice": "L",
    "Numéro FINESS site": "750712184",
    "Identifiant technique de la structure": "F750712184",
    "Raison sociale site": "HOPITAL D'EXEMPLE",
    "Code postal (coord. structure)": "75013",
    "Libellé commune (coord. structure)": "PARIS",
    "Code commune (coord. structure)": "75113",
    "Code secteur d'activité": "SA01",
    "Code genre activité": "GENR01",
}


def text(*lines: dict[str, str] | str) -> str:
    """An extraction of these lines, each a dict of cells or a raw line."""
    rows = [line if isinstance(line, str) else "|".join(line.get(name, "") for name in COLUMNS) + "|" for line in lines]
    return "\n".join(["|".join(COLUMNS) + "|", *rows, ""])


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write an extraction file of these lines."""

    def writer(*lines: dict[str, str] | str, name: str = "PS_LibreAcces_Personne_activite_202601010000.txt") -> Path:
        path = tmp_path / name
        path.write_text(text(*lines), "utf-8")
        return path

    return writer


def ask(
    path: str, query: str = "", caller: Caller = READER, method: str = "GET", body: bytes = b""
) -> tuple[int, dict]:
    """One exchange with `/annuaire/fhir`: status and resource."""
    request = FhirRequest(
        method=method,
        path=path,
        query=query,
        headers={"content-type": "application/fhir+json"},
        body=body,
        caller=caller,
        base="http://test/annuaire/fhir",
    )
    response = router.handle(SERVICE, request)
    return response.status, json.loads(response.body) if response.body else {}


def found(path: str, query: str) -> list[dict]:
    """The resources that a search finds."""
    status, bundle = ask(path, query)
    assert status == 200, bundle
    return [entry["resource"] for entry in bundle.get("entry", [])]
