"""Every change that the protocol makes: sessions, grants, codes, refresh tokens. One transaction each, its trace inside."""

import secrets
from datetime import UTC, datetime, timedelta
from hmac import compare_digest
from typing import Any

from virage.core import audit, db
from virage.core.accounts import actions as accounts_actions
from virage.core.accounts import queries, rules, tokens
from virage.core.accounts.authorization import fhir_user
from virage.core.accounts.models import Account, Grant, ProviderSession, SeenAssertion, Ticket
from virage.core.accounts.provider.errors import OAuthError
from virage.core.accounts.provider.issuers import Issuer
from virage.core.accounts.provider.requests import Asked
from virage.core.accounts.provider.statements import id_token, launch_context
from virage.core.callers import Caller

CODE_LIFE = timedelta(seconds=60)


def _now() -> datetime:
    return datetime.now(UTC)


def remember_assertion(*, by: Caller, digest: str, expires: datetime) -> bool:
    """Notes that a client assertion was presented; false when it had been already, by whatever process."""
    with db.transaction():
        SeenAssertion.objects.filter(expires__lt=_now()).delete()
        with db.cursor() as cursor:
            cursor.execute(
                "INSERT INTO accounts_seen_assertion (digest, expires) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (digest, expires),
            )
            fresh = cursor.rowcount == 1
        if not fresh:
            audit.trace(by=by, action="accounts.replay", outcome="4", title="Assertion déjà présentée")
        return fresh


def start_session(*, by: Caller, issuer: Issuer, account: Account, means: str) -> tuple[ProviderSession, str]:
    """Opens a session at the provider after a proof; the second value is the secret for the browser's cookie."""
    cookie, now = secrets.token_urlsafe(32), _now()
    with db.transaction():
        session = ProviderSession.objects.create(
            id=secrets.token_hex(16),
            cookie_digest=rules.digest(cookie),
            issuer=issuer.name,
            account=account,
            started=now,
            seen=now,
            means=means,
            acr=issuer.acr,
        )
        audit.trace(
            by=by, action="accounts.sign_in", title="Connexion", detail={"provider": issuer.name, "means": means}
        )
    return session, cookie


def resume_session(*, by: Caller, issuer: Issuer, cookie: str) -> ProviderSession | None:
    """The open session of a browser's cookie, noted as seen; None when it ended, waited too long, or never was."""
    now = _now()
    found = (
        ProviderSession.objects.select_related("account")
        .filter(cookie_digest=rules.digest(cookie), issuer=issuer.name, ended=None, account__active=True)
        .filter(
            started__gt=now - timedelta(seconds=issuer.session_life),
            seen__gt=now - timedelta(seconds=issuer.session_idle),
        )
        .first()
    )
    if found is not None and found.seen < now - timedelta(seconds=30):
        ProviderSession.objects.filter(id=found.id).update(seen=now)
    return found


def authorize(
    *, by: Caller, issuer: Issuer, asked: Asked, session: ProviderSession, patient: str = "", encounter: str = ""
) -> str:
    """Grants what a sound request asks, within what the person may do; answers the authorization code. Raises OAuthError.

    `patient` and `encounter` are those that the person chose, where the request asks for a context: what was not chosen, or a
    `fhirUser` that no directory knows, is not granted.
    """
    account = session.account
    if account.kind not in issuer.kinds:
        raise OAuthError("access_denied", "Ce compte ne se connecte pas par ce service.")
    # `scope_all` brings what the person may do, as far as this client is entitled to it.
    wished = asked.scope - (
        {rules.CHOSEN_PATIENT if not patient else "", rules.CHOSEN_ENCOUNTER if not encounter else ""}
        | ({rules.FHIR_USER} if not fhir_user(account.rpps) else set())
    )
    scope = rules.grant_scopes(wished, client=queries.own_scopes(asked.client), person=queries.own_scopes(account))
    code = secrets.token_urlsafe(32)
    with db.transaction():
        grant = Grant.objects.create(
            id=secrets.token_hex(16),
            issuer=issuer.name,
            client=asked.client,
            account=account,
            session=session,
            scope=rules.join_scope(scope),
            nonce=asked.nonce,
            purpose=asked.purpose,
            reason=asked.reason,
            patient=patient,
            encounter=encounter,
            started=_now(),
        )
        Ticket.objects.create(
            digest=rules.digest(code),
            kind="code",
            grant=grant,
            redirect_uri=asked.redirect_uri,
            challenge=asked.challenge,
            expires=_now() + CODE_LIFE,
        )
        detail = {"client": asked.client.client_id or "", "provider": issuer.name}
        audit.trace(by=by, action="accounts.authorize", title="Connexion à un logiciel", patient=patient, detail=detail)
    return code


