"""How long a search may take."""

from collections.abc import Iterator
from contextlib import contextmanager

from virage.core import db, settings
from virage.core.fhir.search.errors import TooDear


@contextmanager
def limited() -> Iterator[None]:
    """A search inside is stopped after `VIRAGE_SEARCH_SECONDS`. Raises TooDear."""
    seconds = settings.number("VIRAGE_SEARCH_SECONDS", 1, 3600)
    try:
        with db.bounded(seconds):
            yield
    except db.TooLong:
        raise TooDear(
            f"Cette recherche demande plus de {seconds} s : elle est arrêtée. Ajoutez un critère qui trouve peu de ressources (patient, "
            "identifiant, code, date), retirez _total, _sort ou _revinclude, ou passez par $export."
        ) from None
