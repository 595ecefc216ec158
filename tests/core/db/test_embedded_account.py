"""The server's own system user: made once, whoever asks at the same time."""

import pwd
import threading
import time
from types import SimpleNamespace

import pytest

from virage.core.db.embedded import account


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """A machine without the user, whose tool takes its time; gives the list of the tools run."""
    users, runs = {}, []

    def find(name):
        return users[name]

    def run(command, **_):
        runs.append(command[0])
        time.sleep(0.05)
        # As the real one does: a second entry under the same name takes the place of the first, with another number.
        users[account.NAME] = SimpleNamespace(pw_name=account.NAME, pw_uid=999 - len(runs), pw_gid=999)

    listed = tmp_path / "passwd"
    listed.touch()
    monkeypatch.setattr(account, "_USERS", str(listed))
    monkeypatch.setattr(pwd, "getpwnam", find)
    monkeypatch.setattr(account.subprocess, "run", run)
    monkeypatch.setattr(account.shutil, "which", lambda tool, path: f"/sbin/{tool}")
    return runs


def test_processes_that_start_together_make_one_user(machine):
    found = []
    starters = [threading.Thread(target=lambda: found.append(account._dedicated().pw_uid)) for _ in range(4)]
    for each in starters:
        each.start()
    for each in starters:
        each.join()
    assert machine == ["/sbin/useradd"]
    assert found == [998] * 4


def test_a_machine_where_no_tool_works_is_told(machine, monkeypatch):
    monkeypatch.setattr(account.subprocess, "run", lambda command, **_: machine.append(command[0]))
    with pytest.raises(account.AccountError, match="virage-db"):
        account._dedicated()
    assert machine == ["/sbin/useradd", "/sbin/adduser"]
