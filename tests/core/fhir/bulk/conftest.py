"""The router's fixtures, and a way to run what waits in the background."""

from tests.core.fhir.router.conftest import _traces_at_once, ask, ask_for_real, live  # noqa: F401
