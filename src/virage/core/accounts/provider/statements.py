"""What a provider states about a person: id_token, userinfo, introspection."""

import time
from collections.abc import Collection
from typing import Any

from joserfc import jwt

from virage.core.accounts import rules, tokens
from virage.core.accounts.authorization import fhir_user
from virage.core.accounts.models import Account, Grant, Ticket
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.issuers import Issuer
from virage.core.errors import VirageError


def launch_context(grant: Grant, scope: Collection[str]) -> dict[str, Any]:
    """What the person chose, as far as these scopes tell it (SMART App Launch 2.2.0, « Launch context arrives »)."""
    told: dict[str, Any] = {}
    if rules.CHOSEN_PATIENT in scope and grant.patient:
        # The program starts alone: nothing around it says whose record it shows.
        told |= {"patient": grant.patient, "need_patient_banner": True}
    if rules.CHOSEN_ENCOUNTER in scope and grant.encounter:
        told["encounter"] = grant.encounter
    return told


def _fhir_user(account: Account, scope: Collection[str]) -> dict[str, Any]:
    address = fhir_user(account.rpps) if rules.FHIR_USER in scope else ""
    return {"fhirUser": address} if address else {}


def id_token(issuer: Issuer, grant: Grant, access_token: str, scope: Collection[str] = ()) -> str:
    """The signed statement that this person signed in for this client, bound to its access token (`at_hash`)."""
    now = int(time.time())
    session = grant.session
    claims: dict[str, Any] = {
        "iss": issuer.url,
        "sub": issuer.subject(grant.account, grant.client),
        "aud": grant.client.client_id,
        "azp": grant.client.client_id,
        "iat": now,
        "exp": now + issuer.id_token_life,
        "auth_time": int((session.started if session else grant.started).timestamp()),
        "acr": session.acr if session else issuer.acr,
        "at_hash": rules.half_digest(access_token),
        "typ": "ID",
    }
    claims |= _fhir_user(grant.account, scope)
    if session is not None:
        claims["sid"] = session.id
    if grant.nonce:
        claims["nonce"] = grant.nonce
    return sign(issuer, claims, "JWT")


def sign(issuer: Issuer, claims: dict[str, Any], media: str) -> str:
    """Claims signed with the provider's own keys, which sign no access token."""
    ring = issuer.ring
    header = {"alg": issuer.algorithm, "kid": ring.kid, "typ": media}
    return jwt.encode(header, claims, ring.active, algorithms=[issuer.algorithm])


def userinfo(issuer: Issuer, access_token: str) -> dict[str, Any] | str:
    """The person's claims for the bearer of an access token; a signed JWT where the provider signs. Raises BadToken, OAuthError."""
    claims = tokens.read(access_token, audience=issuer.audience())
    if "openid" not in str(claims.get("scope", "")).split():
        raise OAuthError("insufficient_scope", "Ce jeton n'a pas la portée openid.", status=403)
    grant = _grant(issuer, claims)
    account = grant.account if grant else Account.objects.filter(subject=claims.get("sub"), active=True).first()
    if account is None or account.kind not in issuer.kinds or (grant and not account.active):
        raise tokens.BadToken("Ce jeton n'est pas celui d'une personne connue de ce service.")
    client = grant.client if grant else account
    scope = str(claims.get("scope", "")).split()
    said = {"sub": issuer.subject(account, client), **issuer.claims(account, grant), **_fhir_user(account, scope)}
    if not issuer.signed_userinfo:
        return said
    now = int(time.time())
    return sign(issuer, {"iss": issuer.url, "aud": client.client_id, "iat": now, "exp": now + 60, **said}, "JWT")


def _grant(issuer: Issuer, claims: dict[str, Any]) -> Grant | None:
    if not claims.get("grant"):
        return None
    found = (
        Grant.objects.select_related("account", "client", "session")
        .filter(id=claims["grant"], issuer=issuer.name)
        .first()
    )
    if found is None or found.revoked is not None:
        raise tokens.BadToken("Ce jeton a été remis par un autre service, ou révoqué : se connecter à nouveau.")
    return found


def introspection(issuer: Issuer, token: str) -> dict[str, Any]:
    """What a token is worth now (RFC 7662), with the national claims; `{"active": false}` says no more."""
    try:
        claims = tokens.read(token, audience=issuer.audience())
        grant = _grant(issuer, claims)
    except VirageError:
        return _of_refresh(issuer, token)
    if grant is None:
        return _of_program(issuer, claims)
    said = _common(issuer, grant) | {"typ": "Bearer", "token_type": "Bearer"}
    said |= {name: claims[name] for name in ("exp", "iat", "jti", "scope", "purpose", "reason") if name in claims}
    scope = str(claims.get("scope", "")).split()
    context = {name: value for name, value in launch_context(grant, scope).items() if name != "need_patient_banner"}
    said |= context | _fhir_user(grant.account, scope)
    return said | issuer.introspected(grant.account, grant)


def _of_program(issuer: Issuer, claims: dict[str, Any]) -> dict[str, Any]:
    account = Account.objects.filter(subject=claims.get("sub"), active=True).first()
    if account is None:
        return {"active": False}
    kept = ("exp", "iat", "jti", "iss", "sub", "scope", "client_id", "purpose", "reason")
    said: dict[str, Any] = {"active": True, "typ": "Bearer", "token_type": "Bearer"}
    said |= {name: claims[name] for name in kept if name in claims}
    return said | ({"preferred_username": account.subject} if account.kind in issuer.kinds else {})


def _of_refresh(issuer: Issuer, token: str) -> dict[str, Any]:
    ticket = (
        Ticket.objects.select_related("grant", "grant__account", "grant__client", "grant__session")
        .filter(digest=rules.digest(token), kind="refresh", used=None, grant__revoked=None, grant__issuer=issuer.name)
        .first()
    )
    if ticket is None or ticket.expires.timestamp() <= time.time() or not ticket.grant.account.active:
        return {"active": False}
    return {
        **_common(issuer, ticket.grant),
        "exp": int(ticket.expires.timestamp()),
        "typ": "Refresh",
        "scope": ticket.grant.scope,
    }


def _common(issuer: Issuer, grant: Grant) -> dict[str, Any]:
    session = grant.session
    sid = session.id if session else ""
    client_id = grant.client.client_id
    return {
        "active": True,
        "iss": issuer.url,
        "sub": issuer.subject(grant.account, grant.client),
        "azp": client_id,
        "client_id": client_id,
        "auth_time": int((session.started if session else grant.started).timestamp()),
        "acr": session.acr if session else issuer.acr,
        "sid": sid,
        "session_state": sid,
        **({"nonce": grant.nonce} if grant.nonce else {}),
    }
