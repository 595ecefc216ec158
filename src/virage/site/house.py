"""Finds the rooms and the engines by their files, so that a new room needs no line anywhere else."""

from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import virage
from virage.core.commands import Command
from virage.core.rooms import Room

_ROOT = Path(virage.__file__).parent
_FLOORS = ("core", "trust", "services", "platforms", "innovation", "governance", "sandbox")
"""Order matters: models and menus of a floor may lean on those of the floors before."""


def packages(having: str) -> list[str]:
    """Dotted names of the rooms and engines that hold the file `having`, floor by floor, by name on a floor."""
    found: list[Path] = []
    for floor in _FLOORS:
        base = _ROOT / floor
        found.extend(sorted({*base.glob(having), *base.glob(f"*/{having}"), *base.glob(f"*/*/{having}")}))
    return [".".join(("virage", *path.parent.relative_to(_ROOT).parts)) for path in found]


@cache
def rooms() -> tuple[Room, ...]:
    """Every room's declaration, from the ground up."""
    return tuple(import_module(f"{package}.room").ROOM for package in packages("room.py"))


@cache
def room_packages() -> tuple[tuple[str, Room], ...]:
    """Every room with the dotted name of its package."""
    return tuple((package, import_module(f"{package}.room").ROOM) for package in packages("room.py"))


@cache
def fhir_services() -> tuple[Any, ...]:
    """Every FHIR service of the house: the shared store, then those of the rooms."""
    shared: tuple[Any, ...] = ()
    if (_ROOT / "core" / "fhir" / "service.py").exists():
        service = getattr(import_module("virage.core.fhir"), "SHARED", None)
        shared = (service,) if service is not None else ()
    return (*shared, *(service for room in rooms() for service in room.fhir))


def apps() -> list[str]:
    """Dotted names of the packages that are Django apps."""
    return packages("apps.py")


def commands() -> list[Command]:
    """Every command of the engines, the rooms and the site.

    Each `commands.py` is loaded by itself, without its package: `virage --help` must not load the whole house.
    """
    found: list[Command] = []
    for path in (
        *(_file(package) for package in packages("commands.py") if package != "virage.core"),
        _ROOT / "site" / "commands.py",
    ):
        name = ".".join(("virage", *path.relative_to(_ROOT).with_suffix("").parts))
        spec = spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        spec.loader.exec_module(module)
        found += module.COMMANDS
    return found


def _file(package: str) -> Path:
    return _ROOT.joinpath(*package.split(".")[1:], "commands.py")
