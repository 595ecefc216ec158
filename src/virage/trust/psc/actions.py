"""Every change of a sign-in by e-CPS."""

import random
import secrets
from datetime import UTC, datetime, timedelta

from virage.core import audit, db, settings
from virage.core.accounts import rules as accounts_rules
from virage.core.accounts.models import Account
from virage.core.accounts.provider.limits import TooMany
from virage.core.callers import Caller
from virage.core.errors import Conflict, Forbidden, Invalid
from virage.core.pki import secret
from virage.trust.psc import rules
from virage.trust.psc.models import EcpsRequest

WAIT = timedelta(minutes=3)
TRIES = 3
ASKS, ASKS_WITHIN = 30, timedelta(minutes=5)


class Locked(Forbidden):
    """The e-CPS is locked after too many failures."""

    code = "PSC.LOCKED"


def _now() -> datetime:
    return datetime.now(UTC)


def ask(*, by: Caller, account: Account, client_name: str, sealed: str, browser: str) -> EcpsRequest:
    """Asks a professional's phone to confirm a sign-in begun in a browser. Raises Locked, TooMany.

    A new request takes the place of those still waiting, so that only the last one can be confirmed.
    """
    now = _now()
    with db.transaction():
        db.lock(f"psc:{account.pk}")
        _refuse_locked(account)
        mine = EcpsRequest.objects.filter(account=account)
        if mine.filter(created__gt=now - ASKS_WITHIN).count() >= ASKS:
            raise TooMany(
                "Trop de demandes de connexion pour cette e-CPS : attendre quelques minutes.", code="PSC.TOO_MANY"
            )
        EcpsRequest.objects.filter(created__lt=now - timedelta(days=1)).delete()
        code, three = rules.choices(random.SystemRandom())
        request = EcpsRequest.objects.create(
            id=secrets.token_urlsafe(18),
            account=account,
            client_name=client_name,
            code=code,
            choices=three,
            browser_digest=accounts_rules.digest(browser),
            sealed=sealed,
            created=now,
            expires=now + WAIT,
        )
        audit.trace(by=by, action="psc.ask", title="Confirmation demandée à l'e-CPS")
    return request


def _refuse_locked(account: Account) -> None:
    if account.locked_until is not None and account.locked_until > _now():
        raise Locked(
            "Cette e-CPS est bloquée après plusieurs échecs : réessayer dans un quart d'heure, ou la réinitialiser auprès de l'ANS."
        )


def confirm(*, by: Caller, request_id: str, pin: str, choice: str) -> None:
    """The phone confirms: right PIN, and the two digits that the sign-in page shows.

    A wrong PIN may be typed again, `TRIES` times; wrong digits end the request at once, since they mean that someone else
    began it. Failures in a row lock the e-CPS. Raises Invalid, Conflict, Locked; what failed is remembered all the same.
    """
    error: Invalid | None = None
    with db.transaction():
        request = EcpsRequest.objects.select_for_update().get(id=request_id)
        account = Account.objects.select_for_update().get(pk=request.account.pk)
        _refuse_locked(account)
        if request.state != EcpsRequest.WAITING or request.expires < _now():
            raise Conflict(
                "Cette demande n'attend plus de réponse : recommencer la connexion.", code="PSC.REQUEST_OVER"
            )
        pepper = secret("pin-pepper")
        kept = account.pin_digest
        if not kept or not secrets.compare_digest(accounts_rules.pin_digest(pin, account.login, pepper), kept):
            error = _failed(by, request, account, ends=request.failures + 1 >= TRIES, path="pin")
        elif choice != request.code:
            error = _failed(by, request, account, ends=True, path="code")
        else:
            request.state = EcpsRequest.CONFIRMED
            request.save(update_fields=["state"])
            account.pin_failures = 0
            account.save(update_fields=["pin_failures"])
            audit.trace(by=by, action="psc.confirm", title="Connexion confirmée par l'e-CPS")
    if error is not None:
        raise error


def _failed(by: Caller, request: EcpsRequest, account: Account, *, ends: bool, path: str) -> Invalid:
    request.failures += 1
    if ends:
        request.state = EcpsRequest.REFUSED
    request.save(update_fields=["failures", "state"])
    account.pin_failures += 1
    if account.pin_failures >= settings.number("VIRAGE_ECPS_FAILURES", 1, 100):
        account.locked_until = _now() + timedelta(seconds=settings.number("VIRAGE_ECPS_LOCK_SECONDS", 1))
        account.pin_failures = 0
    account.save(update_fields=["pin_failures", "locked_until"])
    audit.trace(
        by=by, action="psc.confirm", outcome="4", title="Échec de confirmation de l'e-CPS", detail={"part": path}
    )
    if path == "code":
        text = "Ce n'est pas le nombre affiché par la page de connexion : par prudence la demande est annulée."
    elif ends:
        text = "Code PIN faux : la demande est annulée après plusieurs essais. Recommencez la connexion."
    else:
        text = "Code PIN faux : vérifiez les quatre chiffres et réessayez."
    return Invalid(text, code=f"PSC.{path.upper()}", path=path)


def refuse(*, by: Caller, request_id: str) -> None:
    """The professional refuses on the phone, or gives up in the browser."""
    with db.transaction():
        changed = EcpsRequest.objects.filter(id=request_id, state=EcpsRequest.WAITING).update(state=EcpsRequest.REFUSED)
        if changed:
            audit.trace(by=by, action="psc.refuse", outcome="4", title="Connexion refusée")


def finish(*, by: Caller, request_id: str) -> bool:
    """Takes a confirmation, once: true for the one call that may open the session."""
    with db.transaction():
        taken = EcpsRequest.objects.filter(id=request_id, state=EcpsRequest.CONFIRMED, expires__gt=_now())
        if not taken.update(state=EcpsRequest.DONE):
            return False
        audit.trace(by=by, action="psc.finish", title="Connexion par e-CPS")
        return True
