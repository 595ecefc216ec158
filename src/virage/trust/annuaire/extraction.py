"""The open-data extraction `PS_LibreAcces_Personne_activite_*.txt`: one line per person, skill and activity.

Columns are read by their names in the first line, because the register adds some at the end now and then. The lines of one
person usually follow each other; where they do not, the later ones are added to what is there.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any

from virage.core.callers import Caller
from virage.core.errors import Malformed
from virage.core.loading import Rejects, Report
from virage.core.progress import Progress
from virage.trust.annuaire import actions, queries, resources, rules
from virage.trust.annuaire import nomenclatures as nom

_BATCH = 500
_REQUIRED = ("Identification nationale PP", "Nom d'exercice", "Code profession")
_COORDINATES = " (coord. structure)"
# Table of a skill by the type of skill that the line names (TRE_R04).
_SKILL_TABLES = {
    "S": "TRE_R38-SpecialiteOrdinale",
    "C": "TRE_R39-Competence",
    "CEX": "TRE_R40-CompetenceExclusive",
    "DSM": "TRE_R42-DESCnonQualifiant",
    "CAPA": "TRE_R43-Capacite",
    "PAC": "TRE_R44-PAC",
    "DEC": "TRE_R45-DECnonQualifiant",
}


@dataclass
class Line:
    """One accepted line: its number and its cells by column name."""

    number: int
    cells: dict[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")

    def coord(self, name: str) -> str:
        """A cell of the structure's address."""
        return self.cells.get(name + _COORDINATES, "")


@dataclass
class _Seen:
    """Hashes of what this run wrote already: a national register in a hundred megabytes."""

    people: set[int] = field(default_factory=set)
    structures: set[str] = field(default_factory=set)


