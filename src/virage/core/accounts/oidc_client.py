"""The client side of OpenID Connect, for the portals: they use the real protocol, even against our own providers.

Authorization code with PKCE, state and nonce kept in the visitor's session; the code is exchanged over HTTP; the id_token is
checked with the provider's keys (OpenID Connect Core, 3.1.3.7).
"""

import json
import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from virage.core.accounts import rules
from virage.core.errors import Unauthenticated, VirageError

TIMEOUT = 5.0  # seconds
ANSWER = 256 * 1024  # bytes read of an answer at most
WAITING = 900  # seconds a visitor may take to sign in
KEPT = 300.0  # seconds a provider's description is remembered
ALGORITHMS = ["RS256", "ES256", "PS256"]


class SignInFailed(Unauthenticated):
    """The sign-in did not come to its end; trying again is safe."""

    code = "ACCOUNTS.SIGN_IN"


class ProviderAway(VirageError):
    """The provider of identity does not answer."""

    code = "ACCOUNTS.PROVIDER_AWAY"
    status = 503
    issue = "transient"


@dataclass(frozen=True, slots=True)
class Provider:
    """A provider of identity for the portals: its issuer, our client at it, what we ask for."""

    name: str
    title: str
    kind: str
    issuer: str
    client_id: str
    client_secret: str
    scope: str
    acr: str = "eidas1"
    discovery: str = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class Proof:
    """What the provider said: claims of the id_token and of userinfo, the id_token itself (for the sign-out)."""

    claims: Mapping[str, Any]
    id_token: str
    back: str


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_: Any, **__: Any) -> None:
        """A provider's interface answers where it is asked: a redirect would carry our secret elsewhere."""


_opener = build_opener(_NoRedirect)
_remembered: dict[str, tuple[float, dict[str, Any]]] = {}
_lock = threading.Lock()


def _fetch(url: str, *, form: Mapping[str, str] | None = None, bearer: str = "") -> tuple[bytes, str]:
    if urlsplit(url).scheme not in ("http", "https"):
        raise ProviderAway("L'adresse du service d'identité n'est pas une adresse web : voir les réglages.")
    headers = {"Accept": "application/json"}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    data = urlencode(form).encode() if form is not None else None
    request = Request(url, data=data, headers=headers)  # noqa: S310 - scheme checked above
    try:
        with _opener.open(request, timeout=TIMEOUT) as answer:
            body = answer.read(ANSWER + 1)
            if len(body) > ANSWER:
                raise ProviderAway("La réponse du service d'identité est démesurée : réessayer plus tard.")
            return body, answer.headers.get_content_type()
    except HTTPError as error:
        with error:
            raise SignInFailed("Le service d'identité a refusé la connexion : recommencer depuis le début.") from None
    except (URLError, OSError) as error:
        raise ProviderAway("Le service d'identité ne répond pas : réessayer dans quelques minutes.") from error


def _document(url: str, *, anew: bool = False) -> dict[str, Any]:
    now = time.monotonic()
    known = _remembered.get(url)
    if known is not None and not anew and known[0] > now:
        return known[1]
    try:
        document = json.loads(_fetch(url)[0])
    except ValueError as error:
        raise ProviderAway("La description du service d'identité n'est pas lisible : réessayer plus tard.") from error
    with _lock:
        _remembered[url] = (now + KEPT, document)
    return dict(document)


def describe(provider: Provider) -> dict[str, Any]:
    """The provider's own description (discovery). Raises ProviderAway, also when it speaks for another issuer."""
    found = _document(provider.issuer + provider.discovery)
    if found.get("issuer") != provider.issuer:
        raise ProviderAway(
            "Le service d'identité se présente sous un autre nom : vérifier l'adresse dans les réglages."
        )
    return found


def begin(
    provider: Provider, session: Any, *, redirect_uri: str, back: str, extra: Mapping[str, str] | None = None
) -> str:
    """Starts a sign-in: remembers it in the visitor's session, answers the address to send the browser to."""
    state, nonce, verifier = secrets.token_urlsafe(24), secrets.token_urlsafe(24), secrets.token_urlsafe(48)
    waiting = {key: value for key, value in session.get("oidc", {}).items() if value["at"] > time.time() - WAITING}
    waiting[state] = {
        "nonce": nonce,
        "verifier": verifier,
        "back": back,
        "provider": provider.name,
        "at": int(time.time()),
    }
    # A few tabs at once; older attempts fall.
    session["oidc"] = dict(list(waiting.items())[-5:])
    query = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": redirect_uri,
        "scope": provider.scope,
        "acr_values": provider.acr,
        "state": state,
        "nonce": nonce,
        "code_challenge": rules.challenge_of(verifier),
        "code_challenge_method": "S256",
        **(extra or {}),
    }
    return f"{describe(provider)['authorization_endpoint']}?{urlencode(query)}"


