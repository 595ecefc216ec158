"""The command line says what it does and what is wrong."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
from django.db import ProgrammingError

from virage.core import settings
from virage.core.commands import Command
from virage.site import cli, house

DOCS = Path(__file__).resolve().parents[2] / "docs"


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, "-m", "virage.site.cli", *arguments],
        capture_output=True, text=True, stdin=subprocess.DEVNULL, env={**os.environ, **environment},
    )  # fmt: skip


def test_help_names_every_command():
    shown = run("--help")
    assert shown.returncode == 0
    lines = shown.stdout.splitlines()
    for command in house.commands():
        assert [line.split("  ", 2)[2].strip() for line in lines if line.startswith(f"  {command.name}  ")] == [
            command.help
        ]


def test_every_command_has_a_one_line_help():
    for command in house.commands():
        assert command.help[:1].isupper()
        assert command.help[-1] in ".…"
        assert "\n" not in command.help


def test_help_and_version_are_found_where_people_look_for_them(capsys):
    for words, said in ((["help"], "audit verify"), (["help", "serve"], "--port"), (["--version"], "virage 0")):
        with pytest.raises(SystemExit) as left:
            cli.main(words)
        assert not left.value.code
        told = capsys.readouterr().out
        assert said in told
        assert "show this" not in told


def test_a_missing_action_is_told_with_those_that_exist(capsys):
    with pytest.raises(SystemExit) as left:
        cli.main(["db"])
    assert left.value.code == 2
    assert "distribute" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [(), ("nothing",), ("serve", "--port", "x"), ("serve", "--nope"), ("restore",), ("events", "retry"), ("db",)],
)
def test_bad_usage_is_one_line_and_exit_2(words, capsys):
    try:
        code = cli.main(words)
    except SystemExit as error:
        code = error.code
    said = capsys.readouterr().err.strip()
    assert code == 2
    assert said.startswith("virage")
    assert "\n" not in said


@pytest.mark.parametrize("port", ["0", "70000", "abc"])
def test_a_senseless_port_is_refused(port):
    refused = run("serve", PORT=port)
    assert refused.returncode == 2
    assert "PORT vaut" in refused.stderr
    assert refused.stderr.count("\n") == 1


def test_without_a_secret_nothing_starts(tmp_path):
    refused = run("serve", VIRAGE_SANDBOX="", VIRAGE_SECRET_KEY="", VIRAGE_HOME=str(tmp_path / "h"))
    assert refused.returncode == 1
    assert "VIRAGE_SECRET_KEY manque" in refused.stderr
    assert refused.stderr.count("\n") == 1
    assert not (tmp_path / "h").exists()


def test_a_sandbox_home_is_joined_but_not_served_without_the_word(tmp_path, monkeypatch):
    monkeypatch.setenv("VIRAGE_HOME", str(tmp_path))
    secret = settings.secret_key()
    monkeypatch.delenv("VIRAGE_SANDBOX")
    assert settings.secret_key() == secret
    settings.require()
    with pytest.raises(settings.SettingError):
        settings.require(service=True)


def test_a_base_without_its_tables_names_the_command_that_makes_them(monkeypatch, capsys):
    def asks(options):
        raise ProgrammingError("relation inconnue") from psycopg.errors.UndefinedTable("relation inconnue")

    monkeypatch.setattr(house, "commands", lambda: [Command("essai", "Un essai.", asks, django=False)])
    assert cli.main(["essai"]) == 1
    assert "virage migrate" in capsys.readouterr().err


def test_the_settings_page_is_the_table():
    assert (DOCS / "settings.md").read_text() == settings.markdown()


def test_every_setting_that_the_code_reads_is_in_the_table():
    import re

    import virage

    read = set()
    for path in Path(virage.__file__).parent.rglob("*.py"):
        read |= set(re.findall(r'"(VIRAGE_[A-Z_]+)"', path.read_text()))
    assert read <= {setting.name for setting in settings.TABLE}
