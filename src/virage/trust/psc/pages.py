"""Pages of the sign-in: the identifier, the wait, the phone, the way out."""

import secrets
from datetime import UTC, datetime
from urllib.parse import urlencode

from django.core import signing
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from virage.core import settings
from virage.core.accounts import door, queries
from virage.core.accounts import rules as accounts_rules
from virage.core.accounts.models import Account, ProviderSession
from virage.core.accounts.provider import actions as provider_actions
from virage.core.accounts.provider import browser
from virage.core.accounts.provider.endpoints import see_other
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.limits import bounded
from virage.core.accounts.provider.requests import Asked, Refused, read_request
from virage.core.errors import Forbidden, Unknown, VirageError
from virage.trust.psc import actions, rules
from virage.trust.psc import queries as psc_queries
from virage.trust.psc.issuer import PSC
from virage.trust.psc.models import EcpsRequest

BROWSER_COOKIE = "virage_psc_navigateur"
_CHOICE = "psc-choice"
_DENIED = OAuthError("access_denied", "Connexion abandonnée, ou refusée sur le téléphone.")


@csrf_exempt  # a client may send its request by POST: it changes nothing here but the address of the browser
@require_http_methods(["GET", "HEAD", "POST"])
@door("public")
@bounded
def authorize(request: HttpRequest) -> HttpResponse:
    """The authorization endpoint: straight back to the client when a session is open, else asks who is there."""
    pairs = browser.query_pairs(request)
    if request.method == "POST":
        return see_other(f"{PSC.endpoint('authorization_endpoint')}?{urlencode(pairs)}")
    try:
        asked = read_request(PSC, pairs)
    except Refused as refused:
        return see_other(refused.address(PSC))
    session = browser.session_of(PSC, request)
    if session is not None and browser.passes(asked, session):
        return _onward(request, asked, pairs, session)
    if "none" in asked.prompt:
        return browser.refuse_to_client(PSC, asked, "login_required", "Aucune session ouverte.")
    hint = dict(pairs).get("login_hint", "")
    return _identify_page(request, asked, browser.seal(PSC, pairs), hint)


def _onward(request: HttpRequest, asked: Asked, pairs: list[tuple[str, str]], session: ProviderSession) -> HttpResponse:
    """Back to the client; or, where it asks for the context of its launch, to the page where it is chosen."""
    if not asked.scope & {accounts_rules.CHOSEN_PATIENT, accounts_rules.CHOSEN_ENCOUNTER}:
        return browser.return_to_client(PSC, asked, session)
    if "none" in asked.prompt:
        return browser.refuse_to_client(PSC, asked, "interaction_required", "Le patient est à choisir.")
    return _choose_page(request, asked, pairs, session)


def _choose_page(
    request: HttpRequest,
    asked: Asked,
    pairs: list[tuple[str, str]],
    session: ProviderSession,
    error: VirageError | None = None,
) -> HttpResponse:
    context = {
        "title": "Choisir le patient",
        "client_name": asked.client.name,
        # Bound to the session: it is no way around the proof that another request asks for.
        "sealed": signing.dumps([session.id, pairs], salt=_CHOICE, compress=True),
        "with_encounter": accounts_rules.CHOSEN_ENCOUNTER in asked.scope,
        "patient": request.POST.get("patient", "")[:80],
        "encounter": request.POST.get("sejour", "")[:80],
        "error": error,
        "give_up": Refused(_DENIED, asked.redirect_uri, asked.state).address(PSC),
    }
    response = render(request, "psc/choose.html", context, status=error.status if error else 200)
    return browser.may_lead_to_client(response, asked)


@require_POST
@door("public")
@bounded
def choose(request: HttpRequest) -> HttpResponse:
    """The professional chose the patient, and maybe the encounter, that the program will show."""
    try:
        session_id, told = signing.loads(request.POST.get("demande", ""), salt=_CHOICE, max_age=browser.ASKING)
        pairs = [(str(name), str(value)) for name, value in told]
    except (signing.BadSignature, ValueError, TypeError) as error:
        text = "La demande de connexion a trop attendu ou a été modifiée : la recommencer depuis le logiciel."
        raise Forbidden(text, code="OAUTH.REQUEST_LOST") from error
    session = browser.session_of(PSC, request)
    if session is None or session.id != session_id:
        raise Forbidden(
            "La session est terminée : recommencer la connexion depuis le logiciel.", code="PSC.SESSION_OVER"
        )
    try:
        asked = read_request(PSC, pairs)
    except Refused as refused:
        return see_other(refused.address(PSC))
    by = queries.caller_of(session.account, client_id=asked.client.client_id or "")
    try:
        patient = psc_queries.patient(by, request.POST.get("patient", ""))
        encounter = psc_queries.encounter(by, request.POST.get("sejour", ""), patient)
    except VirageError as error:
        return _choose_page(request, asked, pairs, session, error)
    return browser.return_to_client(PSC, asked, session, patient, encounter)


