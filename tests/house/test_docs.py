"""House test 6: settings, commands, routes, events and error codes are in the docs, and commands in the docs exist."""

import importlib.util
import re
import shlex

import pytest

from tests.house.source import ROOT, modules
from virage.site import house
from virage.site.cli import parser


def _builder():
    spec = importlib.util.spec_from_file_location("build_reference", ROOT / "scripts" / "build_reference.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BUILDER = _builder()


@pytest.mark.parametrize("name", BUILDER.PAGES)
def test_a_reference_page_tells_the_truth(name: str) -> None:
    text = f"{BUILDER.HEAD}# {name.capitalize()}\n\n{BUILDER.PAGES[name]()}"
    stored = (ROOT / "docs" / "reference" / f"{name}.md").read_text(encoding="utf-8")
    assert stored == text, "run python scripts/build_reference.py"


def _documented() -> list[tuple[str, str]]:
    found = []
    for path in [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        for line in re.findall(r"(?:\.venv/bin/)?virage ([a-z][^`\n|)]*)", path.read_text(encoding="utf-8")):
            found.append((path.name, line.strip()))
    names = {command.name.split()[0] for command in house.commands()}
    return [(page, line) for page, line in found if line.split()[0] in names]


@pytest.mark.parametrize(("page", "line"), sorted(set(_documented())))
def test_a_command_of_the_docs_is_one_of_ours(page: str, line: str) -> None:
    words = shlex.split(line.split(" # ")[0].replace("…", "x").replace("[", "").replace("]", ""), posix=False)
    names = {command.name for command in house.commands()}
    assert words[0] in names or " ".join(words[:2]) in names


def test_every_command_has_one_line_of_help() -> None:
    for command in house.commands():
        assert command.help
        assert "\n" not in command.help
    assert parser(house.commands()).format_help()


def _links() -> list[tuple[str, str]]:
    found = []
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]:
        if path.exists():
            for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8")):
                found.append((str(path.relative_to(ROOT)), target))
    return found


@pytest.mark.parametrize(("page", "target"), _links())
def test_a_link_of_the_docs_leads_somewhere(page: str, target: str) -> None:
    assert (ROOT / page).parent.joinpath(target).exists()


# What stays on the ground beside the engines is said by the pages of those that use it.
_PARTS = sorted(
    {module.parts[2] for module in modules() if len(module.parts) == 3 and module.path.name == "__init__.py"}
)


@pytest.mark.parametrize("package", [name for name in _PARTS if name not in ("loading", "providers", "journey")])
def test_each_room_and_engine_is_explained(package: str) -> None:
    page = ROOT / "docs" / "understand" / f"{package}.md"
    assert page.is_file(), f"write docs/understand/{package}.md: what it is, how it flows, its rules, where to look"
    assert len(page.read_text(encoding="utf-8").split()) > 60
