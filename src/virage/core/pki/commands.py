"""`virage keys` and `virage keys rotate`."""

import sys
from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError


def _names() -> list[str]:
    from virage.core.pki import keys_folder

    return sorted(path.name.removesuffix(".jwks.json") for path in keys_folder().glob("*.jwks.json"))


def _list(options: Namespace) -> int:
    from virage.core.pki import keys

    for name in _names():
        public = keys(name).public()
        retired = f", {len(public) - 1} retirée(s) qui vérifient encore" if len(public) > 1 else ""
        sys.stdout.write(f"{name:<20} {public[-1].get('alg', '')}  {public[-1]['kid']}{retired}\n")
    return 0


def _rotate_options(parser: ArgumentParser) -> None:
    parser.add_argument("name", metavar="NOM", help="le trousseau (« virage keys list »)")


def _rotate(options: Namespace) -> int:
    from virage.core.pki import keys

    if options.name not in _names():
        raise UsageError(f"aucun trousseau ne s'appelle ainsi ; il y a : {', '.join(_names()) or 'aucun'}.")
    sys.stdout.write(f"Nouvelle clé de {options.name} : {keys(options.name).rotate()}\n")
    return 0


COMMANDS = (
    Command("keys list", "Liste les trousseaux de signature.", _list, django=False),
    Command(
        "keys rotate",
        "Fait une nouvelle clé de signature, garde l'ancienne pour vérifier.",
        _rotate,
        _rotate_options,
        django=False,
    ),
)
