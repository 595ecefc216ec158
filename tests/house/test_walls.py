"""House test 1: imports follow the floors, and go through the face of a room."""

import re
import tomllib

import pytest

from tests.house.source import ENGINES, FLOORS, ROOT, Module, imports, modules, room_of

# What the site may reach inside a room: the files that declare it. Everything else goes by the face.
_DECLARATIONS = ("room", "urls", "commands", "apps", "loading")


def _engine_floor(engine: str) -> int:
    for number, names in enumerate(ENGINES):
        if engine in names:
            return number
    raise AssertionError(f"core.{engine} has no floor: give it one in tests/house/source.py")


def _wrong(module: Module) -> list[str]:
    here = room_of(module.name)
    floor = module.parts[1] if len(module.parts) > 1 else ""
    if not floor:
        return []
    found = []
    for target, line in imports(module):
        there = room_of(target)
        parts = target.split(".")
        if not there or there == here:
            continue
        place = f"{module.path.name}:{line} in {module.name}: imports {target}"
        if FLOORS.index(parts[1]) > FLOORS.index(floor):
            found.append(f"{place}, a floor above")
        elif parts[1] == floor and floor not in ("core", "site", "sandbox"):
            found.append(f"{place}, a room of the same floor")
        elif floor == "governance" and parts[1] not in ("trust", "core"):
            found.append(f"{place}: governance stands on trust and core alone")
        elif floor == "core" and len(parts) > 2 and len(module.parts) > 2:
            mine, theirs = _engine_floor(module.parts[2]), _engine_floor(parts[2])
            if theirs > mine or (theirs == mine and mine > 0):
                found.append(f"{place}: not an engine before it")
        if len(parts) > 3 and parts[1] != "core" and not (floor == "site" and parts[3] in _DECLARATIONS):
            found.append(f"{place}, past the room's face")
    return found


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_imports_follow_the_floors(module: Module) -> None:
    assert _wrong(module) == []


def test_nobody_imports_the_site() -> None:
    for module in modules():
        if module.parts[1:2] != ("site",):
            assert [name for name, _ in imports(module) if name.startswith("virage.site")] == [], module.name


def test_the_import_contracts_say_the_same_floors() -> None:
    """`make check` reads pyproject, this folder reads source.py: one house."""
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors, engines = (contract["layers"] for contract in contracts if contract["type"] == "layers")
    assert tuple(name.strip("()") for name in reversed(floors)) == FLOORS
    assert tuple(frozenset(re.findall(r"\w+", layer)) for layer in reversed(engines)) == ENGINES
    independent = {contract["modules"][0] for contract in contracts if contract["type"] == "independence"}
    rooms = {module.parts[1] for module in modules() if len(module.parts) > 2} - {"core", "site", "sandbox"}
    assert independent == {f"virage.{floor}.*" for floor in rooms}
