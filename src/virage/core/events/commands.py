"""`virage events`: what waits, what died, and trying it again."""

from argparse import ArgumentParser, Namespace

from virage.core.commands import Command, UsageError


def show(arguments: Namespace) -> int:
    """Print the counts and the dead letters."""
    from virage.core import events

    waiting, dead = events.pending()
    print(f"{waiting} en attente, {dead} en échec")
    for letter in events.dead_letters():
        print(f"{letter.id}  {letter.died:%Y-%m-%d %H:%M}  {letter.name} → {letter.room}  {letter.error}")
    return 0


def _configure_retry(parser: ArgumentParser) -> None:
    parser.add_argument("number", metavar="NUMÉRO", nargs="?", type=int, help="le numéro que montre « virage events »")
    parser.add_argument("--all", action="store_true", help="tous les échecs")


def retry(arguments: Namespace) -> int:
    """Put dead letters back among the deliveries."""
    from virage.core import events

    if (arguments.number is None) is not arguments.all:
        raise UsageError("donner un numéro (voir « virage events »), ou --all.")
    done = events.retry(arguments.number)
    print(f"{done} remis en attente")
    return 0 if done or arguments.all else 1


COMMANDS = (
    Command("events", "Montre les événements en attente et ceux qui ont échoué.", show),
    Command("events retry", "Remet en attente des événements qui ont échoué.", retry, _configure_retry),
)
