"""Build the table of birth places from the COG of the shared data: `build_cog.py COG_FOLDER`.

COG_FOLDER holds communes.json.zst of package `@etalab/decoupage-administratif` (INSEE data). Writes communes.csv.gz in
`trust/ins/data`; the same input gives the same bytes.
"""

import gzip
import json
import sys
from pathlib import Path

import zstandard

SOURCE = "# Code officiel géographique 2026, INSEE, Licence Ouverte 2.0, repris du paquet @etalab/decoupage-administratif 6.0.0"
OUT = Path(__file__).parent.parent / "src/virage/trust/ins/data"
KINDS = {"commune-actuelle": "A", "commune-deleguee": "D", "commune-associee": "S", "arrondissement-municipal": "M"}


def read(folder: Path, name: str) -> list[dict]:
    packed = (folder / f"{name}.json.zst").read_bytes()
    return json.loads(zstandard.ZstdDecompressor().decompress(packed, max_output_size=200_000_000))


def commune_rows(communes: list[dict]) -> list[str]:
    rows: dict[str, tuple[str, ...]] = {}
    for entry in communes:
        code, kind = entry["code"], KINDS[entry["type"]]
        # A delegated commune may bear the code of the new commune that holds it: the new one names the code.
        if code in rows and kind in "DS":
            continue
        rows[code] = (
            code,
            entry["nom"],
            kind,
            entry.get("departement", ""),
            entry.get("region", ""),
            entry.get("chefLieu") or entry.get("commune") or "",
            (entry.get("codesPostaux") or [""])[0],
            str(entry.get("population") or 0),
        )
    for entry in communes:
        for former in entry.get("anciensCodes", []):
            # A code that no commune bears any more still names a birth place.
            rows.setdefault(
                former, (former, entry["nom"], "F", entry["departement"], entry["region"], entry["code"], "", "0")
            )
    return [";".join(row) for _, row in sorted(rows.items())]


def main() -> None:
    if len(sys.argv) != 2:
        sys.exit("usage: build_cog.py COG_FOLDER")
    folder = Path(sys.argv[1])
    communes = commune_rows(
        sorted(
            read(folder, "communes"), key=lambda e: (e["type"] in ("commune-deleguee", "commune-associee"), e["code"])
        )
    )
    header = "code;nom;nature;departement;region;rattachement;code_postal;population"
    text = "\n".join([SOURCE, header, *communes, ""])
    (OUT / "communes.csv.gz").write_bytes(gzip.compress(text.encode(), 9, mtime=0))
    print(f"{len(communes)} communes")


if __name__ == "__main__":
    main()
