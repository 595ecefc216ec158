"""The router's fixtures."""

from tests.core.fhir.router.conftest import _traces_at_once, ask, ask_for_real, live  # noqa: F401
