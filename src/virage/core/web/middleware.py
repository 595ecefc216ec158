"""Two thin layers around every page: safe headers, and refusals rendered as pages."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from virage.core.errors import VirageError, of_machine
from virage.core.web.refusals import refusal_page

# `data:` for small images in documents; a page that needs more (the authorization page redirects to other sites) says so itself.
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; object-src 'self' blob:; frame-src 'self' blob:; "
    "base-uri 'none'; frame-ancestors 'none'; form-action 'self'"
)


class PageHeaders:
    """Content policy, no referrer to other sites, no cache for pages that follow a sign-in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        headers = response.headers
        headers.setdefault("Content-Security-Policy", _POLICY)
        headers.setdefault("Referrer-Policy", "same-origin")
        headers.setdefault("X-Content-Type-Options", "nosniff")
        if getattr(request, "caller", None) is not None:
            headers.setdefault("Cache-Control", "no-store")
        return response


class Refusals:
    """Turns a `VirageError` that a page raises into the page that explains it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Django calls this with what a view raised; our own errors and those of a machine in trouble are told."""
        error = exception if isinstance(exception, VirageError) else of_machine(exception)
        return None if error is None else refusal_page(request, error)
