"""`python -m bench`: every measurement in one run, a table for people and a file for programs.

    python -m bench [--quick] [--citizens N] [--rounds N] [--seconds N] [--only house,fhir_http,import,transactions,fhir_store,operations]

Each part is a script that runs alone too. What each printed and measured is kept in bench/results/, beside what the machine
is and how busy it was.
"""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent


def parts(asked: argparse.Namespace, folder: Path) -> dict[str, list[str]]:
    """The command of each part."""
    quick = asked.quick
    citizens = asked.citizens or (500 if quick else 100_000)
    rounds = asked.rounds or (1 if quick else 3)
    seconds = asked.seconds or (2 if quick else 10)
    patients, scales, runs = ("100", "1", "20") if quick else ("1000", "1,16", "40")
    return {
        "house": ["--rounds", str(rounds), "--citizens", str(citizens), "--json", str(folder / "house.json")],
        "fhir_http": [
            "--home",
            str(folder / "http"),
            "--seconds",
            str(seconds),
            "--rounds",
            str(rounds),
            "--json",
            str(folder / "fhir_http.json"),
        ],
        "validation": ["--runs", "10" if quick else "60", "--json", str(folder / "validation.json")],
        "import": [
            "--home",
            str(folder / "import"),
            *(("--resources", "60000", "--file", "30000", "--floor", "10000") if quick else ()),
            "--json",
            str(folder / "import.json"),
        ],
        "transactions": [
            "--home",
            str(folder / "transactions"),
            "--seconds",
            str(seconds),
            "--json",
            str(folder / "transactions.json"),
        ],
        "fhir_store": ["--home", str(folder / "store"), "--patients", patients, "--scales", scales, "--runs", runs],
        # In what the part before has filled, when it ran.
        "operations": ["--home", str(folder / "store"), "--patients", "3" if quick else "20"],
    }


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small sizes, one round: under three minutes")
    parser.add_argument("--citizens", type=int)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", default="", help="parts, by name, separated by commas")
    asked = parser.parse_args()
    told: dict[str, Any] = {
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "processors": os.cpu_count()},
        "load_before": os.getloadavg(),
        "options": {key: value for key, value in vars(asked).items() if value},
        "parts": {},
    }
    failed = []
    path = os.pathsep.join(filter(None, (str(HERE.parent / "src"), os.environ.get("PYTHONPATH", ""))))
    environment = {**os.environ, "PYTHONPATH": path, "VIRAGE_SANDBOX": "1"}
    environment.pop("VIRAGE_DATABASE_URL", None)
    with tempfile.TemporaryDirectory(prefix="virage-bench-") as made:
        folder = Path(made)
        folder.chmod(0o711)
        for name in ("store", "http", "import", "transactions"):
            (folder / name).mkdir(mode=0o711)
        for name, options in parts(asked, folder).items():
            if asked.only and name not in asked.only.split(","):
                continue
            print(f"\n# {name}\n", flush=True)
            command = [sys.executable, str(HERE / f"{name}.py"), *options]
            began = time.perf_counter()
            with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
                assert process.stdout is not None
                printed = []
                for line in process.stdout:
                    print(line, end="", flush=True)
                    printed.append(line)
            if process.returncode:
                failed.append(name)
            figures = folder / f"{name}.json"
            told["parts"][name] = {
                "command": " ".join(["python", f"bench/{name}.py", *options]).replace(made, "FOLDER"),
                "seconds": round(time.perf_counter() - began, 1),
                "figures": json.loads(figures.read_text()) if figures.exists() else None,
                "printed": "".join(printed),
            }
    told["load_after"] = os.getloadavg()
    kept = HERE / "results"
    kept.mkdir(exist_ok=True)
    file = kept / f"{told['at'].replace(':', '')}.json"
    file.write_text(json.dumps(told, indent=2, ensure_ascii=False))
    print(f"\nload {told['load_before'][0]:.1f} → {told['load_after'][0]:.1f}; kept in {file.relative_to(HERE.parent)}")
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
