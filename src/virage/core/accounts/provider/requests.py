"""Authorization requests: read, checked, answered (RFC 6749, 4.1.1; RFC 7636, 4.3; OpenID Connect Core, 3.1.2.1)."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from virage.core import settings
from virage.core.accounts import queries, rules
from virage.core.accounts.models import Account
from virage.core.accounts.provider.errors import OAuthError, UnsafeReturn
from virage.core.accounts.provider.issuers import Issuer
from virage.core.errors import VirageError

_CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
_LOOPBACK = re.compile(r"http://(127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?/[\x21\x24-\x7e]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """A sound authorization request. `scope` is what will be granted, before the person is known."""

    client: Account
    redirect_uri: str
    scope: frozenset[str]
    state: str
    nonce: str
    challenge: str
    prompt: frozenset[str]
    max_age: int | None
    purpose: str
    reason: str


def may_return(client: Account, address: str) -> bool:
    """Whether the client registered this very address.

    One registered as `http://127.0.0.1/*` stands for any port and path of the loopback interface, in the sandbox only: a
    program under development listens where it can (RFC 8252, 7.3).
    """
    if address in client.redirect_uris:
        return True
    if not settings.sandbox():
        return False
    found = _LOOPBACK.fullmatch(address)
    return found is not None and f"http://{found[1]}/*" in client.redirect_uris


def read_request(issuer: Issuer, pairs: Sequence[tuple[str, str]]) -> Asked:
    """The request of a query. Raises UnsafeReturn when the browser must stay, else `Refused` with where to send it."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise UnsafeReturn("La demande de connexion répète un paramètre : l'éditeur du logiciel doit la corriger.")
    client = Account.objects.filter(client_id=fields.get("client_id", ""), kind="software", active=True).first()
    if client is None:
        raise UnsafeReturn(
            "Ce logiciel n'est pas connu ici (client_id) : vérifier son inscription auprès de son éditeur.",
            code="OAUTH.CLIENT",
        )
    redirect_uri = fields.get("redirect_uri", "")
    if not may_return(client, redirect_uri):
        raise UnsafeReturn(
            "L'adresse de retour (redirect_uri) n'est pas l'une de celles que ce logiciel a déclarées : rien ne lui est envoyé."
        )
    state = fields.get("state", "")
    try:
        return _checked(issuer, client, redirect_uri, state, fields)
    except OAuthError as error:
        raise Refused(error, redirect_uri, state) from error
    except VirageError as error:
        raise Refused(OAuthError("invalid_request", error.text), redirect_uri, state) from error


def _checked(issuer: Issuer, client: Account, redirect_uri: str, state: str, fields: Mapping[str, str]) -> Asked:
    if "request" in fields or "request_uri" in fields:
        name = "request_not_supported" if "request" in fields else "request_uri_not_supported"
        raise OAuthError(
            name, "Les objets de demande ne sont pas pris en charge : écrire les paramètres dans l'adresse."
        )
    if fields.get("response_type") != "code":
        raise OAuthError("unsupported_response_type", "Seul response_type=code est pris en charge.")
    if fields.get("response_mode", "query") != "query":
        raise OAuthError("invalid_request", "Seul response_mode=query est pris en charge.")
    challenge = fields.get("code_challenge", "")
    if fields.get("code_challenge_method") != "S256" or not _CHALLENGE.fullmatch(challenge):
        raise OAuthError(
            "invalid_request", "PKCE est obligatoire : code_challenge (43 caractères) et code_challenge_method=S256."
        )
    if not f"{fields.get('aud') or settings.base_url()}/".startswith(f"{settings.base_url()}/"):
        raise OAuthError("invalid_request", "aud est l'adresse d'une base FHIR de cette plateforme.")
    asked = rules.parse_scope(fields.get("scope", ""))
    if "openid" not in asked:
        raise OAuthError("invalid_scope", "La portée openid est obligatoire.")
    nonce = fields.get("nonce", "")
    if issuer.needs_nonce and not (state and nonce):
        raise OAuthError("invalid_request", "state et nonce sont obligatoires.")
    if len(nonce) > 512 or len(state) > 2048:
        raise OAuthError("invalid_request", "state (2 048 caractères) ou nonce (512) est trop long.")
    prompt = frozenset(fields.get("prompt", "").split())
    if not prompt <= {"none", "login", "consent", "select_account"} or ("none" in prompt and len(prompt) > 1):
        raise OAuthError("invalid_request", "prompt est none seul, ou login.")
    max_age = fields.get("max_age", "")
    if max_age and not (max_age.isdecimal() and len(max_age) < 9):
        raise OAuthError("invalid_request", "max_age est un nombre de secondes.")
    purpose, reason = rules.check_purpose(fields.get("purpose", ""), fields.get("reason", ""))
    scope = rules.grant_scopes(asked, client=queries.own_scopes(client), person=None)
    if "openid" not in scope:
        raise OAuthError("unauthorized_client", "Ce logiciel n'est pas inscrit pour connecter des personnes.")
    age = int(max_age) if max_age else None
    return Asked(client, redirect_uri, scope, state, nonce, challenge, prompt, age, purpose, reason)


def answer_address(issuer: Issuer, redirect_uri: str, state: str, answer: Mapping[str, str]) -> str:
    """Where the browser returns: the registered address, its own query kept, with the answer, `state` and `iss` (RFC 9207)."""
    parts = urlsplit(redirect_uri)
    query = parse_qsl(parts.query, keep_blank_values=True) + list(answer.items())
    if state:
        query.append(("state", state))
    query.append(("iss", issuer.url))
    return urlunsplit(parts._replace(query=urlencode(query)))


class Refused(Exception):
    """A refusal that the client may hear: the browser is sent back to it."""

    def __init__(self, error: OAuthError, redirect_uri: str, state: str) -> None:
        super().__init__(error.text)
        self.error = error
        self.redirect_uri = redirect_uri
        self.state = state

    def address(self, issuer: Issuer) -> str:
        """Where to send the browser."""
        return answer_address(issuer, self.redirect_uri, self.state, self.error.body())
