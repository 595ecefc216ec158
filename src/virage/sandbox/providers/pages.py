"""The page that stands for a proof of identity: one chooses who to be."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from virage.core.accounts import door, queries
from virage.core.accounts.models import Account
from virage.core.accounts.provider import actions, browser
from virage.core.accounts.provider.endpoints import View, see_other
from virage.core.accounts.provider.issuers import Issuer
from virage.core.accounts.provider.limits import bounded
from virage.core.accounts.provider.requests import Asked, Refused, read_request
from virage.core.errors import Unknown, VirageError

SHOWN = 50


def authorize_view(issuer: Issuer) -> View:
    """The authorization endpoint."""

    @csrf_exempt  # by POST too: it changes nothing here but the address of the browser
    @require_http_methods(["GET", "HEAD", "POST"])
    @door("public")
    @bounded
    def view(request: HttpRequest) -> HttpResponse:
        pairs = browser.query_pairs(request)
        if request.method == "POST":
            return see_other(f"{issuer.endpoint('authorization_endpoint')}?{urlencode(pairs)}")
        try:
            asked = read_request(issuer, pairs)
        except Refused as refused:
            return see_other(refused.address(issuer))
        session = browser.session_of(issuer, request)
        if session is not None and browser.passes(asked, session):
            return browser.return_to_client(issuer, asked, session)
        if "none" in asked.prompt:
            return browser.refuse_to_client(issuer, asked, "login_required", "Aucune session ouverte.")
        return _choose_page(issuer, request, asked, browser.seal(issuer, pairs))

    return view


def _people(issuer: Issuer) -> list[Account]:
    found = Account.objects.filter(kind__in=issuer.kinds, active=True, demo=True)
    return list(found.order_by("login")[:SHOWN])


def _choose_page(
    issuer: Issuer, request: HttpRequest, asked: Asked, sealed: str, error: VirageError | None = None
) -> HttpResponse:
    context = {
        "title": f"Choisir une identité – {issuer.title}",
        "provider": issuer.title,
        "client_name": asked.client.name,
        "people": _people(issuer),
        "sealed": sealed,
        "action": f"{issuer.path}/identite",
        "error": error,
    }
    response = render(request, "providers/choose.html", context, status=error.status if error else 200)
    return browser.may_lead_to_client(response, asked)


def choose_view(issuer: Issuer) -> View:
    """Somebody was chosen: the session opens, and the browser returns to its client."""

    @require_POST
    @door("public")
    @bounded
    def view(request: HttpRequest) -> HttpResponse:
        sealed = request.POST.get("demande", "")
        try:
            asked, _ = browser.unseal(issuer, sealed)
        except Refused as refused:
            return see_other(refused.address(issuer))
        login = request.POST.get("identite", "")
        account = Account.objects.filter(login=login, kind__in=issuer.kinds, active=True, demo=True).first()
        if account is None:
            text = "Choisissez une identité de la liste."
            return _choose_page(issuer, request, asked, sealed, Unknown(text, code="SANDBOX.IDENTITY", status=422))
        by = queries.caller_of(account, scopes=(), client_id=asked.client.client_id or "")
        session, cookie = actions.start_session(by=by, issuer=issuer, account=account, means="CHOICE")
        response = browser.return_to_client(issuer, asked, session)
        return browser.set_session_cookie(issuer, response, cookie)

    return view
