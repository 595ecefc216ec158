"""What every template may use."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from virage.core.web.navigation import menu_of, opened_portals, portal_of


def house(request: HttpRequest) -> dict[str, Any]:
    """`theme`, `is_sandbox`, `caller`, `portal`, `menu` (entries with `is_current`), `portals`."""
    portal = portal_of(request.path)
    caller = getattr(request, "caller", None)
    return {
        "theme": settings.VIRAGE_THEME,
        "is_sandbox": settings.VIRAGE_SANDBOX,
        "caller": caller,
        "portal": portal,
        "menu": menu_of(portal, caller),
        "portals": opened_portals(),
        "current_view": getattr(request.resolver_match, "view_name", "") if request.resolver_match else "",
    }
