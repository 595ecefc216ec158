"""The conformity page says what the ratchet holds: same keys, same counts, same refusals."""

import json
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "conformity.md").read_text(encoding="utf-8")
HERE = Path(__file__).parent
_ROW = re.compile(r"^\| [^|]+ \| `([\w.]+)` \| (\d+) \| (\d+) \|$", re.MULTILINE)


def test_every_count_of_the_ratchet_is_on_the_page() -> None:
    ratchet = json.loads((HERE / "ratchet.json").read_text())
    rows = _ROW.findall(PAGE)
    assert {key: int(passed) for key, _, passed in rows} == ratchet
    assert len(rows) == len(ratchet)
    assert all(int(passed) <= int(cases) for _, cases, passed in rows)


def test_every_refusal_is_on_the_page_with_its_reason() -> None:
    from tests.services.dmp.test_dmp_conformity import REFUSED

    _, _, refused = PAGE.partition("## Refused, and why")
    rows = dict(re.findall(r"^\| `([^`]+)` \| (.+) \|$", refused, re.MULTILINE))
    examples = json.loads((HERE / "r4-examples-refused.json").read_text())
    assert {name: reason for name, reason in rows.items() if name in examples} == examples
    assert set(rows) == set(examples) | {name.removesuffix(".json") for name in REFUSED}


def test_every_key_is_held_by_a_test() -> None:
    ratchet = json.loads((HERE / "ratchet.json").read_text())
    tests = "".join(
        path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py") if path != Path(__file__)
    )
    assert [key for key in ratchet if f'"{key}"' not in tests] == []
