"""The site's own commands."""

from argparse import Namespace

from virage.core.commands import Command


def migrate(arguments: Namespace) -> int:
    """Bring the database to the form that this version expects."""
    from django.core.management import call_command

    call_command("migrate", verbosity=1, interactive=False)
    return 0


COMMANDS = (Command("migrate", "Met la base de données à la forme attendue par cette version.", migrate),)
