"""A schema step that meets a long transaction waits little, tries again, and says so when it gives up."""

import time
from typing import ClassVar

import psycopg
import pytest
from django.db import connection, migrations
from django.db.migrations.loader import MigrationLoader

from virage.core import db
from virage.site import cli, upgrade


class Step(migrations.Migration):
    """A step as a later version could bring it."""

    dependencies: ClassVar = [("sessions", "0001_initial")]
    operations: ClassVar = [migrations.RunSQL("ALTER TABLE django_session ADD COLUMN later int")]


@pytest.fixture
def reader(own_database, monkeypatch):
    """Somebody who reads, in a transaction that stays open, the table that the step is about to change."""
    monkeypatch.setattr(upgrade, "_LOCK_TIMEOUT", "50ms")
    load = MigrationLoader.load_disk

    def with_step(self):
        load(self)
        self.disk_migrations["sessions", "0002_later"] = Step("0002_later", "sessions")

    monkeypatch.setattr(MigrationLoader, "load_disk", with_step)
    found = connection.get_connection_params()
    with psycopg.connect(**{key: found[key] for key in ("host", "port", "user", "dbname")}) as opened:
        opened.execute("SELECT count(*) FROM django_session")
        yield opened


def columns() -> set[str]:
    with db.cursor() as cursor:
        cursor.execute("SELECT column_name FROM information_schema.columns WHERE table_name = 'django_session'")
        return {row[0] for row in cursor.fetchall()}


def test_it_gives_up_with_a_sentence_and_leaves_all_as_it_was(reader, monkeypatch):
    pauses = []
    monkeypatch.setattr(upgrade.time, "sleep", pauses.append)
    with pytest.raises(upgrade.Blocked, match="transaction longue"):
        upgrade.migrate(verbosity=0)
    assert pauses == list(range(1, upgrade._ATTEMPTS + 1))
    assert "later" not in columns()
    reader.execute("SELECT 1")  # the reader was not disturbed


def test_it_goes_through_when_the_reader_ends(reader, monkeypatch):
    monkeypatch.setattr(upgrade.time, "sleep", lambda _: reader.commit())
    assert upgrade.migrate(verbosity=0) == 0
    assert "later" in columns()


def test_others_pass_while_it_waits(reader, monkeypatch):
    """A queue behind a waiting ALTER TABLE would stop the house: the wait is bounded, then everybody passes."""
    found = connection.get_connection_params()
    passed = []

    def pause(_):
        with psycopg.connect(**{key: found[key] for key in ("host", "port", "user", "dbname")}) as other:
            started = time.monotonic()
            other.execute("SELECT count(*) FROM django_session")
            passed.append(time.monotonic() - started)

    monkeypatch.setattr(upgrade.time, "sleep", pause)
    with pytest.raises(upgrade.Blocked):
        upgrade.migrate(verbosity=0)
    assert len(passed) == upgrade._ATTEMPTS


def test_the_command_says_it_in_one_line(reader, monkeypatch, capsys):
    monkeypatch.setattr(upgrade.time, "sleep", lambda _: None)
    assert cli.main(["migrate"]) == 1
    said = capsys.readouterr().err
    assert said.startswith("virage migrate : une transaction longue")
    assert said.count("\n") == 1
