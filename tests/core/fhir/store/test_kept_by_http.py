"""A read of what is at hand answers as any other, through the product's own door, and is refused like any other."""

from unittest.mock import Mock

import pytest

from tests.core.fhir.edges.conftest import Door
from virage.core import accounts, audit
from virage.core.accounts.actions import ensure_account
from virage.core.callers import system
from virage.core.fhir import SHARED, adapter
from virage.core.fhir.interactions import reads
from virage.core.fhir.service import register_egress
from virage.core.fhir.store import kept

BY = system("test")


@pytest.fixture
def get(own_database, monkeypatch, caplog):
    monkeypatch.setenv("_VIRAGE_ATTACHED", "1")
    monkeypatch.setattr("virage.core.audit.recording.at_once", True)
    door = Door(caplog)
    kept.start()

    def ask(path, token, query="", **headers):
        return door.send("GET", f"/{path}", query, **{"authorization": f"Bearer {token}", **headers})

    yield ask
    kept.stop()


def token_of(login, *scopes):
    account = ensure_account(by=BY, login=login, kind="software", name=login, scopes=frozenset(scopes))
    return accounts.tokens.issue(accounts.caller_of(account, scopes=frozenset(scopes)), lifetime=600)


@pytest.fixture
def made(own_database):
    resource = {
        "resourceType": "Observation",
        "status": "final",
        "code": {"text": "x"},
        "subject": {"reference": "Patient/anne"},
        "performer": [{"reference": "Patient/other"}],
    }
    return SHARED.store.create(resource, by=BY)


@pytest.fixture
def whole(monkeypatch):
    """Counts the requests that go the whole way."""
    way = Mock(wraps=adapter._respond)
    monkeypatch.setattr(adapter, "_respond", way)
    return way


def test_what_is_at_hand_is_answered_and_traced_like_the_rest(get, made, whole):
    token = token_of("all", "system/*.cruds")
    first, again = (get(made.reference, token) for _ in range(2))
    assert whole.call_count == 1
    for answer in (first, again):
        assert (answer.status, answer.body) == (200, made.body)
        assert len(answer.headers.pop("X-Request-Id")) == 16
    assert first.headers == again.headers
    one, other = audit.for_patient("anne", actions=("fhir.read",))
    same = {"id", "recorded"}
    assert {k: v for k, v in one.items() if k not in same} == {k: v for k, v in other.items() if k not in same}


def test_conditions_formats_and_marks_go_the_whole_way(get, made, whole):
    token = token_of("all", "system/*.cruds")
    tag = get(made.reference, token).headers["ETag"]
    assert get(made.reference, token, if_none_match=tag).status == 304
    assert get(made.reference, token, accept="application/fhir+xml").body.startswith(b"<")
    assert get(made.reference, token, "_summary=true").body != made.body
    assert get(made.reference, token, x_request_id="mine1").headers["X-Request-Id"] == "mine1"
    assert get(made.reference, token, origin="https://x.test").headers["Access-Control-Allow-Origin"] == "*"
    assert whole.call_count == 6


def test_rights_and_tokens_are_those_of_the_caller(get, made):
    every, none = token_of("all", "system/*.cruds"), token_of("patients", "system/Patient.rs")
    for _ in range(2):
        assert get(made.reference, every).status == 200
        assert get(made.reference, none).status == 403
        assert get(made.reference, "forged").status == 401
        assert get(made.reference, every, authorization="").status == 401


def test_a_deletion_and_a_guard_are_heeded_at_once(get, made, monkeypatch):
    token = token_of("all", "system/*.cruds")
    assert get(made.reference, token).body == made.body
    for table in ("_GUARDS", "_MARKS"):
        monkeypatch.setattr(f"virage.core.fhir.service.{table}", {})
    register_egress("Observation", lambda resource, caller, space: {**resource, "language": "fr"}, mark=b"other")
    assert get(made.reference, token).json["language"] == "fr"
    SHARED.store.delete("Observation", made.id, by=BY)
    assert get(made.reference, token).status == 410


def test_a_fault_on_the_short_way_is_told_by_the_whole_one(get, made, monkeypatch):
    token = token_of("all", "system/*.cruds")
    get(made.reference, token)
    monkeypatch.setattr(reads, "known", Mock(side_effect=RuntimeError))
    assert get(made.reference, token).body == made.body
