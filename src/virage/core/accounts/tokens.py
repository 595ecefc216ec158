"""Access tokens: JWT of type `at+jwt` (RFC 9068), signed ES256 by the ring `access`, which signs nothing else.

A token names the account, never its holder's traits: those are read from the account when the token is first seen, then
remembered in the process until it expires or the generation moves. `purpose` and `reason` travel in it.
"""

import secrets
import threading
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from joserfc import jwt
from joserfc.errors import JoseError

from virage.core import db, settings
from virage.core.accounts import generation, rules
from virage.core.callers import Caller
from virage.core.errors import Unauthenticated
from virage.core.pki import keys

API = "urn:virage:api"  # audience of the machine interfaces of the house
TYPE = "at+jwt"
LENGTH = 4096  # characters; ours are about 500
ELSEWHERE = 5.0  # seconds between two looks at the revocations that other machines wrote
LEEWAY = 5  # seconds of clock difference
REMEMBERED = 20_000

_lock = threading.Lock()
_seen: dict[str, tuple[float, int, Caller]] = {}
_revoked: tuple[float, int, dict[str, float]] = (0.0, -1, {})


class BadToken(Unauthenticated):
    """The token presented proves nothing: the sentence says why and what to do."""

    code = "ACCOUNTS.TOKEN"


def issuer() -> str:
    """The `iss` of our access tokens: the house's authorization server."""
    return f"{settings.base_url()}/psc"


def issue(
    caller: Caller, *, audience: str = API, lifetime: timedelta | int = 120, grant: str = "", session: str = ""
) -> str:
    """A signed access token for this caller, with its scopes and purpose; `lifetime` in seconds or as a timedelta."""
    claims: dict[str, Any] = {"sub": caller.subject, "scope": rules.join_scope(caller.scopes)}
    if caller.client_id:
        claims["client_id"] = caller.client_id
    if caller.context:
        claims["patient"] = caller.context
    if caller.purpose != "normal":
        claims |= {"purpose": caller.purpose, "reason": caller.reason}
    if grant:
        claims["grant"] = grant
    if session:
        claims["sid"] = session
    return mint(claims, audience=audience, lifetime=lifetime)


def mint(claims: Mapping[str, Any], *, audience: str, lifetime: timedelta | int) -> str:
    """Signs claims as an access token of this house for an audience; adds `iss`, `iat`, `exp`, `jti`."""
    now = int(time.time())
    seconds = int(lifetime.total_seconds()) if isinstance(lifetime, timedelta) else lifetime
    ring = keys("access")
    body = {
        "iss": issuer(),
        **claims,
        "aud": audience,
        "iat": now,
        "exp": now + seconds,
        "jti": secrets.token_urlsafe(12),
    }
    return jwt.encode({"alg": ring.algorithm, "kid": ring.kid, "typ": TYPE}, body, ring.active)


def _our_issuer(found: object) -> bool:
    if found == issuer():
        return True
    # In the sandbox a command may not know the port of the server it makes a token for; the key has already proved the house.
    parts = urlsplit(found) if isinstance(found, str) and settings.sandbox() else None
    return parts is not None and parts.hostname in ("127.0.0.1", "localhost") and parts.path == "/psc"


def read(token: str, *, audience: str = API) -> dict[str, Any]:
    """The claims of a token that holds: signature, type, issuer, audience, dates, revocation. Raises BadToken."""
    if len(token) > LENGTH or token.count(".") != 2:
        raise BadToken("Le jeton d'accès n'est pas lisible : présenter celui que /psc/token a remis, entier.")
    ring = keys("access")
    try:
        header = jwt_header(token)
        key = ring.find(str(header.get("kid", "")))
        if header.get("alg") != ring.algorithm or key is None:
            raise BadToken("Le jeton d'accès n'a pas été signé par cette plateforme : en demander un à /psc/token.")
        if str(header.get("typ", "")).lower().removeprefix("application/") != TYPE:
            raise BadToken("Ce jeton n'est pas un jeton d'accès : présenter « access_token », et non « id_token ».")
        claims = jwt.decode(token, key, algorithms=[ring.algorithm]).claims
    except (JoseError, ValueError, TypeError, KeyError) as error:
        raise BadToken("La signature du jeton d'accès ne tient pas : en demander un autre à /psc/token.") from error
    now = time.time()
    expires, issued = claims.get("exp"), claims.get("iat")
    if not isinstance(expires, int) or not isinstance(issued, int) or issued > now + LEEWAY:
        raise BadToken("Les dates du jeton d'accès ne tiennent pas : en demander un autre à /psc/token.")
    if expires <= now:
        raise BadToken("Le jeton d'accès a expiré : le rafraîchir ou en demander un autre à /psc/token.")
    audiences = claims.get("aud")
    audiences = audiences if isinstance(audiences, list) else [audiences]
    if not _our_issuer(claims.get("iss")) or audience not in audiences:
        raise BadToken("Ce jeton d'accès a été remis pour un autre service : en demander un à /psc/token.")
    if _is_revoked(claims):
        raise BadToken("Ce jeton d'accès a été révoqué : se connecter à nouveau.")
    return claims


