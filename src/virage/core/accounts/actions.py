"""Every change of an account and of what it may present: `by` first, one transaction, the trace inside it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session

from virage.core import audit, db, outside, settings
from virage.core.accounts import generation, rules
from virage.core.accounts.models import Account, Grant, ProviderSession, Revocation
from virage.core.callers import Caller, Kind
from virage.core.errors import Conflict, Invalid
from virage.core.pki import client_credentials, secret

_REMEMBERED = timedelta(hours=24)  # longer than any token lives


def _subject(kind: Kind, login: str, facts: Mapping[str, Any]) -> str:
    """What names the account in traces: idNat_PS, the Patient's id, the client_id, or the login."""
    if kind == "professional" and facts.get("rpps"):
        return f"8{facts['rpps']}"
    if kind == "citizen" and facts.get("patient"):
        return str(facts["patient"])
    if kind == "software":
        return str(facts.get("client_id") or login)
    return login


def ensure_account(
    *,
    by: Caller,
    login: str,
    kind: Kind,
    name: str,
    pin: str | None = None,
    client_secret: str | None = None,
    scopes: Iterable[str] | None = None,
    **facts: Any,
) -> Account:
    """Opens the account of that login, or brings the one that is there up to date; the same call twice changes nothing.

    `facts` are fields of `Account`: `rpps`, `finess`, `structure`, `profession`, `specialty`, `role`, `situation` (a
    professional), `ins`, `ins_oid`, `patient`, `family_name`, `given_names`, `gender`, `birth_date`, `birth_place`,
    `birth_country` (a citizen), `client_id`, `client_keys`, `client_keys_url`, `redirect_uris`, `logout_uris` (a program), `demo`. `pin` is four
    digits. Raises Invalid, AddressRefused, Conflict when the login is another kind's.
    """
    if pin is not None and not (len(pin) == 4 and pin.isdecimal() and pin.isascii()):
        raise Invalid("Le code PIN de l'e-CPS a quatre chiffres.", code="ACCOUNTS.PIN", path="pin")
    if client_secret is not None and len(client_secret) < rules.SECRET_LENGTH:
        raise Invalid(
            f"Le secret d'un logiciel a au moins {rules.SECRET_LENGTH} caractères tirés au hasard.",
            code="ACCOUNTS.SECRET",
            path="client_secret",
        )
    if facts.get("client_keys_url"):
        _check_address(str(facts["client_keys_url"]))
    if kind == "software":
        facts.setdefault("client_id", login)
    wanted: dict[str, Any] = {"name": name, "subject": _subject(kind, login, facts), "active": True, **facts}
    if pin is not None:
        wanted["pin_digest"] = rules.pin_digest(pin, login, secret("pin-pepper"))
    if client_secret is not None:
        wanted["client_secret_digest"] = rules.digest(client_secret)
    if scopes is not None:
        wanted["scopes"] = rules.join_scope(scopes)
    with db.transaction():
        db.lock(f"accounts:{login}")
        account = Account.objects.select_for_update().filter(login=login).first()
        if account is None:
            account = Account.objects.create(login=login, kind=kind, **wanted)
            audit.trace(by=by, action="accounts.open", title="Compte ouvert", detail={"kind": kind})
            return account
        if account.kind != kind:
            raise Conflict(
                "Cet identifiant est celui d'un compte d'une autre sorte.", code="ACCOUNTS.KIND", path="login"
            )
        changed = [field for field, value in wanted.items() if getattr(account, field) != value]
        if changed:
            for field in changed:
                setattr(account, field, wanted[field])
            account.save(update_fields=changed)
            audit.trace(
                by=by, action="accounts.change", title="Compte modifié", detail={"fields": " ".join(sorted(changed))}
            )
            db.after_commit(generation.advance)
        return account


def _check_address(url: str) -> None:
    """A name that nobody knows yet is taken; one that leads inside is not."""
    try:
        outside.target(url, loopback=settings.sandbox())
    except outside.AddressRefused as error:
        raise error.located("client_keys_url") from None
    except outside.Unreachable:
        pass


def ensure_sandbox_client(*, by: Caller, login: str, name: str, scopes: Iterable[str]) -> Account:
    """A demonstration program, with a secret and a key drawn once and kept for whoever plays it (`pki.client_credentials`).

    It may return to any port of the loopback interface. Raises Invalid outside the sandbox.
    """
    if not settings.sandbox():
        raise Invalid("Un logiciel de démonstration n'existe que dans le bac à sable.", code="ACCOUNTS.SANDBOX_ONLY")
    secret_drawn, keys = client_credentials(login)
    return ensure_account(
        by=by,
        login=login,
        kind="software",
        name=name,
        client_secret=secret_drawn,
        client_keys=keys,
        scopes=scopes,
        redirect_uris=["http://127.0.0.1/*", "http://localhost/*", "http://[::1]/*"],
        demo=True,
    )


