"""`virage sandbox populate`."""

import sys
from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError


def _options(parser: ArgumentParser) -> None:
    parser.add_argument("--citizens", type=int, default=1000, metavar="N", help="combien de citoyens en tout (1000)")
    parser.add_argument(
        "--seed", type=int, default=2026, metavar="S", help="la graine : la même donne le même pays (2026)"
    )


def _populate(options: Namespace) -> int:
    from virage.core import settings
    from virage.core.callers import system
    from virage.core.progress import Progress
    from virage.sandbox import actions

    if options.citizens < 0 or options.citizens > 10_000_000:
        raise UsageError("--citizens est un nombre entre 0 et 10 000 000")
    if not 0 <= options.seed < 2**31:
        raise UsageError("--seed est un nombre entre 0 et 2 147 483 647")
    if not settings.sandbox():
        raise UsageError(
            "ces personnes inventées n'existent que dans le bac à sable ; écrire VIRAGE_SANDBOX=1 devant la commande"
        )
    shown: dict[str, Progress] = {}

    def tell(step: str, done: int, total: int) -> None:
        if step not in shown:
            for one in list(shown.values())[-1:]:
                one.end()
            shown[step] = Progress(step, total)
        shown[step].at(done)

    done = actions.populate(by=system("sandbox"), citizens=options.citizens, seed=options.seed, tell=tell)
    for one in list(shown.values())[-1:]:
        one.end()
    sys.stdout.write(
        f"bac à sable : {done.citizens} citoyens, {done.professionals} entrées d'annuaire et {done.records} dossiers nouveaux.\n"
    )
    return 0


def _journey_options(parser: ArgumentParser) -> None:
    parser.add_argument("--base-url", default="", metavar="U", help="adresse du serveur (celle de PORT)")
    parser.add_argument("--document", default="", metavar="CHEMIN", help="un document CDA à publier (sinon un modèle)")
    parser.add_argument("--verbose", action="store_true", help="montre les échanges")


def _journey(options: Namespace) -> int:
    from pathlib import Path

    from virage.core import settings
    from virage.core.accounts import queries
    from virage.sandbox import demo, documents
    from virage.sandbox.journey.run import play
    from virage.sandbox.journey.steps import Journey

    if not settings.sandbox():
        raise UsageError("le parcours ne se joue que dans le bac à sable ; écrire VIRAGE_SANDBOX=1 devant la commande")
    if options.document:
        path = Path(options.document)
        if not path.is_file():
            raise UsageError(f"--document : {path} n'est pas un fichier")
        document = path.read_bytes()
    else:
        author = next(one for one in demo.professionals() if one.login == "generaliste")
        document = documents.write("lettre", demo.patiente(), author.entry).content
    accounts = {card["login"]: card for card in queries.listed()}
    if not accounts.keys() >= {"patiente", "generaliste", "infirmiere", "generaliste2", demo.SOFTWARE}:
        raise UsageError("les comptes de démonstration manquent ; lancer d'abord « virage sandbox populate »")

    def tell(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    played = Journey(
        base=(options.base_url or settings.base_url()).rstrip("/"),
        accounts=accounts,
        key=queries.client_key(demo.SOFTWARE),
        pin=settings.get("VIRAGE_ECPS_PIN"),
        document=document,
        say=(lambda line: tell(f"    {line}")) if options.verbose else (lambda line: None),
    )
    return 0 if play(played, tell) else 1


COMMANDS = (
    Command("sandbox populate", "Peuple le bac à sable de personnes inventées.", _populate, _options),
    Command(
        "journey",
        "Joue le parcours de soins contre un serveur, en HTTP, et dit ce qu'il prouve.",
        _journey,
        _journey_options,
    ),
)
