"""The way out of a provider (RP-Initiated Logout 1.0): at once with a proof, else after the person says so."""

from urllib.parse import urlencode

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from virage.core.accounts.doors import PUBLIC, door
from virage.core.accounts.provider import browser
from virage.core.accounts.provider.endpoints import View, see_other
from virage.core.accounts.provider.issuers import Issuer
from virage.core.accounts.provider.limits import bounded

_KEPT = ("client_id", "post_logout_redirect_uri", "state")


def logout_view(issuer: Issuer) -> View:
    """The end-session endpoint. Without `id_token_hint` a page asks first, so that no other site signs people out."""

    @csrf_exempt  # a client's own proof stands for the form token
    @require_http_methods(["GET", "POST"])
    @door(PUBLIC)
    @bounded
    def view(request: HttpRequest) -> HttpResponse:
        fields = dict(browser.query_pairs(request, browser.LEAVING))
        _, sid, address = browser.logout_request(issuer, fields)
        if sid:
            return _ended(issuer, request, sid, address)
        query = urlencode({name: fields[name] for name in _KEPT if name in fields})
        title = f"Se déconnecter de {issuer.title}"
        context = {"title": title, "action": f"{issuer.path}/deconnexion" + (f"?{query}" if query else "")}
        return render(request, "accounts/provider_logout.html", context)

    return view


def logout_confirmed_view(issuer: Issuer) -> View:
    """The person confirmed that they leave."""

    @require_POST
    @door(PUBLIC)
    @bounded
    def view(request: HttpRequest) -> HttpResponse:
        fields = {name: str(value) for name, value in request.GET.items() if name in _KEPT}
        _, sid, address = browser.logout_request(issuer, fields)
        return _ended(issuer, request, sid, address)

    return view


def _ended(issuer: Issuer, request: HttpRequest, sid: str, address: str) -> HttpResponse:
    browser.end(issuer, request, sid)
    page = {"title": f"Vous êtes déconnecté de {issuer.title}"}
    response = see_other(address) if address else render(request, "accounts/provider_signed_out.html", page)
    response.delete_cookie(issuer.cookie, path=f"{issuer.path}/")
    return response
