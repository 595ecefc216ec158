"""House tests 7 and 8: every action of the roadmap has its place; files stay small; words are explained; no dead template."""

import re

import pytest

from tests.house.source import ROOT, SOURCE, modules

MOST_LINES = 500
_BANNED = {"utils", "helpers", "common", "manager", "managers", "misc"}


def test_no_file_is_past_500_lines() -> None:
    long = {}
    for pattern in ("src/virage/**/*.py", "tests/**/*.py", "bench/**/*.py", "scripts/**/*.py"):
        for path in ROOT.glob(pattern):
            lines = path.read_text(encoding="utf-8").count("\n")
            if lines > MOST_LINES:
                long[str(path.relative_to(ROOT))] = lines
    assert long == {}


def test_no_file_is_a_drawer() -> None:
    assert [m.name for m in modules() if _BANNED & set(m.parts)] == []


def _templates() -> dict[str, str]:
    found = {}
    for folder in SOURCE.rglob("templates"):
        for path in folder.rglob("*.*"):
            found[str(path.relative_to(folder))] = path.read_text(encoding="utf-8")
    return found


def test_every_template_is_used() -> None:
    templates = _templates()
    text = "\n".join(templates.values()) + "\n".join(m.path.read_text(encoding="utf-8") for m in modules())
    # Django looks these up by name.
    by_convention = {"404.html", "500.html", "403.html", "400.html"}
    assert [name for name in templates if name not in by_convention and f'"{name}"' not in text] == []


# French terms of law or of the field that stand in names of the code: each has its line in the glossary.
_TERMS = [
    "matricule",
    "ins",
    "insi",
    "rpps",
    "finess",
    "annuaire",
    "dmp",
    "ens",
    "bsp",
    "psc",
    "cps",
    "ror",
    "smt",
    "mssante",
    "apcv",
    "cda",
    "pdsm",
    "vihf",
    "nir",
    "nia",
    "rniv",
    "traits",
    "commune",
    "douteux",
    "fictif",
    "homonyme",
    "igc",
    "bris_de_glace",
    "centre_15",
    "medecin_traitant",
    "lps",
]


@pytest.mark.parametrize("term", _TERMS)
def test_a_term_that_the_code_uses_is_in_the_glossary(term: str) -> None:
    used = any(re.search(rf"(?<![a-z]){term}(?![a-z])", m.path.read_text(encoding="utf-8").lower()) for m in modules())
    glossary = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8").lower()
    listed = re.search(rf"^\| `?{term.replace('_', '[ _]')}`?[ |(]", glossary, re.M) is not None
    assert listed or not used


def _rows() -> dict[int, list[str]]:
    text = (ROOT / "docs" / "systems.md").read_text(encoding="utf-8")
    found = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")]
        if line.startswith("|") and cells[0].isdigit():
            found[int(cells[0])] = cells
    return found


def test_the_26_actions_are_all_there() -> None:
    assert sorted(_rows()) == list(range(1, 27))


@pytest.mark.parametrize("number", range(1, 27))
def test_an_action_names_its_room_and_its_proof_or_says_that_it_waits(number: int) -> None:
    _, title, state, rooms, _interface, proofs = _rows()[number]
    assert title
    assert state in ("served", "partly", "not yet")
    for room in re.findall(r"`([a-z]+\.[a-z0-9]+)`", rooms):
        exists = (SOURCE / room.replace(".", "/") / "room.py").exists()
        assert exists or state == "not yet", f"action {number}: no room {room}"
    paths = re.findall(r"`(tests/[^`]+)`", proofs)
    if state == "not yet":
        assert not paths
    else:
        assert paths
        for path in paths:
            assert (ROOT / path).exists(), f"action {number}: no proof {path}"
