"""INSEE's own files of the COG, newer or fuller than the committed table: `v_commune_*.csv`, `v_pays_*.csv`.

What they say is kept in `VIRAGE_HOME/tables/places.csv` and read on top of the committed table, so that a commune suppressed long
ago, or created after this version of the house, is a birth place too. Servers read it when they start.
"""

import csv
import os
from collections.abc import Iterator
from dataclasses import astuple, replace
from pathlib import Path

from virage.core import audit
from virage.core.callers import Caller
from virage.core.errors import Malformed
from virage.core.loading import Rejects, Report
from virage.trust.ins import places
from virage.trust.ins.places import Place

_NATURES = {"COM": "A", "COMD": "D", "COMA": "S", "ARM": "M"}


def load(path: Path, by: Caller) -> Report:
    """Load one file. Raises `Malformed` (INS.COG_HEADER) when its first line is not that of such a file."""
    report = Report()
    added = places.supplement()
    before = dict(places.table())
    with Rejects("cog", path, report) as rejects:
        for number, place in _read(path):
            report.read += 1
            if place is None:
                rejects.reject(number, "code absent ou mal formé")
                continue
            known = added.get(place.code) or before.get(place.code)
            if known is not None and (place.nature == "F" or _same(known, place)):
                # A code in use names its commune of today, whatever older lines say of it.
                report.unchanged += 1
                continue
            report.created += known is None
            report.updated += known is not None
            if known is not None:
                place = replace(place, postal_code=known.postal_code, population=known.population)
            added[place.code] = place
    _keep(added)
    audit.trace(by=by, action="ins.load.cog", title="Chargement : cog", detail={"lus": str(report.read)})
    return report


def _read(path: Path) -> Iterator[tuple[int, Place | None]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = csv.DictReader(file)
            names = set(rows.fieldnames or ())
            if {"COM", "LIBELLE"} <= names:
                make = _commune
            elif {"COG", "LIBCOG"} <= names:
                make = _country
            else:
                raise _unlike()
            for number, row in enumerate(rows, start=2):
                yield (
                    number,
                    make(
                        {
                            name: (value or "").strip()
                            for name, value in row.items()
                            if isinstance(name, str) and not isinstance(value, list)
                        }
                    ),
                )
    except (UnicodeDecodeError, csv.Error):
        raise _unlike() from None


def _unlike() -> Malformed:
    return Malformed(
        "Ce fichier n'est pas un fichier du code officiel géographique de l'INSEE : colonnes COM et LIBELLE, ou COG et LIBCOG.",
        code="INS.COG_HEADER",
    )


def _commune(row: dict[str, str]) -> Place | None:
    code = row["COM"]
    if len(code) != 5 or not row["LIBELLE"]:
        return None
    ended = bool(row.get("DATE_FIN"))
    department = row.get("DEP") or (code[:3] if code[:2] in ("97", "98") else code[:2])
    nature = "F" if ended else _NATURES.get(row.get("TYPECOM", "COM"), "A")
    return Place(code, row["LIBELLE"], nature, department, row.get("REG", ""), row.get("COMPARENT", ""))


def _country(row: dict[str, str]) -> Place | None:
    code = row["COG"]
    if len(code) != 5 or not code.startswith("99") or not row["LIBCOG"]:
        return None
    return Place(code, row["LIBCOG"], "P")


def _same(known: Place, place: Place) -> bool:
    # INSEE's files have neither postal code nor population: those we know are no difference.
    return (known.name, known.nature) == (place.name, place.nature)


def _keep(added: dict[str, Place]) -> None:
    path = places.supplement_path()
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    with draft.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        for _, place in sorted(added.items()):
            writer.writerow(astuple(place))
    draft.replace(path)
    places.table.cache_clear()
