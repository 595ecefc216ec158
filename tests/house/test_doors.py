"""House test 2: every route says who may pass, and none is open by oversight."""

import pytest
from django.urls import URLPattern, URLResolver, get_resolver

from virage.core import access
from virage.core.callers import Caller
from virage.site import house


def _routes(patterns: list[URLPattern | URLResolver], prefix: str = "") -> list[tuple[str, URLPattern]]:
    found = []
    for pattern in patterns:
        place = prefix + str(pattern.pattern)
        if isinstance(pattern, URLResolver):
            found += _routes(pattern.url_patterns, place)
        else:
            found.append((place, pattern))
    return found


ROUTES = _routes(get_resolver().url_patterns)


@pytest.mark.parametrize(("place", "pattern"), ROUTES, ids=[place or "/" for place, _ in ROUTES])
def test_every_page_declares_who_may_pass(place: str, pattern: URLPattern) -> None:
    doors = getattr(pattern.callback, "door", None)
    assert doors, f"/{place} has no door: decorate its view with accounts.door(…)"


@pytest.mark.parametrize("service", house.fhir_services(), ids=lambda service: service.base)
def test_a_fhir_base_lets_nobody_in_without_a_scope(service) -> None:
    stranger = Caller(kind="software", subject="stranger")
    for interaction in ("read", "search-type", "create", "update", "delete", "patch"):
        decision = access.filter_for(service.space, stranger, interaction, "Patient").admits(access.Facts("Patient"))
        assert not decision.allowed
        assert decision.reason
