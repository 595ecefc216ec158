"""What the first pages tell a newcomer to type, typed against a house that serves."""

import re
import shlex
import shutil
import subprocess

import pytest

from tests.house.source import ROOT
from tests.site.running import VIRAGE

# A refusal over HTTP is a failure here: curl alone counts it as success.
_STRICT = 'set -euo pipefail; curl() { command curl --silent --show-error --fail-with-body "$@"; echo; }\n'
_ANSWERS = {
    "docs/start/first-steps.md": ['"resourceType":"Bundle"', '"resourceType":"CapabilityStatement"'],
    "docs/do/connect.md": ['"access_token"', '"name":"codeCR","valueCode":"00"', '"type":"searchset"'],
}


@pytest.mark.skipif(not shutil.which("curl"), reason="no curl on this machine")
@pytest.mark.parametrize("page", _ANSWERS)
def test_each_command_works_as_typed(populated, page) -> None:
    blocks = re.findall(r"^```\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    typed = "".join(block for block in blocks if "make demo" not in block)
    here = typed.replace("http://127.0.0.1:8000", populated.address).replace(".venv/bin/virage", shlex.join(VIRAGE))
    done = subprocess.run(["bash", "-c", _STRICT + here], capture_output=True, text=True, env=populated.environment)
    assert done.returncode == 0, done.stdout + done.stderr
    for answer in _ANSWERS[page]:
        assert answer in done.stdout.replace('": ', '":').replace(", ", ",")
