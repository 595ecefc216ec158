"""Kinds that `virage load` takes for the directory."""

from pathlib import Path

from virage.core.callers import Caller
from virage.core.commands import Command
from virage.core.loading import Loader, Report, register


def _annuaire(path: Path, by: Caller) -> Report:
    from virage.trust.annuaire import extraction, publication

    return publication.load(path, by) if path.suffix == ".json" else extraction.load(path, by)


def _finess(path: Path, by: Caller) -> Report:
    from virage.trust.annuaire import finess

    return finess.load(path, by)


register(
    Loader(
        "annuaire", "extraction en libre accès PS_LibreAcces_Personne_activite, ou ressources FHIR en JSON", _annuaire
    )
)
register(Loader("finess", "établissements FINESS (etalab-cs1100502, cs1100507)", _finess))

COMMANDS: tuple[Command, ...] = ()
