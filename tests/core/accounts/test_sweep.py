"""The night's sweep takes what is over and leaves what serves."""

from datetime import UTC, datetime, timedelta

import pytest

from virage.core.accounts import actions
from virage.core.accounts.models import Grant, ProviderSession, Revocation, Ticket
from virage.core.callers import system

BY = system("test")
NOW = datetime.now(UTC)


def opened(account, client, name: str, started: datetime, ends: datetime) -> None:
    session = ProviderSession.objects.create(
        id=name,
        cookie_digest=name,
        issuer="psc",
        account=account,
        started=started,
        seen=started,
        means="MOBILE",
        acr="eidas1",
    )
    grant = Grant.objects.create(
        id=name, issuer="psc", client=client, account=account, session=session, scope="openid", started=started
    )
    Ticket.objects.create(digest=name, kind="refresh", grant=grant, expires=ends)


@pytest.mark.django_db
def test_what_is_over_goes():
    person = actions.ensure_account(by=BY, login="essai-agent", kind="agent", name="Agent")
    client = actions.ensure_account(by=BY, login="essai-lps", kind="software", name="Logiciel")
    opened(person, client, "old", NOW - timedelta(days=3), NOW - timedelta(days=2))
    opened(person, client, "long", NOW - timedelta(days=3), NOW + timedelta(days=1))
    opened(person, client, "new", NOW, NOW + timedelta(days=1))
    Revocation.objects.create(key="jti:old", since=NOW - timedelta(days=3), until=NOW - timedelta(days=2))
    Revocation.objects.create(key="jti:new", since=NOW, until=NOW + timedelta(days=1))
    actions.sweep(by=BY)
    assert set(Grant.objects.values_list("id", flat=True)) == {"long", "new"}
    assert set(ProviderSession.objects.values_list("id", flat=True)) >= {"new", "long"}
    assert list(Revocation.objects.values_list("key", flat=True)) == ["jti:new"]
