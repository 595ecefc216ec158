"""How an engine or a room adds a command to `virage`: a module `commands.py` with a tuple `COMMANDS`."""

from argparse import ArgumentParser, Namespace
from collections.abc import Callable
from dataclasses import dataclass

from virage.core.errors import VirageError


def _no_options(parser: ArgumentParser) -> None:
    """A command without options."""


class UsageError(VirageError):
    """The command line does not say what to do: the text says what is wrong and what to write. Exit 2."""

    code = "VIRAGE.USAGE"


@dataclass(frozen=True, slots=True)
class Command:
    """`virage NAME`: `name` may hold two words (`audit verify`), `help` is one French line.

    `configure` adds arguments to its parser. `run` receives the parsed arguments and answers the exit code; the modules it
    needs are imported inside it, so that `virage --help` stays fast. With `django`, Django is set up before `run`. A
    `service` listens or works until it is stopped, and refuses to start on a sandbox's secrets unless VIRAGE_SANDBOX=1.
    """

    name: str
    help: str
    run: Callable[[Namespace], int]
    configure: Callable[[ArgumentParser], None] = _no_options
    django: bool = True
    service: bool = False
