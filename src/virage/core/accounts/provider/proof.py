"""Clients prove who they are: by a secret, or by a key (RFC 6749, 2.3.1; RFC 7523, 3)."""

import base64
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import Key, KeySet

from virage.core import settings
from virage.core.accounts import queries, rules, tokens
from virage.core.accounts.models import Account
from virage.core.accounts.provider import actions, published
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.issuers import ASSERTION_ALGORITHMS, Issuer
from virage.core.errors import VirageError

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ASSERTION_LIFE = 300  # seconds an assertion may last
LEEWAY = 10
_NOBODY = rules.digest("nobody")


def _refuse(text: str) -> OAuthError:
    return OAuthError("invalid_client", text, status=401)


def prove_client(issuer: Issuer, authorization: str, form: Mapping[str, str], *, called: str) -> Account:
    """The client that a request to a machine endpoint comes from. `called` is the address that was called.

    Raises OAuthError `invalid_client` (401), or `invalid_request` when two proofs are given at once.
    """
    basic = authorization[:6].lower() == "basic "
    given = [basic, "client_secret" in form, "client_assertion" in form or "client_assertion_type" in form]
    if sum(given) > 1:
        raise OAuthError("invalid_request", "Une seule preuve du logiciel par demande : secret ou assertion signée.")
    if given[2]:
        return _by_key(issuer, form, called)
    if basic:
        client_id, secret = _basic(authorization[6:])
        if form.get("client_id", client_id) != client_id:
            raise OAuthError("invalid_request", "client_id diffère entre l'en-tête et le formulaire.")
    elif given[1]:
        client_id, secret = form.get("client_id", ""), form["client_secret"]
    else:
        raise _refuse(
            "Le logiciel doit prouver qui il est : client_secret_basic, client_secret_post ou private_key_jwt."
        )
    client = _client(client_id)
    # The comparison is made for an unknown client too, so that its time says nothing.
    if (
        not rules.matches(secret, client.client_secret_digest if client and client.client_secret_digest else _NOBODY)
        or not client
    ):
        raise _refuse("Logiciel inconnu ou secret faux.")
    return client


def _client(client_id: str) -> Account | None:
    return Account.objects.filter(client_id=client_id, kind="software", active=True).first() if client_id else None


def _basic(value: str) -> tuple[str, str]:
    try:
        client_id, colon, secret = base64.b64decode(value.strip(), validate=True).decode().partition(":")
    except ValueError:
        colon = ""
    if not colon:
        raise _refuse("L'en-tête Authorization: Basic n'est pas lisible.")
    return unquote_plus(client_id), unquote_plus(secret)


def _by_key(issuer: Issuer, form: Mapping[str, str], called: str) -> Account:
    assertion = form.get("client_assertion", "")
    if form.get("client_assertion_type") != ASSERTION_TYPE or not 0 < len(assertion) < 8192:
        raise _refuse(f"client_assertion_type vaut {ASSERTION_TYPE} et client_assertion est un JWT signé.")
    try:
        header, hint = tokens.jwt_header(assertion), _unverified(assertion)
    except (ValueError, TypeError) as error:
        raise _refuse("client_assertion n'est pas un JWT lisible.") from error
    client_id = str(hint.get("sub", ""))
    client = _client(client_id)
    if client is None or form.get("client_id", client_id) != client_id:
        raise _refuse("Logiciel inconnu : sub de l'assertion vaut le client_id.")
    claims = _verified(client, assertion, header)
    _check_claims(issuer, claims, client_id, called)
    jti, expires = str(claims["jti"]), datetime.fromtimestamp(int(claims["exp"]), UTC)
    fresh = actions.remember_assertion(
        by=queries.caller_of(client, scopes=()),
        digest=rules.digest(f"{client_id}\0{jti}"),
        expires=expires + timedelta(seconds=LEEWAY),
    )
    if not fresh:
        raise _refuse("Cette assertion a déjà servi : en signer une nouvelle, avec un autre jti.")
    return client


def _unverified(assertion: str) -> dict[str, Any]:
    return tokens.jwt_header(assertion.partition(".")[2])


def _verified(client: Account, assertion: str, header: Mapping[str, Any]) -> dict[str, Any]:
    if header.get("alg") not in ASSERTION_ALGORITHMS:
        raise _refuse(f"L'assertion est signée par l'un de : {', '.join(ASSERTION_ALGORITHMS)}.")
    kid = header.get("kid")
    for key in _keys(client, header):
        if kid and key.kid and key.kid != kid:
            continue
        try:
            return dict(jwt.decode(assertion, key, algorithms=[str(header["alg"])]).claims)
        except (JoseError, ValueError, TypeError):
            continue
    raise _refuse("La signature de l'assertion ne correspond à aucune clé déclarée par ce logiciel.")


def _keys(client: Account, header: Mapping[str, Any]) -> Iterator[Key]:
    """The keys that the client declared, then those that it publishes, which are only fetched when needed."""
    url = client.client_keys_url
    if header.get("jku", url) != url:
        raise _refuse("jku de l'assertion n'est pas l'adresse de clés que ce logiciel a déclarée.")
    yield from _declared(client)
    if url:
        try:
            yield from published.keys_at(url, str(header.get("kid", "")))
        except VirageError as error:
            raise _refuse(error.text) from None


def _declared(client: Account) -> list[Key]:
    try:
        return list(KeySet.import_key_set(client.client_keys).keys) if client.client_keys.get("keys") else []
    except (JoseError, ValueError, KeyError):
        return []


def _check_claims(issuer: Issuer, claims: Mapping[str, Any], client_id: str, called: str) -> None:
    now = time.time()
    wanted = {issuer.url, issuer.endpoint("token_endpoint")} | ({called} if settings.sandbox() else set())
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    expires, jti = claims.get("exp"), claims.get("jti")
    if claims.get("iss") != client_id:
        raise _refuse("iss et sub de l'assertion valent tous deux le client_id.")
    if not any(isinstance(value, str) and value in wanted for value in audiences):
        raise _refuse(f"aud de l'assertion vaut {issuer.endpoint('token_endpoint')}.")
    if not isinstance(expires, int | float) or expires <= now - LEEWAY:
        raise _refuse("L'assertion a expiré : vérifier l'horloge, en signer une nouvelle.")
    if expires > now + ASSERTION_LIFE + LEEWAY:
        raise _refuse("L'assertion dure 5 minutes au plus (exp).")
    for name in ("iat", "nbf"):
        value = claims.get(name, 0)
        if not isinstance(value, int | float) or value > now + LEEWAY:
            raise _refuse(f"L'assertion n'est pas encore valable ({name}) : vérifier l'horloge.")
    if not isinstance(jti, str) or not 0 < len(jti) <= 200:
        raise _refuse("L'assertion porte un jti, différent à chaque fois.")
