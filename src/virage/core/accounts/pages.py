"""Pages by which people come in and go out."""

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from virage.core import settings
from virage.core.accounts import oidc_client, portals, queries, sessions
from virage.core.accounts.doors import PUBLIC, door

HOME_OF = {"citizen": "/mon-espace-sante/", "professional": "/pro/", "agent": "/pilotage/"}


def safe_address(address: str, otherwise: str = "/") -> str:
    """An address of this site to go on to, never another site's."""
    inside = address.startswith("/") and url_has_allowed_host_and_scheme(address, allowed_hosts=None)
    return address if inside else otherwise


@require_GET
@door(PUBLIC)
def choose(request: HttpRequest) -> HttpResponse:
    """How to come in: one way for each kind of person."""
    back = safe_address(request.GET.get("suite", ""), "")
    return render(request, "accounts/choose.html", {"title": "Se connecter", "back": back})


@require_GET
@door(PUBLIC)
def sign_in(request: HttpRequest, provider: str) -> HttpResponse:
    """Sends the browser to the provider of identity."""
    found = portals.provider(provider)
    back = safe_address(request.GET.get("suite", ""), HOME_OF[found.kind])
    portals.ensure_portal_client()  # the address of the site may have changed since the last one
    address = oidc_client.begin(found, request.session, redirect_uri=portals.come_back_address(provider), back=back)
    return HttpResponseRedirect(address)


@require_GET
@door(PUBLIC)
def come_back(request: HttpRequest, provider: str) -> HttpResponse:
    """The browser comes back from the provider with a code: exchanged, checked, and the session is open."""
    found = portals.provider(provider)
    answer = {name: str(value) for name, value in request.GET.items()}
    proof = oidc_client.finish(found, request.session, answer, redirect_uri=portals.come_back_address(provider))
    account = portals.account_of(found, proof.claims)
    sessions.sign_in(
        by=queries.caller_of(account, scopes=()), request=request, provider=provider, id_token=proof.id_token
    )
    return HttpResponseRedirect(safe_address(proof.back))


@require_POST
@door(PUBLIC)
def sign_out(request: HttpRequest) -> HttpResponse:
    """Ends the session here, then at the provider."""
    provider, id_token = sessions.sign_out(request=request)
    if provider:
        back = f"{settings.base_url()}/"
        address = oidc_client.end_address(portals.provider(provider), id_token=id_token, back=back)
        return HttpResponseRedirect(address or "/")
    return HttpResponseRedirect("/")