class Replay(Exception):
    """Something given once came back: the grant falls."""

    def __init__(self, grant: str, error: OAuthError) -> None:
        super().__init__(error.text)
        self.grant = grant
        self.error = error


def redeem_code(
    *, by: Caller, issuer: Issuer, client: Account, code: str, redirect_uri: str, verifier: str
) -> dict[str, Any]:
    """Turns a code into tokens, once. A code that comes back takes down the tokens it gave. Raises OAuthError."""

    def work() -> dict[str, Any]:
        ticket = _ticket(issuer, client, "code", code)
        if ticket.redirect_uri != redirect_uri:
            raise OAuthError("invalid_grant", "redirect_uri n'est pas celle de la demande de connexion.")
        if not 43 <= len(verifier) <= 128 or not compare_digest(rules.challenge_of(verifier), ticket.challenge):
            raise OAuthError("invalid_grant", "code_verifier ne répond pas au code_challenge de la demande.")
        _use(ticket)
        audit.trace(by=by, action="accounts.token", title="Jetons remis", detail={"grant": ticket.grant.id})
        return _answer(issuer, ticket.grant, frozenset(ticket.grant.scope.split()), first=True)

    return _falling(by, work)


def refresh(
    *, by: Caller, issuer: Issuer, client: Account, token: str, scope: str = "", purpose: str = "", reason: str = ""
) -> dict[str, Any]:
    """New tokens for a refresh token, which is replaced; one that comes back takes down the whole grant. Raises OAuthError.

    `purpose` and `reason` change the mode of access from now on (to break the glass, then back to normal).
    """

    def work() -> dict[str, Any]:
        ticket = _ticket(issuer, client, "refresh", token)
        grant = ticket.grant
        given = frozenset(grant.scope.split())
        asked = rules.parse_scope(scope) or given
        if not all(rules.covers(given, word) for word in asked):
            raise OAuthError("invalid_scope", "Un jeton rafraîchi ne peut pas plus que le premier.")
        if purpose:
            grant.purpose, grant.reason = rules.check_purpose(purpose, reason)
            grant.save(update_fields=["purpose", "reason"])
        _use(ticket)
        detail = {"grant": grant.id, "purpose": grant.purpose}
        audit.trace(by=by, action="accounts.refresh", title="Jetons renouvelés", detail=detail)
        return _answer(issuer, grant, asked, first=False)

    return _falling(by, work)


def client_token(*, by: Caller, issuer: Issuer, client: Account, scope: str) -> dict[str, Any]:
    """A token for a program itself (client credentials), with its `system/…` scopes. Raises OAuthError."""
    asked = rules.parse_scope(scope)
    own = frozenset(word for word in queries.own_scopes(client) if word.startswith("system/"))
    granted = rules.grant_scopes(asked, client=own, person=None) if asked else own
    if not granted:
        if any(rules.covers(own, word) for word in asked):
            raise OAuthError(
                "invalid_scope",
                "La contrainte de recherche de cette portée ne peut pas être appliquée : un code (système|code), une référence "
                "(Type/id) ou une adresse, sans modificateur ni préfixe.",
            )
        raise OAuthError("invalid_scope", f"Ce logiciel peut demander : {rules.join_scope(own) or 'rien'}.")
    caller = queries.caller_of(client, scopes=granted)
    with db.transaction():
        audit.trace(
            by=by, action="accounts.token", title="Jeton de logiciel remis", detail={"scope": rules.join_scope(granted)}
        )
    life = max(issuer.access(), 60)
    token = tokens.issue(caller, lifetime=life)
    return {"access_token": token, "token_type": "Bearer", "expires_in": life, "scope": rules.join_scope(granted)}


