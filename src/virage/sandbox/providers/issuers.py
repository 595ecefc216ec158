"""FranceConnect and ProConnect as issuers."""

import hashlib
import hmac
from typing import Any

from virage.core import settings
from virage.core.accounts.models import Account, Grant
from virage.core.accounts.provider.issuers import Issuer
from virage.core.pki import secret
from virage.sandbox.providers import rules


def _asked(grant: Grant | None) -> frozenset[str]:
    return rules.names_of(grant.scope.split()) if grant else frozenset()


def _citizen(account: Account, grant: Grant | None) -> dict[str, Any]:
    said = rules.pivot_identity(
        given_names=account.given_names,
        family_name=account.family_name,
        birth_date=account.birth_date,
        gender=account.gender,
        birth_place=account.birth_place,
        birth_country=account.birth_country,
    )
    return {name: value for name, value in said.items() if name in _asked(grant)}


def _agent(account: Account, grant: Grant | None) -> dict[str, Any]:
    given, _, family = account.name.rpartition(" ")
    said = {"given_name": given, "usual_name": family, "uid": account.login, "role": account.role}
    return {name: value for name, value in said.items() if name in _asked(grant)}


def _pseudonym(name: str) -> Any:
    """A `sub` that differs for each client, so that two of them cannot compare their lists of people."""

    def subject(account: Account, client: Account) -> str:
        words = f"{client.client_id}\0{account.subject}".encode()
        return hmac.new(secret(f"{name}-sub"), words, hashlib.sha256).hexdigest() + "v1"

    return subject


_ENDPOINTS = {
    "authorization_endpoint": "/authorize",
    "token_endpoint": "/token",
    "userinfo_endpoint": "/userinfo",
    "jwks_uri": "/jwks",
    "end_session_endpoint": "/session/end",
}

FRANCECONNECT = Issuer(
    name="franceconnect",
    title="FranceConnect (bac à sable)",
    path="/franceconnect",
    algorithm="ES256",
    kinds=frozenset({"citizen"}),
    endpoints=_ENDPOINTS,
    claims=_citizen,
    subject=_pseudonym("franceconnect"),
    access=lambda: 60,
    refresh=lambda: 0,
    audience=lambda: f"{settings.base_url()}/franceconnect/userinfo",
    id_token_life=60,
    signed_userinfo=True,
    needs_nonce=True,
    scopes_supported=("openid", "identite_pivot", "profile", "birth", *rules.PIVOT),
    claims_supported=("sub", *rules.PIVOT),
)

PROCONNECT = Issuer(
    name="proconnect",
    title="ProConnect (bac à sable)",
    path="/proconnect",
    algorithm="ES256",
    kinds=frozenset({"agent"}),
    endpoints=_ENDPOINTS,
    claims=_agent,
    subject=_pseudonym("proconnect"),
    access=lambda: 60,
    refresh=lambda: 0,
    audience=lambda: f"{settings.base_url()}/proconnect/userinfo",
    id_token_life=60,
    signed_userinfo=True,
    needs_nonce=True,
    scopes_supported=("openid", "given_name", "usual_name", "uid", "role"),
    claims_supported=("sub", "given_name", "usual_name", "uid", "role"),
)
