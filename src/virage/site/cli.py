"""The command line: finds every command, says what is wrong in one line, answers an exit code."""

import argparse
import os
import re
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any, NoReturn

from virage.core.commands import Command, UsageError
from virage.core.errors import VirageError, of_machine

# What argparse says, for people.
_FRENCH = (
    (r"argument (\S+): invalid choice: ('.*?') \(choose from (.*)\)", r"\2 n'est pas connu, choisir parmi \3"),
    (r"argument (\S+): invalid (?:int|float) value: ('.*?')", r"\1 attend un nombre, pas \2"),
    (r"argument (\S+): invalid \S+ value: ('.*?')", r"\1 ne peut pas valoir \2"),
    (r"argument (\S+): expected one argument", r"\1 attend une valeur"),
    (r"the following arguments are required: (.*)", r"il manque \1"),
    (r"unrecognized arguments: (.*)", r"\1 n'est pas compris"),
)


class _Parser(argparse.ArgumentParser):
    """Speaks French; bad usage is one line that says what to do, exit 2."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options, add_help=False)
        self._positionals.title, self._optionals.title = "arguments", "options"
        self.add_argument("-h", "--help", action="help", help="montre cette aide")

    def error(self, message: str) -> NoReturn:
        for pattern, french in _FRENCH:
            message = re.sub(pattern, french, message)
        self.exit(2, f"{self.prog} : {message}. Voir « {self.prog} --help ».\n")


class _Root(_Parser):
    """The parser of `virage` itself, whose help is every command, one a line."""

    commands: Sequence[Command] = ()

    def format_help(self) -> str:
        wide = max(len(command.name) for command in self.commands)
        lines = [
            f"  {command.name:<{wide}}  {command.help}" for command in sorted(self.commands, key=lambda each: each.name)
        ]
        return "\n".join(
            (
                "usage : virage COMMANDE [options]",
                "",
                "La plateforme nationale de santé numérique, en un programme.",
                "",
                *lines,
                "",
                "« virage COMMANDE --help » montre les options d'une commande, « virage --version » la version.",
                "",
            )
        )


def parser(commands: Sequence[Command]) -> argparse.ArgumentParser:
    """The parser of all commands; two-word names become a command and its sub-command."""
    root = _Root(prog="virage")
    root.commands = commands
    root.add_argument("--version", action="version", version=f"virage {metadata.version('virage')}")
    verbs = root.add_subparsers(title="commandes", metavar="COMMANDE", dest="verb", required=True, parser_class=_Parser)
    groups: dict[str, Any] = {}
    alone = {command.name: command for command in commands if " " not in command.name}
    for command in sorted(commands, key=lambda command: command.name):
        first, _, second = command.name.partition(" ")
        if second and first not in groups:
            groups[first] = _group(verbs, first, alone.get(first), commands)
        elif not second and any(other.name.startswith(f"{first} ") for other in commands):
            continue  # the group runs it when no action is given
        leaf = (groups[first] if second else verbs).add_parser(
            second or first, help=command.help, description=command.help
        )
        command.configure(leaf)
        leaf.set_defaults(command=command)
    return root


def _group(verbs: Any, first: str, alone: Command | None, commands: Sequence[Command]) -> Any:
    """A command with actions; `alone` is what it does without one."""
    texts = [other.help for other in commands if other.name.split(" ")[0] == first]
    group = verbs.add_parser(first, help=" ".join(texts), description=" ".join(texts))
    if alone is not None:
        alone.configure(group)
        group.set_defaults(command=alone)
    actions = ", ".join(other.name.split(" ")[1] for other in commands if other.name.startswith(f"{first} "))
    return group.add_subparsers(
        metavar=f"ACTION ({actions})", dest="action", required=alone is None, parser_class=_Parser
    )


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; answers its exit code. A refusal is one line on standard error."""
    from virage.site import house

    given = list(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["help"]:
        given = [*given[1:], "--help"]
    chosen = parser(house.commands()).parse_args(given)
    command: Command = chosen.command
    try:
        if command.django:
            from virage.core import settings

            settings.require(service=command.service)
            import django
            from django.conf import settings as django_settings

            if not django_settings.configured:
                # Set, not proposed: a command started by a test must not fall into the house of the tests.
                os.environ["DJANGO_SETTINGS_MODULE"] = "virage.site.settings"
                django.setup()
        return command.run(chosen)
    except UsageError as error:
        print(f"virage {command.name} : {error.text}", file=sys.stderr)  # noqa: T201
        return 2
    except VirageError as error:
        print(f"virage {command.name} : {error.text}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        told = of_machine(error)
        if told is None and _lacks_tables(error):
            text = "la base n'est pas à jour : lancer d'abord « virage migrate »."
        elif told is None:
            # Where and what kind, never the words: a library's may quote the value it broke on, and that may be a person.
            from virage.site.logs import Discreet

            print(Discreet().formatException(sys.exc_info()), file=sys.stderr)  # noqa: T201
            text = "erreur inattendue, décrite ci-dessus sans les données en cause. Signalez-la avec ces lignes."
        else:
            text = told.text
        print(f"virage {command.name} : {text}", file=sys.stderr)  # noqa: T201
        return 1


def _lacks_tables(error: BaseException | None) -> bool:
    """Whether PostgreSQL knows no such table or column (42P01, 42703): a step of the database was not made."""
    while error is not None:
        if getattr(error, "sqlstate", None) in ("42P01", "42703"):
            return True
        error = error.__cause__
    return False


if __name__ == "__main__":
    sys.exit(main())
