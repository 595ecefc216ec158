"""The providers by which people come into the portals, and which account a proof of theirs is."""

from collections.abc import Mapping
from typing import Any

from virage.core import settings
from virage.core.accounts import actions
from virage.core.accounts.models import Account
from virage.core.accounts.oidc_client import Provider, SignInFailed
from virage.core.callers import system
from virage.core.errors import Unknown
from virage.core.pki import secret

CLIENT = "virage-portails"
_PSC_SCOPE = "openid scope_all"
_PIVOT = "openid given_name family_name birthdate gender birthplace birthcountry"


def portal_secret() -> str:
    """The secret of our own portals at our own providers."""
    return secret("portals").hex()


def provider(name: str) -> Provider:
    """The provider of that name: the one that the settings name, or our own. Raises Unknown."""
    known = {
        "psc": ("Pro Santé Connect", "professional", _PSC_SCOPE),
        "franceconnect": ("FranceConnect", "citizen", _PIVOT),
        "proconnect": ("ProConnect", "agent", "openid given_name usual_name uid"),
    }
    if name not in known:
        raise Unknown("Ce moyen de connexion n'existe pas : revenir à la page de connexion.", code="ACCOUNTS.PROVIDER")
    title, kind, scope = known[name]
    prefix = f"VIRAGE_{name.upper()}"
    own = f"{settings.base_url()}/{name}"
    issuer = settings.get(f"{prefix}_ISSUER").rstrip("/")
    if not issuer and name != "psc" and not settings.sandbox():
        raise Unknown(
            f"La connexion par {title} n'est pas réglée sur ce serveur : {prefix}_ISSUER.",
            code="ACCOUNTS.PROVIDER_UNSET",
        )
    return Provider(
        name=name,
        title=title,
        kind=kind,
        issuer=issuer or own,
        client_id=settings.get(f"{prefix}_CLIENT_ID"),
        client_secret=settings.get(f"{prefix}_CLIENT_SECRET") or portal_secret(),
        scope=scope,
    )


def come_back_address(name: str) -> str:
    """Where a provider sends the browser back."""
    return f"{settings.base_url()}/connexion/{name}/retour"


def ensure_portal_client() -> Account:
    """Our portals as a client of our own providers; the same at each start."""
    names = ("psc", "franceconnect", "proconnect")
    return actions.ensure_account(
        by=system("portals"),
        login=CLIENT,
        kind="software",
        name="Portails de la plateforme",
        client_secret=portal_secret(),
        scopes=[*_PSC_SCOPE.split(), *_PIVOT.split(), "usual_name", "uid"],
        redirect_uris=[come_back_address(name) for name in names],
        logout_uris=[f"{settings.base_url()}/"],
    )


def account_of(found: Provider, claims: Mapping[str, Any]) -> Account:
    """The account that a proof is. Raises SignInFailed, with what to do, when it is none or more than one."""
    people = Account.objects.filter(kind=found.kind, active=True)
    if found.kind == "professional":
        matching = people.filter(subject=str(claims.get("SubjectNameID") or claims.get("preferred_username") or ""))
    elif found.kind == "agent":
        matching = people.filter(login=str(claims.get("uid") or ""))
    else:
        # FranceConnect gives no national number: the strict traits must all agree.
        traits = ("family_name", "birthdate", "gender", "birthplace")
        said = {name: str(claims.get(name) or "") for name in traits}
        matching = people.filter(
            family_name__iexact=said["family_name"],
            given_names__iexact=str(claims.get("given_name") or ""),
            birth_date=said["birthdate"],
            gender=said["gender"],
            birth_place=said["birthplace"],
        ).exclude(family_name="")
    accounts = list(matching[:2])
    if len(accounts) != 1:
        raise SignInFailed(
            "Votre identité est prouvée, mais aucun compte ne lui correspond ici : contacter l'assistance de la plateforme."
        )
    return accounts[0]
