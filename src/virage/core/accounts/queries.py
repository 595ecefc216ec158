"""Reads of accounts."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any, cast

from django.db.models import Q

from virage.core import settings
from virage.core.accounts import rules
from virage.core.accounts.models import Account
from virage.core.callers import Caller, Kind
from virage.core.errors import Unknown
from virage.core.pki import client_key_file, client_secret_file


def client_key(client_id: str) -> dict[str, Any]:
    """The private JWK of a demonstration program, for whoever plays it. Raises FileNotFoundError before `populate`."""
    found: dict[str, Any] = json.loads(client_key_file(client_id).read_bytes())
    return found


def find(login: str) -> Account:
    """The open account of that login. Raises Unknown."""
    account = Account.objects.filter(login=login, active=True).first()
    if account is None:
        raise Unknown(
            "Aucun compte ouvert ne porte cet identifiant : « virage accounts » les liste.", code="ACCOUNTS.UNKNOWN"
        )
    return account


def caller_of(
    account: Account,
    purpose: str = "normal",
    reason: str = "",
    scopes: Iterable[str] | None = None,
    client_id: str = "",
    context: str = "",
) -> Caller:
    """The caller that an account is, for a purpose. Without `scopes`, those of its kind (a program: those it may ask for).

    Raises Invalid for an unknown purpose, or a broken glass without its reason.
    """
    purpose, reason = rules.check_purpose(purpose, reason)
    return Caller(
        kind=cast(Kind, account.kind),
        subject=account.subject,
        name=account.name,
        login=account.login,
        role=account.role,
        profession=account.profession,
        specialty=account.specialty,
        rpps=account.rpps,
        finess=account.finess,
        structure=account.structure,
        ins=account.ins,
        ins_oid=account.ins_oid,
        patient=account.patient,
        context=context,
        purpose=purpose,
        reason=reason,
        client_id=client_id or account.client_id or "",
        scopes=own_scopes(account) if scopes is None else frozenset(scopes),
    )


def standing(caller: Caller) -> Caller | None:
    """What a caller of some time ago may still do: None once its account, or the program it came through, is closed.

    A program keeps the scopes that it may still ask for. A caller that has no account (the house itself) stays as it is.
    """
    names = [name for name in (caller.subject, caller.client_id) if name]
    found = Account.objects.filter(Q(subject__in=names) | Q(client_id__in=names))
    for account in found.only("active", "kind", "subject", "scopes"):
        if not account.active:
            return None
        if account.kind == "software" and account.subject == caller.subject:
            allowed = own_scopes(account)
            caller = replace(caller, scopes=frozenset(each for each in caller.scopes if rules.covers(allowed, each)))
    return caller


def own_scopes(account: Account) -> frozenset[str]:
    """The most this account may do: what its kind may, or what was written down for a program."""
    if account.kind == "software":
        return frozenset(account.scopes.split()) or rules.DEFAULT_SCOPES["software"]
    return rules.DEFAULT_SCOPES[account.kind]


def listed() -> list[dict[str, str]]:
    """Every open account as `virage accounts --json` promises: absent facts left out, a secret only in the sandbox."""
    return [_card(account) for account in Account.objects.filter(active=True, demo=True).order_by("kind", "login")]


def has_people() -> bool:
    """Whether anybody, programs aside, may sign in here."""
    return Account.objects.filter(active=True).exclude(kind="software").exists()


def _card(account: Account) -> dict[str, str]:
    facts: dict[str, Any] = {
        "login": account.login,
        "kind": account.kind,
        "name": account.name,
        "role": account.role,
        "ins": account.ins,
        "rpps": account.rpps,
        "finess": account.finess,
        "client_id": account.client_id,
    }
    if settings.sandbox() and account.client_id:
        kept = client_secret_file(account.client_id)
        facts["client_secret"] = kept.read_text().strip() if kept.exists() else ""
    return {name: value for name, value in facts.items() if value}
