"""The kind that `virage load` takes for FHIR packages."""

from pathlib import Path

from virage.core.callers import Caller
from virage.core.commands import Command
from virage.core.loading import Loader, Report, register


def _fhir(path: Path, by: Caller) -> Report:
    from virage.core.fhir import packages

    return packages.load(path, by)


register(Loader("fhir", "paquet FHIR (.tgz) : profils, listes de valeurs, systèmes de codes", _fhir, folders=True))

COMMANDS: tuple[Command, ...] = ()
