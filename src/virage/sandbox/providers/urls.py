"""Addresses of the sandbox's providers; none outside the sandbox."""

from django.urls import URLPattern, path

from virage.core import settings
from virage.core.accounts.provider import endpoints, leaving
from virage.core.accounts.provider.issuers import Issuer
from virage.sandbox.providers import pages
from virage.sandbox.providers.issuers import FRANCECONNECT, PROCONNECT

app_name = "providers"


def _addresses(issuer: Issuer) -> list[URLPattern]:
    name = issuer.name
    return [
        path(f"{name}/.well-known/openid-configuration", endpoints.discovery_view(issuer), name=f"{name}-discovery"),
        path(f"{name}/jwks", endpoints.keys_view(issuer), name=f"{name}-keys"),
        path(f"{name}/authorize", pages.authorize_view(issuer), name=f"{name}-authorize"),
        path(f"{name}/identite", pages.choose_view(issuer), name=f"{name}-choose"),
        path(f"{name}/token", endpoints.token_view(issuer), name=f"{name}-token"),
        path(f"{name}/userinfo", endpoints.userinfo_view(issuer), name=f"{name}-userinfo"),
        path(f"{name}/session/end", leaving.logout_view(issuer), name=f"{name}-logout"),
        path(f"{name}/deconnexion", leaving.logout_confirmed_view(issuer), name=f"{name}-logout-confirmed"),
    ]


urlpatterns = [*_addresses(FRANCECONNECT), *_addresses(PROCONNECT)] if settings.sandbox() else []
