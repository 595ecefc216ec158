"""Who asks, from the headers of a machine's request (RFC 6750)."""

from collections.abc import Mapping

from virage.core.accounts import tokens
from virage.core.callers import Caller
from virage.core.errors import Unauthenticated, VirageError


class NoToken(Unauthenticated):
    """No token came with the request."""

    code = "ACCOUNTS.NO_TOKEN"


def bearer(headers: Mapping[str, str]) -> str:
    """The bearer token of an `Authorization` header, whatever the case of its name. Raises NoToken."""
    value = headers.get("authorization") or headers.get("Authorization") or ""
    scheme, _, token = value.partition(" ")
    if not value:
        raise NoToken(
            "Cette adresse demande un jeton d'accès : en-tête « Authorization: Bearer … », remis par /psc/token."
        )
    if scheme.lower() != "bearer" or not token.strip():
        raise NoToken("L'en-tête Authorization doit être « Bearer » suivi d'un jeton d'accès remis par /psc/token.")
    return token.strip()


def authenticate(headers: Mapping[str, str]) -> Caller:
    """The caller of a request to a machine interface. Raises Unauthenticated, with what to do."""
    return tokens.verify(bearer(headers))


def challenge(error: VirageError) -> str:
    """The `WWW-Authenticate` of a 401: says what is wrong with a token, nothing where none came (RFC 6750, 3.1)."""
    return 'Bearer realm="virage"' + ("" if isinstance(error, NoToken) else ', error="invalid_token"')
