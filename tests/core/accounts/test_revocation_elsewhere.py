"""What another process revokes is refused here at once."""

import subprocess
import sys

import pytest

from tests.site.running import PATIENCE
from virage.core import accounts
from virage.core.accounts import actions, tokens
from virage.core.callers import system
from virage.core.errors import Unauthenticated

BY = system("test")
OTHER_PROCESS = """
import sys, django
django.setup()
from django.db import connections
from virage.core.accounts import actions
from virage.core.callers import system
connections["default"].settings_dict.update(NAME=sys.argv[1], HOST=sys.argv[2], PORT="5432", USER="virage")
actions.revoke_token(by=system("test"), jti=sys.argv[3])
"""


def test_another_process_revokes(own_database, database_server):
    account = actions.ensure_account(by=BY, login="essai-autre", kind="agent", name="Agent Essai")
    token = tokens.issue(accounts.caller_of(account))
    tokens.verify(token)
    arguments = [own_database, str(database_server.place.socket), tokens.read(token)["jti"]]
    subprocess.run([sys.executable, "-c", OTHER_PROCESS, *arguments], check=True, timeout=PATIENCE)
    with pytest.raises(Unauthenticated, match="révoqué"):
        tokens.verify(token)