def jwt_header(token: str) -> dict[str, Any]:
    """The protected header of a compact token, not yet verified. Raises ValueError."""
    from base64 import urlsafe_b64decode
    from json import loads

    part = token.partition(".")[0]
    header = loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    if not isinstance(header, dict):
        raise ValueError("the header is not an object")
    return header


def verify(token: str) -> Caller:
    """The caller that a token for the house's interfaces speaks for. Raises BadToken (401).

    A token seen before costs a look in a dictionary and a read of the generation.
    """
    now = time.time()
    # The generation is read first: what is revoked while we verify then makes the memory void.
    moved = generation.current()
    known = _seen.get(token)
    if known is not None and known[0] > now and known[1] == moved and _revoked[0] + ELSEWHERE > now:
        return known[2]
    if _fresh_revocations(moved, now) and known is not None and known[0] > now and known[1] == moved:
        return known[2]
    claims = read(token)
    caller = _caller(claims)
    with _lock:
        if len(_seen) >= REMEMBERED:
            _seen.clear()
        _seen[token] = (float(claims["exp"]), moved, caller)
    return caller


_COLUMNS = "kind, subject, name, login, role, profession, specialty, rpps, finess, structure, ins, ins_oid, patient"


def _caller(claims: Mapping[str, Any]) -> Caller:
    with db.cursor() as cursor:
        cursor.execute(
            f"SELECT {_COLUMNS} FROM accounts_account WHERE subject = %s AND active",
            (claims.get("sub", ""),),
        )
        found = cursor.fetchone()
    if found is None:
        raise BadToken(
            "Le compte de ce jeton d'accès n'est plus ouvert : s'adresser à l'administration de la plateforme."
        )
    return Caller(
        **dict(zip(_COLUMNS.split(", "), found, strict=True)),
        purpose=claims.get("purpose", "normal"),
        reason=claims.get("reason", ""),
        client_id=claims.get("client_id", ""),
        context=claims.get("patient", ""),
        scopes=frozenset(claims.get("scope", "").split()),
    )


def _fresh_revocations(moved: int, now: float) -> bool:
    """Reads the revocations again when this machine moved or another may have; true when they were the same."""
    global _revoked
    looked, at, kept = _revoked
    if at == moved and looked + ELSEWHERE > now:
        return True
    with db.cursor() as cursor:
        cursor.execute("SELECT key, since FROM accounts_revocation WHERE until > now()")
        found = {key: since.timestamp() for key, since in cursor.fetchall()}
    if at != moved or found != kept:
        with _lock:
            _seen.clear()
    _revoked = (now, moved, found)
    return found == kept


def _is_revoked(claims: Mapping[str, Any]) -> bool:
    _fresh_revocations(generation.current(), time.time())
    revoked = _revoked[2]
    if not revoked:
        return False
    names = {
        "jti": claims.get("jti"),
        "grant": claims.get("grant"),
        "session": claims.get("sid"),
        "account": claims.get("sub"),
    }
    # A token of the very second of the revocation is refused too: its `iat` has no finer grain.
    return any(value and revoked.get(f"{name}:{value}", -1.0) >= float(claims["iat"]) for name, value in names.items())


def forget() -> None:
    """Empties this process's memory: for tests that change the clock or the database under it."""
    global _revoked
    with _lock:
        _seen.clear()
        _revoked = (0.0, -1, {})
