"""`virage load KIND PATH`."""

import sys
from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError
from virage.core.errors import reason_of


def _options(parser: ArgumentParser) -> None:
    parser.add_argument(
        "kind", metavar="KIND", help="la sorte de données ; sans elle, la liste s'affiche", nargs="?", default=""
    )
    parser.add_argument("path", metavar="PATH", help="le fichier ou le dossier à charger", nargs="?", default="")


def _load(options: Namespace) -> int:
    from pathlib import Path

    from virage.core import loading
    from virage.core.callers import system

    known = ", ".join(sorted(loading.LOADERS)) or "aucune"
    loader = loading.LOADERS.get(options.kind)
    if loader is None:
        wrong = f"sorte « {options.kind} » inconnue" if options.kind else "dire quelle sorte de données charger"
        raise UsageError(f"{wrong} ; celles qui existent : {known}")
    if not options.path:
        raise UsageError(f"donner le fichier à charger : virage load {options.kind} CHEMIN")
    path = Path(options.path)
    if not path.exists():
        raise UsageError(f"{path} n'existe pas")
    files = [path]
    if path.is_dir() and not loader.folders:
        files = sorted(each for each in path.iterdir() if each.is_file() and not each.name.startswith("."))
        if not files:
            raise UsageError(f"{path} ne contient aucun fichier")
    for file in files:
        try:
            report = loader.run(file, system("load"))
        except PermissionError as error:
            raise UsageError(f"{file} ne peut pas être lu : {reason_of(error)}") from None
        about = f" ({file.name})" if len(files) > 1 else ""
        sys.stdout.write(f"{options.kind}{about} : {report.sentence()}\n")
    return 0


COMMANDS = (Command("load", "Charge des données publiques : annuaire, finess, …", _load, _options),)
