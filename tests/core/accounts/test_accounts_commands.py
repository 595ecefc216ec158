"""`virage accounts`, `virage token`, `virage keys`, as a person types them."""

import json

import pytest

from virage.core import pki
from virage.core.accounts import actions, tokens
from virage.core.callers import system
from virage.site import cli

BY = system("test")


@pytest.fixture
def house(db):
    tokens.forget()
    actions.ensure_account(
        by=BY,
        login="essai-medecin",
        kind="professional",
        name="Ada Essai",
        rpps="99900000011",
        role="médecin",
        demo=True,
    )
    actions.ensure_sandbox_client(by=BY, login="essai-lps", name="Logiciel", scopes=["system/*.cruds"])
    actions.ensure_account(by=BY, login="pas-demo", kind="agent", name="Quelqu'un")


def test_the_list_has_the_promised_keys_and_no_other(house, capsys):
    assert cli.main(["accounts", "--json"]) == 0
    listed = {card["login"]: card for card in json.loads(capsys.readouterr().out)}
    assert set(listed) == {"essai-medecin", "essai-lps"}
    assert set(listed["essai-medecin"]) == {"login", "kind", "name", "role", "rpps"}
    assert set(listed["essai-lps"]) == {"login", "kind", "name", "client_id", "client_secret"}
    assert listed["essai-lps"]["client_secret"] == pki.client_credentials("essai-lps")[0]


def test_secrets_stay_in_the_sandbox(house, capsys, monkeypatch):
    monkeypatch.setenv("VIRAGE_SANDBOX", "0")
    monkeypatch.setenv("VIRAGE_SECRET_KEY", "x" * 40)
    assert cli.main(["accounts", "--json"]) == 0
    assert "client_secret" not in capsys.readouterr().out


def test_a_token_is_the_last_word(house, capsys):
    assert cli.main(["token", "--as", "essai-lps", "--scope", "system/*.cruds"]) == 0
    caller = tokens.verify(capsys.readouterr().out.split()[-1])
    assert caller.scopes == {"system/*.cruds"}
    reason = "Patient inconscient aux urgences"
    arguments = ["token", "--as", "essai-medecin", "--purpose", "bris_de_glace", "--reason", reason]
    assert cli.main(arguments) == 0
    caller = tokens.verify(capsys.readouterr().out.split()[-1])
    assert (caller.purpose, caller.reason) == ("bris_de_glace", reason)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["token", "--as", "personne"], "virage accounts"),
        (["token", "--as", "essai-medecin", "--purpose", "bris_de_glace"], "motif"),
        (["token", "--as", "essai-medecin", "--purpose", "curiosite"], "bris_de_glace"),
        (["token", "--as", "essai-medecin", "--scope", "system/*.cruds"], "user/"),
    ],
)
def test_refusals_say_what_to_do(house, capsys, arguments, says):
    assert cli.main(arguments) == 2
    assert says in capsys.readouterr().err


def test_keys_turn(house, capsys):
    before = pki.keys("access").kid
    assert cli.main(["keys", "rotate", "access"]) == 0
    assert before not in capsys.readouterr().out
    assert cli.main(["keys", "list"]) == 0
    assert "access" in capsys.readouterr().out
    assert cli.main(["keys", "rotate", "nothing"]) == 2