def _falling(by: Caller, work: Any) -> dict[str, Any]:
    """Runs in a transaction; a replay is refused, and what it takes down stays down."""
    try:
        with db.transaction():
            return dict(work())
    except Replay as replay:
        accounts_actions.revoke_grant(by=by, grant=replay.grant, why="replay")
        raise replay.error from None


def _ticket(issuer: Issuer, client: Account, kind: str, secret: str) -> Ticket:
    word = "Le code" if kind == "code" else "Le refresh_token"
    ticket = (
        Ticket.objects.select_for_update(of=("self",))
        .select_related("grant", "grant__account", "grant__client", "grant__session")
        .filter(digest=rules.digest(secret), kind=kind)
        .first()
    )
    if ticket is None or ticket.grant.client_id != client.pk or ticket.grant.issuer != issuer.name:
        raise OAuthError("invalid_grant", f"{word} n'existe pas ou n'a pas été remis à ce logiciel.")
    if ticket.used is not None:
        raise Replay(
            ticket.grant.id, OAuthError("invalid_grant", f"{word} a déjà servi : ce qu'il avait donné est révoqué.")
        )
    if ticket.expires < _now() or ticket.grant.revoked is not None or not ticket.grant.account.active:
        raise OAuthError("invalid_grant", f"{word} a expiré ou a été révoqué : recommencer la connexion.")
    return ticket


def _use(ticket: Ticket) -> None:
    ticket.used = _now()
    ticket.save(update_fields=["used"])
    # What expired a day ago has no replay left to detect.
    Ticket.objects.filter(expires__lt=_now() - timedelta(days=1)).delete()


def _answer(issuer: Issuer, grant: Grant, scope: frozenset[str], *, first: bool) -> dict[str, Any]:
    account, session, client = grant.account, grant.session, grant.client
    sid = session.id if session is not None else ""
    life = issuer.access()
    if issuer.audience() == tokens.API:
        caller = queries.caller_of(
            account,
            grant.purpose,
            grant.reason,
            scopes=scope,
            client_id=client.client_id or "",
            context=grant.patient if rules.CHOSEN_PATIENT in scope else "",
        )
        access = tokens.issue(caller, lifetime=life, grant=grant.id, session=sid)
    else:
        # For this provider's own userinfo: it names the person as the client knows them, no more.
        said = {"sub": issuer.subject(account, client), "scope": rules.join_scope(scope), "client_id": client.client_id}
        claims = {**said, "grant": grant.id, "sid": sid}
        access = tokens.mint(claims, audience=issuer.audience(), lifetime=life)
    answer: dict[str, Any] = {
        "access_token": access,
        "token_type": "Bearer",
        "expires_in": life,
        "scope": rules.join_scope(scope),
        "id_token": id_token(issuer, grant, access, scope),
        **launch_context(grant, scope),
    }
    if issuer.refresh():
        ends = _now() + timedelta(seconds=issuer.refresh())
        if session is not None:
            ends = min(ends, session.started + timedelta(seconds=issuer.session_life))
        secret = secrets.token_urlsafe(32)
        Ticket.objects.create(digest=rules.digest(secret), kind="refresh", grant=grant, expires=ends)
        left = int((ends - _now()).total_seconds())
        answer |= {"refresh_token": secret, "refresh_expires_in": left, "session_state": sid}
    return answer
