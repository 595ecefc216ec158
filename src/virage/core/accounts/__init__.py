"""Accounts: who may come in, how it is proved, and what a proof is worth.

Four kinds of account (citizen, professional, agent, software); access tokens (signed JWT, RFC 9068) that every machine
interface takes; sessions of the portals; the client side of OpenID Connect for the portals, and the protocol engine of a
provider (`accounts.provider`), which `trust.psc` and the sandbox's FranceConnect put on. Basis: RFC 6749, 7009, 7519, 7523,
7636, 7662, 9068, 9207, OpenID Connect Core 1.0, PGSSI-S (référentiel d'identification électronique).
Leaves out: passwords (nobody has one), who may do what on whom (`core.access`).
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from virage.core.accounts import tokens
    from virage.core.accounts.actions import ensure_account
    from virage.core.accounts.authorization import authorization_server, register_authorization, register_people
    from virage.core.accounts.bearer import authenticate
    from virage.core.accounts.doors import door, session_caller, token_door
    from virage.core.accounts.models import Account
    from virage.core.accounts.queries import caller_of, find, standing

__all__ = [
    "Account",
    "authenticate",
    "authorization_server",
    "caller_of",
    "door",
    "ensure_account",
    "find",
    "register_authorization",
    "register_people",
    "session_caller",
    "standing",
    "token_door",
    "tokens",
]

# Django reads this package before its models may be imported, so the public face is opened on first use.
_WHERE = {
    "Account": "models",
    "authorization_server": "authorization",
    "register_authorization": "authorization",
    "register_people": "authorization",
    "authenticate": "bearer",
    "caller_of": "queries",
    "door": "doors",
    "ensure_account": "actions",
    "find": "queries",
    "session_caller": "doors",
    "standing": "queries",
    "token_door": "doors",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "tokens":
        return import_module("virage.core.accounts.tokens")
    if name not in _WHERE:
        raise AttributeError(name)
    value = getattr(import_module(f"virage.core.accounts.{_WHERE[name]}"), name)
    globals()[name] = value
    return value
