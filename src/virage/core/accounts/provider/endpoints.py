"""The machine endpoints of a provider: parse, call, answer. Each is made for an issuer."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from virage.core.accounts import actions as accounts_actions
from virage.core.accounts import queries, rules, tokens
from virage.core.accounts.bearer import NoToken, bearer, challenge
from virage.core.accounts.doors import PUBLIC, door
from virage.core.accounts.models import Account, Ticket
from virage.core.accounts.provider import actions, statements
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.issuers import Issuer, discovery, key_documents
from virage.core.accounts.provider.limits import bounded
from virage.core.accounts.provider.proof import prove_client
from virage.core.errors import Unauthenticated, VirageError, of_machine

View = Callable[..., HttpResponse]
_FORM = "application/x-www-form-urlencoded"


def _answer(body: Any, status: int = 200) -> JsonResponse:
    response = JsonResponse(body, status=status)
    response["Cache-Control"] = "no-store"
    response["Pragma"] = "no-cache"
    return response


def refusal(error: VirageError) -> HttpResponse:
    """Any refusal as the protocol writes it: JSON, and the challenge of a 401."""
    if isinstance(error, OAuthError):
        shown = error
    elif isinstance(error, Unauthenticated):
        shown = OAuthError("invalid_token", error.text, status=401)
    elif error.status >= 500 or error.status == 429:
        shown = OAuthError("temporarily_unavailable", error.text, status=error.status)
    else:
        shown = OAuthError("invalid_request", error.text, status=error.status if error.status == 413 else 400)
    body = shown.body()
    if isinstance(error, NoToken):
        del body["error"]
    response = _answer(body, shown.status)
    if shown.status == 401:
        response["WWW-Authenticate"] = 'Basic realm="virage"' if shown.error == "invalid_client" else challenge(error)
    elif shown.error == "insufficient_scope":
        response["WWW-Authenticate"] = 'Bearer realm="virage", error="insufficient_scope", scope="openid"'
    return response


def machine(*methods: str) -> Callable[[View], View]:
    """A machine endpoint: those methods only, bounded, no form token (it carries no cookie), refusals as JSON."""

    def dress(view: View) -> View:
        @csrf_exempt
        @door(PUBLIC)
        @wraps(view)
        def dressed(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if request.method not in methods:
                response = _answer({"error": "invalid_request"}, 405)
                response["Allow"] = ", ".join(methods)
                return response
            try:
                return bounded(view)(request, *args, **kwargs)
            except VirageError as error:
                return refusal(error)
            except Exception as error:
                if (told := of_machine(error)) is None:
                    raise
                return refusal(told)

        return dressed

    return dress


def _form(request: HttpRequest) -> dict[str, str]:
    """The fields of a form body, each once (RFC 6749, 3.2). Raises OAuthError."""
    if request.content_type != _FORM:
        raise OAuthError(
            "invalid_request", f"Le corps de la demande est un formulaire : Content-Type: {_FORM}.", status=400
        )
    if any(len(values) > 1 for _, values in request.POST.lists()):
        raise OAuthError("invalid_request", "Un paramètre est répété.")
    return {name: str(value) for name, value in request.POST.items()}


def _proved(issuer: Issuer, request: HttpRequest) -> tuple[Account, dict[str, str]]:
    form = _form(request)
    authorization = request.headers.get("Authorization", "")
    called = request.build_absolute_uri(request.path)
    return prove_client(issuer, authorization, form, called=called), form


def discovery_view(issuer: Issuer) -> View:
    """The provider's description."""

    @machine("GET", "HEAD")
    def view(request: HttpRequest) -> HttpResponse:
        response = JsonResponse(discovery(issuer))
        response["Cache-Control"] = "public, max-age=300"
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return view


def keys_view(issuer: Issuer) -> View:
    """The public keys (RFC 7517)."""

    @machine("GET", "HEAD")
    def view(request: HttpRequest) -> HttpResponse:
        response = JsonResponse({"keys": key_documents(issuer)})
        response["Cache-Control"] = "public, max-age=60"
        response["Access-Control-Allow-Origin"] = "*"
        return response

    return view


def token_view(issuer: Issuer) -> View:
    """Tokens for a code, a refresh token, or a program's own proof."""

    @machine("POST")
    def view(request: HttpRequest) -> HttpResponse:
        client, form = _proved(issuer, request)
        return _answer(_tokens(issuer, client, form))

    return view


def _tokens(issuer: Issuer, client: Account, form: dict[str, str]) -> dict[str, Any]:
    by = queries.caller_of(client, scopes=())
    grant_type = form.get("grant_type", "")
    if grant_type == "authorization_code":
        code, uri, verifier = (form.get(name, "") for name in ("code", "redirect_uri", "code_verifier"))
        return actions.redeem_code(by=by, issuer=issuer, client=client, code=code, redirect_uri=uri, verifier=verifier)
    if grant_type == "refresh_token" and issuer.refresh():
        extra = {name: form.get(name, "") for name in ("scope", "purpose", "reason")}
        return actions.refresh(by=by, issuer=issuer, client=client, token=form.get("refresh_token", ""), **extra)
    if grant_type == "client_credentials" and issuer.client_credentials:
        return actions.client_token(by=by, issuer=issuer, client=client, scope=form.get("scope", ""))
    raise OAuthError(
        "unsupported_grant_type" if grant_type else "invalid_request",
        f"grant_type est l'un de : {', '.join(discovery(issuer)['grant_types_supported'])}.",
    )


def userinfo_view(issuer: Issuer) -> View:
    """What is said of the person."""

    @machine("GET", "POST", "HEAD")
    def view(request: HttpRequest) -> HttpResponse:
        said = statements.userinfo(issuer, bearer(request.headers))
        if isinstance(said, dict):
            return _answer(said)
        return HttpResponse(said, content_type="application/jwt", headers={"Cache-Control": "no-store"})

    return view


def introspection_view(issuer: Issuer) -> View:
    """What a token is worth, for a program that proves who it is."""

    @machine("POST")
    def view(request: HttpRequest) -> HttpResponse:
        _, form = _proved(issuer, request)
        if not form.get("token"):
            raise OAuthError("invalid_request", "Le paramètre token manque.")
        return _answer(statements.introspection(issuer, form["token"]))

    return view


def revocation_view(issuer: Issuer) -> View:
    """A client gives a token back (RFC 7009): a refresh token takes its whole grant with it. Always 200 for what is unknown."""

    @machine("POST")
    def view(request: HttpRequest) -> HttpResponse:
        client, form = _proved(issuer, request)
        token = form.get("token", "")
        if not token:
            raise OAuthError("invalid_request", "Le paramètre token manque.")
        by = queries.caller_of(client, scopes=())
        ticket = (
            Ticket.objects.select_related("grant")
            .filter(digest=rules.digest(token), kind="refresh", grant__client=client)
            .first()
        )
        if ticket is not None:
            accounts_actions.revoke_grant(by=by, grant=ticket.grant.id, why="given back")
            return _answer({})
        try:
            claims = tokens.read(token, audience=issuer.audience())
        except VirageError:
            return _answer({})
        if claims.get("client_id") == client.client_id:
            accounts_actions.revoke_token(by=by, jti=str(claims["jti"]))
        return _answer({})

    return view


def see_other(address: str) -> HttpResponse:
    """Sends the browser on, by GET, without telling the next site where it comes from."""
    response = HttpResponseRedirect(address)
    response.status_code = 303
    response["Cache-Control"] = "no-store"
    response["Referrer-Policy"] = "no-referrer"
    return response