def load(path: Path, by: Caller) -> Report:
    """Load one extraction file. Raises `Malformed` (ANNUAIRE.HEADER) when its first line is not that of such a file."""
    report = Report()
    progress = Progress(path.name, path.stat().st_size // 1024, "kio")
    seen = _Seen()
    batch: dict[str, dict[str, Any]] = {}
    with Rejects("annuaire", path, report) as rejects:
        for _, lines in groupby(
            _lines(path, report, rejects, progress), key=lambda line: line["Identification nationale PP"]
        ):
            for entry in _person(list(lines), seen, rejects, batch):
                batch[entry["id"]] = entry
            if len(batch) >= _BATCH:
                actions.put(by=by, entries=batch.values(), report=report)
                batch.clear()
        if batch:
            actions.put(by=by, entries=batch.values(), report=report)
    progress.end()
    actions.finish(by=by, kind="extraction", report=report)
    return report


def _lines(path: Path, report: Report, rejects: Rejects, progress: Progress) -> Iterator[Line]:
    with path.open("rb") as file:
        header = _decode(file.readline()).lstrip("\ufeff").rstrip("\r\n").split("|")
        names = [name.strip().replace("’", "'") for name in header]
        missing = [name for name in _REQUIRED if name not in names]
        if missing:
            raise Malformed(
                f"Ce fichier n'est pas une extraction de l'annuaire : il manque la colonne « {missing[0]} » en première ligne.",
                code="ANNUAIRE.HEADER",
            )
        while names and not names[-1]:
            names.pop()
        done = 0
        for number, raw in enumerate(file, start=2):
            done += len(raw)
            progress.at(done // 1024)
            try:
                text = raw.decode("utf-8").rstrip("\r\n")
            except UnicodeDecodeError:
                report.read += 1
                rejects.reject(number, "la ligne n'est pas en UTF-8")
                continue
            if not text.strip():
                continue
            report.read += 1
            cells = text.split("|")
            if len(cells) > len(names) and not any(cells[len(names) :]):
                cells = cells[: len(names)]
            if len(cells) != len(names):
                rejects.reject(number, f"{len(cells)} colonnes au lieu de {len(names)}", text)
                continue
            line = Line(number, {name: cell.strip() for name, cell in zip(names, cells, strict=True)})
            reason = _flaw(line)
            if reason:
                rejects.reject(number, reason, text)
                continue
            yield line


def _decode(raw: bytes) -> str:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _flaw(line: Line) -> str:
    idnat = line["Identification nationale PP"]
    if not idnat:
        return "identification nationale absente"
    if idnat[0] == "8" and not rules.rpps_of_idnat(idnat):
        return "numéro RPPS faux (clé de contrôle)"
    if idnat[0] == "0" and not rules.is_adeli(idnat[1:]):
        return "numéro ADELI mal formé"
    if not line["Nom d'exercice"]:
        return "nom d'exercice absent"
    if not line["Code profession"]:
        return "code profession absent"
    return ""


def _person(
    lines: list[Line], seen: _Seen, rejects: Rejects, batch: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    first = lines[0]
    idnat = first["Identification nationale PP"]
    professions = _unique((line["Code profession"], line["Code catégorie professionnelle"]) for line in lines)
    skills = _unique(
        (line["Code type savoir-faire"], _SKILL_TABLES[line["Code type savoir-faire"]], line["Code savoir-faire"])
        for line in lines
        if line["Code savoir-faire"] and line["Code type savoir-faire"] in _SKILL_TABLES
    )
    labels = {(nom.G15, line["Code profession"]): line["Libellé profession"] for line in lines}
    labels |= {
        (_SKILL_TABLES.get(line["Code type savoir-faire"], ""), line["Code savoir-faire"]): line["Libellé savoir-faire"]
        for line in lines
    }
    person = resources.practitioner(
        idnat=idnat,
        family=first["Nom d'exercice"],
        given=first["Prénom d'exercice"],
        title=first["Code civilité"],
        practice_title=first["Code civilité d'exercice"],
        professions=professions,
        skills=skills,
        labels=labels,
    )
    mark = hash(idnat)
    if mark in seen.people:
        person = _added(person, batch)
    seen.people.add(mark)
    yield person
    roles: dict[str, dict[str, Any]] = {}
    for line in lines:
        structure = _structure(line, rejects)
        if structure and structure["id"] not in seen.structures:
            seen.structures.add(structure["id"])
            yield structure
        if not structure and not line["Code genre activité"] and not line["Code mode exercice"]:
            continue
        situation = "|".join(
            (
                structure["id"] if structure else "",
                line["Code profession"],
                line["Code mode exercice"],
                line["Code genre activité"],
                line["Code rôle"],
            )
        )
        role = resources.practitioner_role(
            idnat=idnat,
            situation=situation,
            organization=structure["id"] if structure else "",
            profession=line["Code profession"],
            genre=line["Code genre activité"],
            mode=line["Code mode exercice"],
            function=line["Code rôle"],
        )
        roles[role["id"]] = role
    yield from roles.values()


def _added(person: dict[str, Any], batch: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """A person met again later in the file: their qualifications come on top of those written before."""
    there = batch.get(person["id"]) or queries.present("Practitioner", [person["id"]]).get(person["id"])
    if there is None:
        return person
    before = there.get("qualification", [])
    return {**person, "qualification": before + [q for q in person.get("qualification", []) if q not in before]}


def _structure(line: Line, rejects: Rejects) -> dict[str, Any] | None:
    finess, siret = line["Numéro FINESS site"], line["Numéro SIRET site"]
    siren, technical = line["Numéro SIREN site"], line["Identifiant technique de la structure"]
    if finess and not rules.is_finess(finess):
        rejects.warn(line.number, "numéro FINESS du site faux : écarté")
        finess = ""
    if siret and not rules.is_siret(siret):
        rejects.warn(line.number, "numéro SIRET du site faux : écarté")
        siret = ""
    if siren and not rules.is_siren(siren):
        rejects.warn(line.number, "numéro SIREN du site faux : écarté")
        siren = ""
    if not (finess or siret or siren or technical):
        return None
    street = " ".join(
        part
        for part in (
            line.coord("Numéro Voie"),
            line.coord("Indice répétition voie"),
            line.coord("Libellé type de voie"),
            line.coord("Libellé Voie"),
        )
        if part
    )
    legal = line["Numéro FINESS établissement juridique"]
    sector = line["Code secteur d'activité"]
    return resources.organization(
        name=line["Raison sociale site"] or line["Enseigne commerciale site"] or "Structure sans nom",
        alias=line["Enseigne commerciale site"],
        source="RPPS",
        finess=finess,
        legal_finess=legal if rules.is_finess(legal) else "",
        siret=siret,
        siren=siren,
        technical=technical,
        types=[("secteurActiviteRASS", nom.R02, sector, line["Libellé secteur d'activité"])] if sector else [],
        phones=[line.coord("Téléphone"), line.coord("Téléphone 2")],
        fax=line.coord("Télécopie"),
        email=line.coord("Adresse e-mail"),
        address=resources.postal_address(
            lines=[
                line.coord("Complément destinataire"),
                line.coord("Complément point géographique"),
                street,
                line.coord("Mention distribution"),
            ],
            postal_code=line.coord("Code postal"),
            city=line.coord("Libellé commune") or line.coord("Bureau cedex"),
            commune=line.coord("Code commune"),
            country=line.coord("Libellé pays"),
        ),
    )


def _unique(values: Any) -> list[Any]:
    return list(dict.fromkeys(values))
