"""Doors of pages: each page declares who may pass, and the one who may not is shown the way."""

from collections.abc import Callable
from functools import wraps
from typing import Any
from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse

from virage.core.accounts import queries
from virage.core.accounts.bearer import authenticate, challenge
from virage.core.accounts.models import Account
from virage.core.callers import Caller
from virage.core.errors import Forbidden, Unauthenticated

SESSION_KEY = "virage_account"
PROVIDER_OF = {"professional": "psc", "citizen": "franceconnect", "agent": "proconnect"}
_KINDS = {
    "citizen": "aux usagers",
    "professional": "aux professionnels de santé",
    "agent": "aux agents de la plateforme",
    "software": "aux logiciels",
}
PUBLIC = "public"

View = Callable[..., HttpResponse]


class WrongDoor(Forbidden):
    """Someone signed in, but this page is for another kind of account."""

    code = "ACCOUNTS.DOOR"


def session_caller(request: HttpRequest) -> Caller | None:
    """The person signed in to the portals in this session, None for a visitor. Read once a request, remembered on it.

    An account closed since the sign-in is a visitor's.
    """
    if not hasattr(request, "_virage_caller"):
        request._virage_caller = _read(request)  # type: ignore[attr-defined]
    return request._virage_caller  # type: ignore[attr-defined]


def _read(request: HttpRequest) -> Caller | None:
    session = getattr(request, "session", None)
    login = session.get(SESSION_KEY) if session is not None else None
    if not login:
        return None
    account = Account.objects.filter(login=login, active=True).first()
    return None if account is None else queries.caller_of(account, scopes=())


def sign_in_address(kinds: tuple[str, ...], back: str) -> str:
    """Where a visitor proves who they are before a page for these kinds; `back` is the page's address on this site."""
    people = [kind for kind in kinds if kind in PROVIDER_OF]
    if len(people) == 1:
        path = reverse("accounts:sign-in", args=[PROVIDER_OF[people[0]]])
    else:
        path = reverse("accounts:choose")
    return f"{path}?{urlencode({'suite': back})}"


def door(*kinds: str) -> Callable[[View], View]:
    """Declares who may pass: `"public"`, or kinds of account. The view finds the caller in `request.caller`.

    A visitor is sent to sign in and comes back; another kind of account is refused (Forbidden, 403) with the reason. The
    declaration stays readable as `view.door`, for the test that no page is without one.
    """
    if not kinds or not set(kinds) <= {PUBLIC, *_KINDS}:
        raise ValueError("a door names who may pass")

    def guard(view: View) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if PUBLIC in kinds:
                return view(request, *args, **kwargs)
            caller = session_caller(request)
            request.caller = caller  # type: ignore[attr-defined]
            if caller is None:
                back = request.get_full_path() if request.method in ("GET", "HEAD") else "/"
                address = sign_in_address(kinds, back)
                if request.headers.get("HX-Request") == "true":
                    return HttpResponse(status=204, headers={"HX-Redirect": address})
                return HttpResponseRedirect(address)
            if caller.kind not in kinds:
                whom = " ou ".join(_KINDS[kind] for kind in kinds)
                raise WrongDoor(
                    f"Cette page est réservée {whom}. Vous êtes connecté avec un autre compte : déconnectez-vous, puis "
                    "revenez avec le bon."
                )
            return view(request, *args, **kwargs)

        guarded.door = frozenset(kinds)  # type: ignore[attr-defined]
        return guarded

    return guard


def token_door(view: View) -> View:
    """Declares a plain HTTP interface for programs: any valid access token passes, `request.caller` says whose it is.

    Without one: 401 with `WWW-Authenticate` and a sentence in plain text.
    """

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        try:
            request.caller = authenticate(request.headers)  # type: ignore[attr-defined]
        except Unauthenticated as refusal:
            answer = HttpResponse(refusal.text, status=401, content_type="text/plain; charset=utf-8")
            answer["WWW-Authenticate"] = challenge(refusal)
            return answer
        return view(request, *args, **kwargs)

    guarded.door = frozenset({"token"})  # type: ignore[attr-defined]
    return guarded
