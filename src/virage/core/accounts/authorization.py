"""Which authorization server gives the tokens that our machine interfaces take: its room says so, discovery tells it."""

from collections.abc import Callable, Mapping
from typing import Any

_described: list[Callable[[], Mapping[str, Any]]] = []


def register_authorization(describe: Callable[[], Mapping[str, Any]]) -> None:
    """Name the authorization server; `describe` gives its discovery document. The first one named stays."""
    if not _described:
        _described.append(describe)


def authorization_server() -> Mapping[str, Any]:
    """The discovery document (OpenID Connect Discovery, 3) of the authorization server; empty where no room is one."""
    return _described[0]() if _described else {}