def _identify_page(
    request: HttpRequest, asked: Asked, sealed: str, typed: str, error: VirageError | None = None
) -> HttpResponse:
    context = {
        "title": "Se connecter avec Pro Santé Connect",
        "client_name": asked.client.name,
        "purpose": asked.purpose,
        "sealed": sealed,
        "typed": typed[:64],
        "error": error,
        "demo": _demo_people() if settings.sandbox() else [],
        "demo_pin": settings.get("VIRAGE_ECPS_PIN"),
    }
    response = render(request, "psc/identify.html", context, status=error.status if error else 200)
    response["Cache-Control"] = "no-store"
    return response


def _demo_people() -> list[Account]:
    return list(Account.objects.filter(kind="professional", active=True, demo=True).order_by("login")[:20])


@require_POST
@door("public")
@bounded
def identify(request: HttpRequest) -> HttpResponse:
    """The professional said who they are: their phone is asked to confirm, and the browser waits."""
    sealed, typed = request.POST.get("demande", ""), request.POST.get("identifiant", "")
    try:
        asked, _ = browser.unseal(PSC, sealed)
    except Refused as refused:
        return see_other(refused.address(PSC))
    try:
        account = _account(typed)
        secret = request.COOKIES.get(BROWSER_COOKIE) or secrets.token_urlsafe(32)
        by = queries.caller_of(account, scopes=())
        waiting = actions.ask(by=by, account=account, client_name=asked.client.name, sealed=sealed, browser=secret)
    except VirageError as error:
        return _identify_page(request, asked, sealed, typed, error)
    response = see_other(reverse("psc:wait", args=[waiting.id]))
    secure = settings.base_url().startswith("https://")
    response.set_cookie(BROWSER_COOKIE, secret, path="/psc/", httponly=True, samesite="Lax", secure=secure)
    return response


def _account(typed: str) -> Account:
    """The professional that an identifier names: RPPS, idNat_PS, or login. The directory is public: saying so tells nothing."""
    subject = rules.national_subject(typed)
    people = Account.objects.filter(kind="professional", active=True).exclude(pin_digest="")
    account = people.filter(subject=subject).first() if subject else people.filter(login=typed.strip()).first()
    if account is None:
        raise Unknown(
            "Aucune e-CPS active pour cet identifiant : saisissez votre numéro RPPS, onze chiffres, tel qu’il est sur votre carte.",
            code="PSC.IDENTIFIER",
            status=422,
            path="identifiant",
        )
    return account


def _own_request(request: HttpRequest, request_id: str) -> EcpsRequest:
    """The waiting sign-in, for the browser that began it. Raises Unknown, Forbidden."""
    found = EcpsRequest.objects.select_related("account").filter(id=request_id).first()
    if found is None:
        raise Unknown(
            "Cette connexion n'existe plus : la recommencer depuis votre logiciel.", code="PSC.REQUEST_UNKNOWN"
        )
    if not accounts_rules.matches(request.COOKIES.get(BROWSER_COOKIE, ""), found.browser_digest):
        raise Forbidden(
            "Cette connexion a commencé dans un autre navigateur : la recommencer depuis le vôtre.",
            code="PSC.OTHER_BROWSER",
        )
    return found


def _over(waiting: EcpsRequest) -> bool:
    return waiting.state in (EcpsRequest.REFUSED, EcpsRequest.DONE) or waiting.expires < datetime.now(UTC)