def finish(provider: Provider, session: Any, answer: Mapping[str, str], *, redirect_uri: str) -> Proof:
    """Ends a sign-in with the provider's answer in the query. Raises SignInFailed, ProviderAway."""
    waiting = dict(session.get("oidc", {}))
    begun = waiting.pop(answer.get("state", ""), None)
    session["oidc"] = waiting
    if begun is None or begun["provider"] != provider.name or begun["at"] < time.time() - WAITING:
        raise SignInFailed(
            "Cette connexion n'a pas commencé ici, ou elle a trop attendu : recommencer depuis le début."
        )
    if answer.get("error"):
        raise SignInFailed("La connexion a été refusée ou abandonnée : recommencer, ou choisir un autre moyen.")
    if answer.get("iss", provider.issuer) != provider.issuer or not answer.get("code"):
        raise SignInFailed("La réponse ne vient pas du service d'identité attendu : recommencer depuis le début.")
    about = describe(provider)
    form = {
        "grant_type": "authorization_code",
        "code": answer["code"],
        "redirect_uri": redirect_uri,
        "code_verifier": begun["verifier"],
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
    }
    try:
        tokens = json.loads(_fetch(about["token_endpoint"], form=form)[0])
        claims = _id_token(provider, about, tokens["id_token"], begun["nonce"])
        person = _userinfo(provider, about, tokens["access_token"])
    except (ValueError, KeyError, TypeError, JoseError) as error:
        raise SignInFailed("La réponse du service d'identité ne tient pas : recommencer depuis le début.") from error
    if person.get("sub") != claims["sub"]:
        raise SignInFailed("Le service d'identité parle de deux personnes : recommencer depuis le début.")
    return Proof({**person, **claims}, tokens["id_token"], begun["back"])


def _decode(provider: Provider, about: Mapping[str, Any], token: str) -> dict[str, Any]:
    for anew in (False, True):  # a key made since the last look is fetched once
        jwks = _document(about["jwks_uri"], anew=anew)
        try:
            return dict(jwt.decode(token, KeySet.import_key_set(jwks), algorithms=ALGORITHMS).claims)  # type: ignore[arg-type]
        except (JoseError, ValueError):
            if anew:
                raise
    raise AssertionError("unreachable")


def _id_token(provider: Provider, about: Mapping[str, Any], token: str, nonce: str) -> dict[str, Any]:
    claims = _decode(provider, about, token)
    audience = claims.get("aud")
    audiences = audience if isinstance(audience, list) else [audience]
    now = time.time()
    sound = (
        claims.get("iss") == provider.issuer
        and provider.client_id in audiences
        and (len(audiences) == 1 or claims.get("azp") == provider.client_id)
        and claims.get("nonce") == nonce
        and isinstance(claims.get("sub"), str)
        and now - 5 < float(claims["exp"])
        and float(claims["iat"]) < now + 60
    )
    if not sound:
        raise SignInFailed("L'attestation du service d'identité n'est pas pour cette connexion : recommencer.")
    return claims


def _userinfo(provider: Provider, about: Mapping[str, Any], access_token: str) -> dict[str, Any]:
    body, media = _fetch(about["userinfo_endpoint"], bearer=access_token)
    if media == "application/jwt":
        claims = _decode(provider, about, body.decode("ascii"))
        if claims.get("iss") != provider.issuer or claims.get("aud") != provider.client_id:
            raise SignInFailed("L'identité reçue n'est pas pour ce service : recommencer depuis le début.")
        return claims
    return dict(json.loads(body))


def end_address(provider: Provider, *, id_token: str, back: str) -> str:
    """Where the browser goes so that the session ends at the provider too; empty when the provider offers no such thing."""
    endpoint = describe(provider).get("end_session_endpoint", "")
    if not endpoint or not id_token:
        return ""
    query = {"id_token_hint": id_token, "post_logout_redirect_uri": back, "state": secrets.token_urlsafe(8)}
    return f"{endpoint}?{urlencode(query)}"
