"""What the providers' pages have in common: the session's cookie, the answer to the client, the sign-out."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from django.core import signing
from django.http import HttpRequest, HttpResponse
from joserfc import jwt
from joserfc.errors import JoseError

from virage.core import settings
from virage.core.accounts import actions as accounts_actions
from virage.core.accounts import queries
from virage.core.accounts.models import Account, ProviderSession
from virage.core.accounts.provider import actions
from virage.core.accounts.provider.endpoints import see_other
from virage.core.accounts.provider.errors import OAuthError, UnsafeReturn
from virage.core.accounts.provider.issuers import Issuer
from virage.core.accounts.provider.requests import Asked, Refused, answer_address, may_return, read_request
from virage.core.accounts.tokens import jwt_header
from virage.core.callers import system

ASKING = 15 * 60  # seconds a person may take between the request and the proof
_PAIRS = list[tuple[str, str]]
# What a request for authorization may say (RFC 6749 4.1.1, RFC 7636, OpenID Connect Core 3.1.2.1; `aud` of SMART), and our purpose.
# Anything else is left behind: it must not travel in addresses on the strength of having been sent here.
_PARAMETERS = frozenset(
    [
        "acr_values",
        "aud",
        "claims",
        "claims_locales",
        "client_id",
        "code_challenge",
        "code_challenge_method",
        "display",
        "id_token_hint",
        "login_hint",
        "max_age",
        "nonce",
        "prompt",
        "purpose",
        "reason",
        "redirect_uri",
        "registration",
        "request",
        "request_uri",
        "resource",
        "response_mode",
        "response_type",
        "scope",
        "state",
        "ui_locales",
    ]
)


# What a request to sign out may say (RP-Initiated Logout 1.0, 2).
LEAVING = frozenset(["client_id", "id_token_hint", "logout_hint", "post_logout_redirect_uri", "state", "ui_locales"])


def query_pairs(request: HttpRequest, names: frozenset[str] = _PARAMETERS) -> _PAIRS:
    """The parameters of an authorization request, repeated ones kept apart; by GET or by POST (Core, 3.1.2.1).

    `names` are those that count, `LEAVING` for a request to sign out.
    """
    source = request.POST if request.method == "POST" else request.GET
    return [(name, str(value)) for name, values in source.lists() if name in names for value in values]


def seal(issuer: Issuer, pairs: _PAIRS) -> str:
    """The request as it travels through our own pages: signed and dated, so that nothing in it changes on the way."""
    return signing.dumps(pairs, salt=f"oidc-{issuer.name}", compress=True)


def unseal(issuer: Issuer, sealed: str) -> tuple[Asked, _PAIRS]:
    """The request of a page's form, checked again. Raises UnsafeReturn, Refused."""
    try:
        pairs = [
            (str(name), str(value)) for name, value in signing.loads(sealed, salt=f"oidc-{issuer.name}", max_age=ASKING)
        ]
    except (signing.BadSignature, ValueError, TypeError) as error:
        text = "La demande de connexion a trop attendu ou a été modifiée : la recommencer depuis le logiciel."
        raise UnsafeReturn(text, code="OAUTH.REQUEST_LOST") from error
    return read_request(issuer, pairs), pairs


def session_of(issuer: Issuer, request: HttpRequest) -> ProviderSession | None:
    """The session that this browser has at the provider, if it is still open."""
    cookie = request.COOKIES.get(issuer.cookie, "")
    return actions.resume_session(by=system(issuer.name), issuer=issuer, cookie=cookie) if cookie else None


def passes(asked: Asked, session: ProviderSession | None) -> bool:
    """Whether this session is enough for what is asked (`prompt`, `max_age`)."""
    if session is None or asked.prompt & {"login", "select_account"}:
        return False
    age = (datetime.now(UTC) - session.started).total_seconds()
    return asked.max_age is None or age <= asked.max_age


