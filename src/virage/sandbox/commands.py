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
    from virage.core.loading import Progress
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
            for one in shown.values():
                one.end()
            shown[step] = Progress(step, total)
        shown[step].at(done)

    done = actions.populate(by=system("sandbox"), citizens=options.citizens, seed=options.seed, tell=tell)
    for one in shown.values():
        one.end()
    sys.stdout.write(
        f"bac à sable : {done.citizens} citoyens, {done.professionals} entrées d'annuaire et {done.records} dossiers nouveaux.\n"
    )
    return 0


COMMANDS = (Command("sandbox populate", "peuple le bac à sable de personnes inventées", _populate, _options),)
