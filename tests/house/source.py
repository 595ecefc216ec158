"""What the house's own tests read of the source tree. Nothing of the product is imported here."""

import ast
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "virage"
FLOORS = ("core", "trust", "services", "platforms", "innovation", "governance", "sandbox", "site")
ENGINES: tuple[frozenset[str], ...] = (
    frozenset(
        {"errors", "callers", "rooms", "settings", "commands", "progress", "loading", "outside", "counters", "children"}
    ),
    frozenset({"db"}),
    frozenset({"blobs", "pki", "events", "audit"}),
    frozenset({"accounts", "access"}),
    frozenset({"fhir"}),
    frozenset({"web"}),
    frozenset({"forms", "cases", "deliberation", "indicators"}),
)


@dataclass(frozen=True)
class Module:
    """One Python file: dotted name, path, syntax tree."""

    name: str
    path: Path
    tree: ast.Module

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.name.split("."))


@cache
def modules() -> tuple[Module, ...]:
    """Every module of the product, migrations aside."""
    found = []
    for path in sorted(SOURCE.rglob("*.py")):
        if "migrations" in path.parts:
            continue
        relative = path.relative_to(SOURCE.parent).with_suffix("")
        name = ".".join(relative.parts).removesuffix(".__init__")
        found.append(Module(name, path, ast.parse(path.read_text(encoding="utf-8"))))
    return tuple(found)


@cache
def module_names() -> frozenset[str]:
    return frozenset(module.name for module in modules())


def imports(module: Module) -> list[tuple[str, int]]:
    """Dotted names that this module imports from the house, each with its line; `from a import b` gives `a.b` if a module."""
    found = []
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names if alias.name.startswith("virage")]
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.parts if module.path.name == "__init__.py" else module.parts[:-1]
                parts = parts[: len(parts) - node.level + 1]
                base = ".".join((*parts, base) if base else parts)
            if not base.startswith("virage"):
                continue
            for alias in node.names:
                dotted = f"{base}.{alias.name}"
                found.append((dotted if dotted in module_names() else base, node.lineno))
    return found


def room_of(name: str) -> str:
    """`virage.trust.ins.rules` → `trust.ins`; `virage.core.fhir.router` → `core.fhir`; `virage.site.cli` → `site`."""
    parts = name.split(".")[1:]
    if not parts:
        return ""
    if parts[0] in ("sandbox", "site"):
        return parts[0]
    return ".".join(parts[:2])
