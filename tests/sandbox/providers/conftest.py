"""The live server of `tests.oidc`."""

from tests.oidc import browser, house, live

__all__ = ["browser", "house", "live"]