@require_GET
@door("public")
def wait(request: HttpRequest, request_id: str) -> HttpResponse:
    """Waits for the phone; once it confirmed, opens the session and sends the browser back to its client."""
    waiting = _own_request(request, request_id)
    asked, pairs = browser.unseal(PSC, waiting.sealed)
    by = queries.caller_of(waiting.account, scopes=(), client_id=asked.client.client_id or "")
    if waiting.state == EcpsRequest.CONFIRMED and actions.finish(by=by, request_id=waiting.id):
        session, cookie = provider_actions.start_session(by=by, issuer=PSC, account=waiting.account, means="MOBILE")
        response = _onward(request, asked, pairs, session)
        return browser.set_session_cookie(PSC, response, cookie)
    over = _over(waiting)
    context = {
        "title": "La connexion n’a pas abouti" if over else "Confirmez sur votre téléphone",
        "waiting": waiting,
        "over": over,
        "again_query": urlencode(pairs),
        "give_up": Refused(_DENIED, asked.redirect_uri, asked.state).address(PSC),
        "phone": settings.sandbox(),
    }
    response = render(request, "psc/wait.html", context)
    response["Cache-Control"] = "no-store"
    return response


@require_GET
@door("public")
def state(request: HttpRequest, request_id: str) -> HttpResponse:
    """For the page that waits: when to ask again while it must, then where to go.

    Each answer asks for the next one, so that no second question can break off the navigation that the last one began.
    """
    waiting = _own_request(request, request_id)
    if waiting.state == EcpsRequest.WAITING and not _over(waiting):
        return render(request, "psc/poll.html", {"waiting": waiting})
    return HttpResponse(headers={"HX-Redirect": reverse("psc:wait", args=[request_id])})


@require_POST
@door("public")
def give_up(request: HttpRequest, request_id: str) -> HttpResponse:
    """The browser gives up."""
    waiting = _own_request(request, request_id)
    actions.refuse(by=queries.caller_of(waiting.account, scopes=()), request_id=waiting.id)
    return HttpResponseRedirect(reverse("psc:wait", args=[request_id]))


def _phone_only() -> None:
    if not settings.sandbox():
        raise Unknown("Le téléphone de démonstration n'existe que dans le bac à sable.", code="PSC.NO_PHONE")


@require_http_methods(["GET", "POST"])
@door("public")
@bounded
def phone(request: HttpRequest) -> HttpResponse:
    """The demonstration phone at rest: opens the request that waits for an identifier."""
    _phone_only()
    context = {"title": "Téléphone de démonstration", "demo": _demo_people(), "typed": "", "error": None}
    if request.method == "GET":
        return render(request, "psc/phone.html", context)
    typed = request.POST.get("identifiant", "")
    try:
        account = _account(typed)
        waiting = EcpsRequest.objects.filter(
            account=account, state=EcpsRequest.WAITING, expires__gt=datetime.now(UTC)
        ).order_by("-created")
        newest = waiting.first()
        if newest is None:
            text = "Aucune connexion n'attend de confirmation : la commencer sur l'ordinateur, puis revenir ici."
            raise Unknown(text, code="PSC.NOTHING_WAITS", status=422, path="identifiant")
    except VirageError as error:
        return render(request, "psc/phone.html", context | {"typed": typed[:64], "error": error}, status=error.status)
    return see_other(reverse("psc:phone-request", args=[newest.id]))


@require_http_methods(["GET", "POST"])
@door("public")
@bounded
def phone_request(request: HttpRequest, request_id: str) -> HttpResponse:
    """The demonstration phone: who asks, the three numbers, the PIN."""
    _phone_only()
    waiting = EcpsRequest.objects.select_related("account").filter(id=request_id).first()
    if waiting is None:
        raise Unknown("Cette demande n'existe plus : recommencer la connexion.", code="PSC.REQUEST_UNKNOWN")
    context = {
        "title": "Confirmer la connexion",
        "waiting": waiting,
        "over": _over(waiting),
        "error": None,
        "demo_pin": settings.get("VIRAGE_ECPS_PIN") if waiting.account.demo else "",
    }
    if request.method == "GET":
        return render(request, "psc/phone_request.html", context)
    by = queries.caller_of(waiting.account, scopes=())
    if request.POST.get("reponse") == "refuser":
        actions.refuse(by=by, request_id=waiting.id)
        return render(request, "psc/phone_done.html", {"title": "Connexion refusée", "confirmed": False})
    try:
        pin, choice = request.POST.get("pin", ""), request.POST.get("code", "")
        actions.confirm(by=by, request_id=waiting.id, pin=pin, choice=choice)
    except VirageError as error:
        waiting.refresh_from_db()
        return render(
            request, "psc/phone_request.html", context | {"error": error, "over": _over(waiting)}, status=error.status
        )
    return render(request, "psc/phone_done.html", {"title": "Connexion confirmée", "confirmed": True})
