"""FINESS open data `etalab-cs1100502-stock-*` and `cs1100507` (with positions): `;`, no header, typed lines."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from virage.core.callers import Caller
from virage.core.errors import Malformed
from virage.core.loading import Rejects, Report
from virage.core.progress import Progress
from virage.trust.annuaire import actions, queries, resources, rules
from virage.trust.annuaire import nomenclatures as nom

_BATCH = 500
_COLUMNS = [
    "section",
    "nofinesset",
    "nofinessej",
    "rs",
    "rslongue",
    "complrs",
    "compldistrib",
    "numvoie",
    "typvoie",
    "voie",
    "compvoie",
    "lieuditbp",
    "commune",
    "departement",
    "libdepartement",
    "ligneacheminement",
    "telephone",
    "telecopie",
    "categetab",
    "libcategetab",
    "categagretab",
    "libcategagretab",
    "siret",
    "codeape",
    "codemft",
    "libmft",
    "codesph",
    "libsph",
    "dateouv",
    "dateautor",
    "datemaj",
    "numuai",
]
_POSITION_COLUMNS = ["section", "nofinesset", "coordxet", "coordyet", "sourcecoordet", "datemaj"]
_POSTAL = re.compile(r"(\d{5})\s+(.+)")
# Positions are in a projection that each territory has its own of: only the metropolitan one is converted.
_LAMBERT93 = "LAMBERT_93"


def load(path: Path, by: Caller) -> Report:
    """Load a file of establishments. Raises `Malformed` (FINESS.HEADER) when its first line is not FINESS's."""
    report = Report()
    progress = Progress(path.name, path.stat().st_size // 1024, "kio")
    batch: dict[str, dict[str, Any]] = {}
    with Rejects("finess", path, report) as rejects:
        for resource in _resources(path, report, rejects, progress, batch):
            batch[resource["id"]] = resource
            if len(batch) >= _BATCH:
                actions.put(by=by, entries=batch.values(), report=report)
                batch.clear()
        if batch:
            actions.put(by=by, entries=batch.values(), report=report)
    progress.end()
    actions.finish(by=by, kind="finess", report=report)
    return report


def _resources(
    path: Path, report: Report, rejects: Rejects, progress: Progress, batch: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    for number, text in _texts(path, progress):
        report.read += 1
        cells = [cell.strip() for cell in text.split(";")]
        if cells[0] == "structureet":
            if len(cells) != len(_COLUMNS):
                rejects.reject(number, f"{len(cells)} colonnes au lieu de {len(_COLUMNS)}", text)
                continue
            line = dict(zip(_COLUMNS, cells, strict=True))
            reason = _flaw(line)
            if reason:
                rejects.reject(number, reason, text)
                continue
            if line["siret"] and not rules.is_siret(line["siret"]):
                rejects.warn(number, "numéro SIRET faux : écarté", text)
                line["siret"] = ""
            yield establishment(line)
        elif cells[0] == "geolocalisation":
            located, reason = _located(cells, batch)
            if located is None:
                rejects.reject(number, reason, text)
                continue
            yield located
        else:
            rejects.reject(number, "type de ligne inconnu : structureet et geolocalisation existent", text)


def _texts(path: Path, progress: Progress) -> Iterator[tuple[int, str]]:
    with path.open("rb") as file:
        first = _decode(file.readline()).lstrip("\ufeff")
        if not first.startswith("finess;"):
            raise Malformed(
                "Ce fichier n'est pas un fichier FINESS : sa première ligne commence par « finess; ».",
                code="FINESS.HEADER",
            )
        done = len(first)
        for number, raw in enumerate(file, start=2):
            done += len(raw)
            progress.at(done // 1024)
            text = _decode(raw).rstrip("\r\n")
            if text.strip():
                yield number, text


def _decode(raw: bytes) -> str:
    # Older files are in ISO-8859-1, newer ones in UTF-8; an accented latin-1 line is never valid UTF-8 by chance.
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _flaw(line: dict[str, str]) -> str:
    if not rules.is_finess(line["nofinesset"]):
        return "numéro FINESS de l'établissement faux (clé de contrôle)"
    if line["nofinessej"] and not rules.is_finess(line["nofinessej"]):
        return "numéro FINESS de l'entité juridique faux (clé de contrôle)"
    if not (line["rslongue"] or line["rs"]):
        return "raison sociale absente"
    return ""


def establishment(line: dict[str, str]) -> dict[str, Any]:
    """The Organization of one `structureet` line, its cells by column name."""
    types = []
    for slice_, table, code, shown in (
        ("categorieEtablissementRASS", nom.R66, line["categetab"], line["libcategetab"]),
        ("sphParticipation", nom.R73, line["codesph"], line["libsph"]),
        ("activiteINSEE", nom.R75, _dotted(line["codeape"]), ""),
    ):
        if code:
            types.append((slice_, table, code, shown))
    street = " ".join(line[name] for name in ("numvoie", "typvoie", "voie", "compvoie") if line[name])
    postal = _POSTAL.fullmatch(line["ligneacheminement"])
    return resources.organization(
        name=line["rslongue"] or line["rs"],
        alias=line["rs"],
        source="FINESS",
        finess=line["nofinesset"],
        legal_finess=line["nofinessej"],
        siret=line["siret"],
        types=types,
        phones=[line["telephone"]],
        fax=line["telecopie"],
        address=resources.postal_address(
            lines=[line["complrs"], line["compldistrib"], street, line["lieuditbp"]],
            postal_code=postal[1] if postal else "",
            city=postal[2] if postal else line["ligneacheminement"],
            commune=rules.commune_of_finess_line(line["departement"], line["commune"]) if line["commune"] else "",
        ),
        opened=line["dateouv"],
    )


def _dotted(code: str) -> str:
    return f"{code[:2]}.{code[2:]}" if len(code) == 5 else code


def _located(cells: list[str], batch: dict[str, dict[str, Any]]) -> tuple[dict[str, Any] | None, str]:
    if len(cells) != len(_POSITION_COLUMNS):
        return None, f"{len(cells)} colonnes au lieu de {len(_POSITION_COLUMNS)}"
    line = dict(zip(_POSITION_COLUMNS, cells, strict=True))
    if not rules.is_finess(line["nofinesset"]):
        return None, "numéro FINESS de l'établissement faux (clé de contrôle)"
    if _LAMBERT93 not in line["sourcecoordet"].upper().replace("-", "_"):
        return None, "position hors métropole : cette projection n'est pas convertie"
    try:
        x, y = float(line["coordxet"]), float(line["coordyet"])
    except ValueError:
        return None, "coordonnées illisibles"
    if not (0 < x < 1_300_000 and 6_000_000 < y < 7_200_000):
        return None, "coordonnées hors de la métropole"
    id_ = resources.organization_id(line["nofinesset"])
    there = batch.get(id_) or queries.present("Organization", [id_]).get(id_)
    if there is None:
        return None, "établissement inconnu : charger d'abord sa ligne structureet"
    return resources.with_position(there, *rules.lambert93_to_wgs84(x, y)), ""
