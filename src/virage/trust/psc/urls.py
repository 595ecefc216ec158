"""Addresses of Pro Santé Connect, under /psc/."""

from django.urls import path

from virage.core.accounts.provider import endpoints, leaving
from virage.trust.psc import api, pages
from virage.trust.psc.issuer import PSC

app_name = "psc"
urlpatterns = [
    path(".well-known/openid-configuration", endpoints.discovery_view(PSC), name="discovery"),
    path(".well-known/wallet-openid-configuration", endpoints.discovery_view(PSC), name="wallet-discovery"),
    path("certs", endpoints.keys_view(PSC), name="keys"),
    path("auth", pages.authorize, name="authorize"),
    path("token", endpoints.token_view(PSC), name="token"),
    path("token/introspect", endpoints.introspection_view(PSC), name="introspect"),
    path("revoke", endpoints.revocation_view(PSC), name="revoke"),
    path("userinfo", endpoints.userinfo_view(PSC), name="userinfo"),
    path("logout", leaving.logout_view(PSC), name="logout"),
    path("deconnexion", leaving.logout_confirmed_view(PSC), name="logout-confirmed"),
    path("connexion", pages.identify, name="identify"),
    path("patient", pages.choose, name="choose"),
    path("attente/<str:request_id>", pages.wait, name="wait"),
    path("attente/<str:request_id>/etat", pages.state, name="state"),
    path("attente/<str:request_id>/abandon", pages.give_up, name="give-up"),
    path("igc/<slug:name>.crl", api.revocation_list, name="revocation-list"),
    path("igc/<slug:name>.crt", api.authority_certificate, name="authority"),
    path("telephone/", pages.phone, name="phone"),
    path("telephone/<str:request_id>", pages.phone_request, name="phone-request"),
]
