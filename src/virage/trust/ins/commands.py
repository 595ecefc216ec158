"""Kinds that `virage load` takes for identities."""

from pathlib import Path

from virage.core.callers import Caller
from virage.core.commands import Command
from virage.core.loading import Loader, Report, register


def _cog(path: Path, by: Caller) -> Report:
    from virage.trust.ins import cog

    return cog.load(path, by)


register(Loader("cog", "communes et pays du code officiel géographique (fichiers CSV de l'INSEE)", _cog))

COMMANDS: tuple[Command, ...] = ()
