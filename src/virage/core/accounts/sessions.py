"""Sessions of the portals: opened by a proof, ended by the person."""

from django.http import HttpRequest

from virage.core import audit, db
from virage.core.accounts.doors import SESSION_KEY, session_caller
from virage.core.callers import Caller


def sign_in(*, by: Caller, request: HttpRequest, provider: str, id_token: str = "") -> None:
    """Opens the portal session of `by`. The session changes its key, so that one known before is worth nothing."""
    with db.transaction():
        if session_caller(request) is not None:
            request.session.flush()
        request.session.cycle_key()
        request.session[SESSION_KEY] = by.login
        request.session["virage_provider"] = [provider, id_token]
        request._virage_caller = by  # type: ignore[attr-defined]
        audit.trace(by=by, action="accounts.sign_in", title="Connexion au portail", detail={"provider": provider})


def sign_out(*, request: HttpRequest) -> tuple[str, str]:
    """Ends the portal session; answers the provider and the id_token by which it was opened, empty when there was none."""
    caller = session_caller(request)
    if caller is None:
        return "", ""
    provider, id_token = request.session.get("virage_provider", ["", ""])
    with db.transaction():
        request.session.flush()
        audit.trace(by=caller, action="accounts.sign_out", title="Déconnexion du portail")
    return provider, id_token
