"""Which authorization server gives the tokens that our machine interfaces take, and which resources stand for people: rooms say so."""

from collections.abc import Callable, Mapping
from typing import Any

from virage.core import settings

_described: list[Callable[[], Mapping[str, Any]]] = []


def register_authorization(describe: Callable[[], Mapping[str, Any]]) -> None:
    """Name the authorization server; `describe` gives its discovery document. The first one named stays."""
    if not _described:
        _described.append(describe)


_people: list[Callable[[str], str]] = []


def register_people(find: Callable[[str], str]) -> None:
    """Have `find(rpps)` give the path of the resource that stands for a professional, empty when there is none."""
    if find not in _people:
        _people.append(find)


def fhir_user(rpps: str) -> str:
    """The address of the resource that stands for a professional (SMART `fhirUser`); empty when no room has one."""
    path = next((found for find in _people if rpps and (found := find(rpps))), "")
    return settings.base_url() + path if path else ""


def authorization_server() -> Mapping[str, Any]:
    """The discovery document (OpenID Connect Discovery, 3) of the authorization server; empty where no room is one."""
    return _described[0]() if _described else {}