def close_account(*, by: Caller, login: str) -> None:
    """Closes an account: no sign-in any more, and every token of it is refused at once."""
    with db.transaction():
        account = Account.objects.select_for_update().get(login=login)
        account.active = False
        account.save(update_fields=["active"])
        Grant.objects.filter(account=account, revoked=None).update(revoked=_now())
        ProviderSession.objects.filter(account=account, ended=None).update(ended=_now())
        _revoke([f"account:{account.subject}"])
        audit.trace(by=by, action="accounts.close", title="Compte fermé")


def revoke_token(*, by: Caller, jti: str) -> None:
    """One access token is refused from now on, by every process of the machine at once."""
    with db.transaction():
        _revoke([f"jti:{jti}"])
        audit.trace(by=by, action="accounts.revoke", title="Jeton d'accès révoqué")


def revoke_grant(*, by: Caller, grant: str, why: str) -> None:
    """Every token that one sign-in gave to one client is refused from now on. `why` goes into the trace."""
    with db.transaction():
        Grant.objects.filter(id=grant, revoked=None).update(revoked=_now())
        _revoke([f"grant:{grant}"])
        audit.trace(by=by, action="accounts.revoke", title="Autorisation révoquée", detail={"why": why})


def end_session(*, by: Caller, session: str) -> None:
    """Ends a session at a provider: the next sign-in asks for a proof, and the session's tokens are refused."""
    with db.transaction():
        ProviderSession.objects.filter(id=session, ended=None).update(ended=_now())
        Grant.objects.filter(session_id=session, revoked=None).update(revoked=_now())
        _revoke([f"session:{session}"])
        audit.trace(by=by, action="accounts.sign_out", title="Session terminée")


def _revoke(keys: list[str]) -> None:
    now = _now()
    Revocation.objects.filter(until__lt=now).delete()
    for key in keys:
        Revocation.objects.update_or_create(key=key, defaults={"since": now, "until": now + _REMEMBERED})
    db.after_commit(generation.advance)


def issue_sandbox_token(
    *, by: Caller, login: str, purpose: str = "normal", reason: str = "", scope: str = "", lifetime: int = 3600
) -> str:
    """A token without a sign-in, as `virage token` prints it. Exists only in the sandbox. Raises Invalid, Unknown."""
    from virage.core.accounts import queries, tokens

    if not settings.sandbox():
        raise Invalid(
            "Un jeton sans connexion n'existe que dans le bac à sable : VIRAGE_SANDBOX=1.",
            code="ACCOUNTS.SANDBOX_ONLY",
            status=403,
        )
    account = queries.find(login)
    asked = rules.parse_scope(scope)
    allowed = queries.own_scopes(account)
    refused = sorted(word for word in asked if not rules.covers(allowed, word))
    if refused:
        raise Invalid(
            f"Ce compte ne peut pas demander {', '.join(refused)} ; il peut : {rules.join_scope(allowed)}.",
            code="ACCOUNTS.SCOPE",
            path="scope",
        )
    caller = queries.caller_of(account, purpose, reason, scopes=asked or None)
    with db.transaction():
        audit.trace(by=by, action="accounts.token", title="Jeton du bac à sable", detail={"purpose": caller.purpose})
    return tokens.issue(caller, lifetime=lifetime)


def sweep(*, by: Caller) -> int:
    """Removes what no token needs any more: portal sessions that ended, grants and provider sessions over for a day.

    Who signed in, when, for which client stays in the traces. Answers how many grants went.
    """
    over = _now() - _REMEMBERED
    with db.transaction():
        gone, _ = Grant.objects.filter(started__lt=over).exclude(ticket__expires__gt=_now()).delete()
        ProviderSession.objects.filter(started__lt=over).filter(grant=None).delete()
        Revocation.objects.filter(until__lt=_now()).delete()
        Session.objects.filter(expire_date__lt=_now()).delete()
        audit.trace(by=by, action="accounts.sweep", title="Ménage des sessions", detail={"grants": str(gone)})
    return gone


def _now() -> datetime:
    return datetime.now(UTC)
