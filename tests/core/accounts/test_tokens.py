"""Access tokens: what holds, and every way one does not."""

import base64
import json
import time
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, OctKey

from virage.core import accounts
from virage.core.accounts import actions, bearer, tokens
from virage.core.callers import system
from virage.core.errors import Invalid, Unauthenticated, Unknown
from virage.core.pki import keys

BY = system("test")


@pytest.fixture(autouse=True)
def _forget(db):
    tokens.forget()
    yield
    tokens.forget()


@pytest.fixture
def doctor(db):
    return actions.ensure_account(
        by=BY,
        login="essai-medecin",
        kind="professional",
        name="Ada Essai",
        rpps="99900000011",
        profession="10",
        demo=True,
    )


def reseal(token: str, *, header: dict | None = None, claims: dict | None = None, key=None) -> str:
    """The same token with other words, signed by `key` (by default the house's own)."""
    ring = keys("access")
    head = tokens.jwt_header(token) | (header or {})
    body = tokens.jwt_header(token.partition(".")[2]) | (claims or {})
    return jwt.encode(head, body, key or ring.active, algorithms=[head["alg"]])


def test_a_token_brings_back_its_caller(doctor):
    caller = accounts.caller_of(doctor, "bris_de_glace", "Patient inconscient aux urgences")
    assert tokens.verify(tokens.issue(caller)) == caller
    assert accounts.authenticate({"authorization": f"bearer {tokens.issue(caller)}"}) == caller


def test_a_token_names_no_one(doctor):
    citizen = actions.ensure_account(
        by=BY,
        login="essai-usager",
        kind="citizen",
        name="Zoé Essai",
        patient="p-1",
        ins="279035121518989",
        ins_oid="1.2",
    )
    token = tokens.issue(accounts.caller_of(citizen))
    body = token.split(".")[1]
    words = base64.urlsafe_b64decode(body + "==").decode()
    assert not any(fact in words for fact in ("279035121518989", "Zoé", "Essai"))
    assert tokens.verify(token).ins == "279035121518989"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"exp": int(time.time()) - 1}, "expiré"),
        ({"exp": "tomorrow"}, "dates"),
        ({"iat": int(time.time()) + 10**7}, "dates"),
        ({"iss": "https://elsewhere.example/psc"}, "autre service"),
        ({"aud": "https://elsewhere.example"}, "autre service"),
        ({"aud": []}, "autre service"),
        ({"sub": "899999999999"}, "compte"),
    ],
)
def test_a_token_that_says_something_else_is_refused(doctor, change, says):
    token = reseal(tokens.issue(accounts.caller_of(doctor)), claims=change)
    with pytest.raises(Unauthenticated, match=says):
        tokens.verify(token)


def test_a_token_of_another_type_is_refused(doctor):
    token = reseal(tokens.issue(accounts.caller_of(doctor)), header={"typ": "JWT"})
    with pytest.raises(Unauthenticated, match="id_token"):
        tokens.verify(token)


def test_forged_tokens_are_refused(doctor):
    token = tokens.issue(accounts.caller_of(doctor))
    head, body, signature = token.split(".")
    unsigned = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "at+jwt"}).encode()).rstrip(b"=").decode()
    foreign = ECKey.generate_key("P-256")
    public = OctKey.import_key(json.dumps(keys("access").public()[0]))
    forged = [
        reseal(token, key=foreign),
        reseal(token, header={"kid": "another"}),
        reseal(token, header={"alg": "HS256"}, key=public),
        f"{unsigned}.{body}.",
        f"{unsigned}.{body}.{signature}",
        f"{head}.{body}.{signature[::-1]}",
        f"{head}.{body}.",
        token[:-2],
        "",
        "a.b.c",
        "x" * 100_000,
        "é.è.à",
        f"{base64.urlsafe_b64encode(b'[1]').decode()}.{body}.{signature}",
    ]
    for one in forged:
        with pytest.raises(Unauthenticated):
            tokens.verify(one)


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Basic abc"}, {"Authorization": "Bearer "}, {"authorization": "x"}]
)
def test_no_bearer_is_told_what_to_do(headers):
    with pytest.raises(Unauthenticated, match="Bearer"):
        bearer.authenticate(headers)


def test_a_remembered_token_still_expires(doctor, monkeypatch):
    token = tokens.issue(accounts.caller_of(doctor), lifetime=timedelta(seconds=30))
    tokens.verify(token)
    later = time.time() + 31
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(Unauthenticated, match="expiré"):
        tokens.verify(token)


def test_a_remembered_token_costs_no_query(doctor, monkeypatch):
    token = tokens.issue(accounts.caller_of(doctor))
    caller = tokens.verify(token)

    def no_query():
        raise AssertionError("the database was asked")

    monkeypatch.setattr(tokens.db, "cursor", no_query)
    assert tokens.verify(token) is caller


def test_a_revoked_token_is_refused_at_once(doctor, django_capture_on_commit_callbacks):
    token, other = tokens.issue(accounts.caller_of(doctor)), tokens.issue(accounts.caller_of(doctor))
    tokens.verify(token)
    tokens.verify(other)
    with django_capture_on_commit_callbacks(execute=True):
        actions.revoke_token(by=BY, jti=tokens.read(token)["jti"])
    with pytest.raises(Unauthenticated, match="révoqué"):
        tokens.verify(token)
    tokens.verify(other)


def test_a_closed_account_has_no_token_left(doctor, django_capture_on_commit_callbacks):
    token = tokens.issue(accounts.caller_of(doctor))
    tokens.verify(token)
    with django_capture_on_commit_callbacks(execute=True):
        actions.close_account(by=BY, login=doctor.login)
    with pytest.raises(Unauthenticated):
        tokens.verify(token)


def test_a_change_of_account_is_seen_by_tokens_already_given(doctor, django_capture_on_commit_callbacks):
    token = tokens.issue(accounts.caller_of(doctor))
    assert tokens.verify(token).structure == ""
    with django_capture_on_commit_callbacks(execute=True):
        actions.ensure_account(
            by=BY, login=doctor.login, kind="professional", name=doctor.name, rpps=doctor.rpps, structure="Cabinet"
        )
    assert tokens.verify(token).structure == "Cabinet"


def test_rotation_keeps_former_tokens_until_they_expire(doctor):
    token = tokens.issue(accounts.caller_of(doctor))
    before = keys("access").kid
    assert keys("access").rotate() != before
    tokens.forget()
    tokens.verify(token)
    assert tokens.jwt_header(tokens.issue(accounts.caller_of(doctor)))["kid"] != before


def test_sandbox_token(doctor, monkeypatch):
    token = actions.issue_sandbox_token(
        by=BY,
        login=doctor.login,
        purpose="bris_de_glace",
        reason="Urgence vitale aux urgences",
        scope="user/Patient.rs",
    )
    caller = tokens.verify(token)
    assert (caller.purpose, caller.scopes) == ("bris_de_glace", frozenset({"user/Patient.rs"}))
    with pytest.raises(Invalid, match="motif"):
        actions.issue_sandbox_token(by=BY, login=doctor.login, purpose="bris_de_glace")
    with pytest.raises(Invalid, match="system"):
        actions.issue_sandbox_token(by=BY, login=doctor.login, scope="system/*.cruds")
    with pytest.raises(Unknown):
        actions.issue_sandbox_token(by=BY, login="personne")
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    with pytest.raises(Invalid, match="bac à sable"):
        actions.issue_sandbox_token(by=BY, login=doctor.login)