def return_to_client(
    issuer: Issuer, asked: Asked, session: ProviderSession, patient: str = "", encounter: str = ""
) -> HttpResponse:
    """Sends the browser back to the client with a code, or with the reason why not; `patient` and `encounter` as in `authorize`."""
    by = queries.caller_of(
        session.account, asked.purpose, asked.reason, scopes=(), client_id=asked.client.client_id or ""
    )
    try:
        answer: dict[str, Any] = {
            "code": actions.authorize(
                by=by, issuer=issuer, asked=asked, session=session, patient=patient, encounter=encounter
            )
        }
    except OAuthError as error:
        answer = error.body()
    if session.id:
        answer["session_state"] = session.id
    return see_other(answer_address(issuer, asked.redirect_uri, asked.state, answer))


def may_lead_to_client(response: HttpResponse, asked: Asked) -> HttpResponse:
    """For a page whose form is answered by the way back to the client: browsers check where a form leads, registered or not."""
    parts = urlsplit(asked.redirect_uri)
    target = f"{parts.scheme}://{parts.netloc}" if parts.netloc else f"{parts.scheme}:"
    response["Content-Security-Policy"] = (
        f"default-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' {target}"
    )
    response["Cache-Control"] = "no-store"
    return response


def refuse_to_client(issuer: Issuer, asked: Asked, error: str, text: str) -> HttpResponse:
    """Sends the browser back with a refusal."""
    return see_other(Refused(OAuthError(error, text), asked.redirect_uri, asked.state).address(issuer))


def set_session_cookie(issuer: Issuer, response: HttpResponse, secret: str) -> HttpResponse:
    """Gives the browser its session: out of reach of scripts, sent to this provider's pages only."""
    secure = settings.base_url().startswith("https://")
    response.set_cookie(issuer.cookie, secret, path=f"{issuer.path}/", httponly=True, samesite="Lax", secure=secure)
    return response


def logout_request(issuer: Issuer, fields: dict[str, str]) -> tuple[Account | None, str, str]:
    """The client, the session's id and the return address that a sign-out request proves (RP-Initiated Logout, 2).

    An expired id_token still proves; an address that the client did not register is refused. Raises UnsafeReturn.
    """
    client, sid = None, ""
    hint = fields.get("id_token_hint", "")
    if hint:
        claims = _read_hint(issuer, hint)
        sid = str(claims.get("sid", ""))
        client = Account.objects.filter(client_id=claims.get("aud"), kind="software").first()
        if fields.get("client_id", claims.get("aud")) != claims.get("aud"):
            raise UnsafeReturn("client_id n'est pas celui de id_token_hint : la déconnexion n'a pas eu lieu.")
    elif fields.get("client_id"):
        client = Account.objects.filter(client_id=fields["client_id"], kind="software").first()
    address = fields.get("post_logout_redirect_uri", "")
    if not address:
        return client, sid, ""
    if client is None or not (address in client.logout_uris or (may_return(client, address))):
        raise UnsafeReturn(
            "L'adresse de retour (post_logout_redirect_uri) n'est pas déclarée par ce logiciel : rien ne lui est envoyé."
        )
    state = fields.get("state", "")
    if state:
        address += ("&" if "?" in address else "?") + urlencode({"state": state})
    return client, sid, address


def _read_hint(issuer: Issuer, hint: str) -> dict[str, Any]:
    try:
        key = issuer.ring.find(str(jwt_header(hint).get("kid", "")))
        claims = jwt.decode(hint, key, algorithms=[issuer.algorithm]).claims if key else {}
    except (JoseError, ValueError, TypeError):
        claims = {}
    if claims.get("iss") != issuer.url:
        raise UnsafeReturn("id_token_hint n'est pas une attestation de ce service : la déconnexion n'a pas eu lieu.")
    return dict(claims)


def end(issuer: Issuer, request: HttpRequest, sid: str) -> None:
    """Ends the session named by a proved sign-out, or this browser's own."""
    session = (
        ProviderSession.objects.select_related("account").filter(id=sid, issuer=issuer.name).first() if sid else None
    )
    session = session or session_of(issuer, request)
    if session is not None:
        by = queries.caller_of(session.account, scopes=())
        accounts_actions.end_session(by=by, session=session.id)
