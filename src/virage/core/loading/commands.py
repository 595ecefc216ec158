"""`virage load KIND PATH`."""

import sys
from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError


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
    try:
        report = loader.run(path, system("load"))
    except (IsADirectoryError, PermissionError) as error:
        raise UsageError(f"{path} ne peut pas être lu : {error.strerror}") from None
    sys.stdout.write(f"{options.kind} : {report.sentence()}\n")
    return 0


COMMANDS = (Command("load", "charge des données publiques : annuaire, finess, …", _load, _options),)
