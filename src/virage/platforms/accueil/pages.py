"""Pages that anyone may read."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from virage.core import settings, web
from virage.core.accounts import door, queries
from virage.core.fhir.service import SERVICES

_KINDS = {"citizen": "Usager", "professional": "Professionnel", "agent": "Agent", "software": "Logiciel"}
_FOR = {
    "citizen": (
        "Vous êtes un usager",
        "Lire vos documents de santé, voir qui les a consultés et pourquoi, décider qui y accède.",
        "Ouvrir Mon espace santé",
    ),
    "professional": (
        "Vous êtes un professionnel de santé",
        "Trouver l’identité d’un patient, lire son dossier avec son accord ou en urgence, y publier un document.",
        "Ouvrir l’espace des professionnels",
    ),
    "vendor": (
        "Vous éditez un logiciel de santé",
        "Trouver les adresses des services, obtenir un jeton, essayer avec des comptes de démonstration.",
        "Se raccorder",
    ),
}


def _bases() -> list[dict[str, Any]]:
    return [
        {"title": one.title, "base": one.base, "metadata": f"{one.base}/metadata", "purpose": one.purpose}
        for one in sorted(SERVICES.values(), key=lambda one: one.code)
    ]


@require_GET
@door("public")
def home(request: HttpRequest) -> HttpResponse:
    """Who this is for, and the doors that are open today."""
    doors = [(portal.prefix, *_FOR[portal.key]) for portal in web.opened_portals() if portal.key in _FOR]
    context = {"title": "Accueil", "doors": doors, "is_empty": not queries.has_people()}
    return render(request, "accueil/home.html", context)


@require_GET
@door("public")
def vendors(request: HttpRequest) -> HttpResponse:
    """Addresses, discovery, tokens, and whom to play in the sandbox. Secrets are never shown: a command prints them."""
    context = {
        "title": "Se raccorder",
        "bases": _bases(),
        "address": settings.base_url(),
        "pin": settings.get("VIRAGE_ECPS_PIN") if settings.sandbox() else "",
        "accounts": [{**card, "kind": _KINDS.get(card["kind"], card["kind"])} for card in _demo_accounts()],
    }
    return render(request, "accueil/vendors.html", context)


def _demo_accounts() -> list[dict[str, str]]:
    if not settings.sandbox():
        return []
    return [
        {**card, "number": card.get("rpps") or card.get("ins") or card.get("client_id", "")}
        for card in queries.listed()
    ]
