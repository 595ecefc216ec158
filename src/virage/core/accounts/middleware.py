"""Puts the person signed in on the request, for pages and for the layout around them."""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

from virage.core.accounts.doors import session_caller


class Callers:
    """Sets `request.caller`: the Caller of the portal's session, or None. A visitor without a cookie costs nothing."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        known = settings.SESSION_COOKIE_NAME in request.COOKIES
        request.caller = session_caller(request) if known else None  # type: ignore[attr-defined]
        return self.get_response(request)
