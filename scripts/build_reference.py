"""Makes `docs/reference/*.md` from the program itself: commands, addresses, errors, events.

python scripts/build_reference.py            writes the pages
python scripts/build_reference.py --check    exits 1 where a page no longer tells the truth
"""

import argparse
import ast
import os
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "virage"
REFERENCE = ROOT / "docs" / "reference"
HEAD = "<!-- Made by scripts/build_reference.py; do not edit. -->\n"


def table(columns: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    """A Markdown table."""
    names = list(columns)
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    lines += ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _trees() -> Iterator[tuple[str, ast.Module]]:
    for path in sorted(SOURCE.rglob("*.py")):
        if "migrations" not in path.parts:
            name = ".".join(path.relative_to(SOURCE).with_suffix("").parts).removesuffix(".__init__")
            yield name, ast.parse(path.read_text(encoding="utf-8"))


def _owner(module: str) -> str:
    parts = module.split(".")
    return parts[0] if parts[0] in ("site", "sandbox") else ".".join(parts[:2])


def _looks_like_a_code(value: object) -> bool:
    return (
        isinstance(value, str)
        and "." in value
        and value.replace(".", "").replace("_", "").isalnum()
        and value.isupper()
    )


def errors() -> str:
    """Every error code with its owner and, where it is the class's own, its HTTP status."""
    found: dict[str, tuple[str, str]] = {}
    for module, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                values = {
                    target.id: statement.value.value
                    for statement in node.body
                    if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
                    for target in statement.targets
                    if isinstance(target, ast.Name)
                }
                if _looks_like_a_code(values.get("code")):
                    found[str(values["code"])] = (_owner(module), str(values.get("status", "")))
            elif isinstance(node, ast.Call):
                keywords = {k.arg: k.value.value for k in node.keywords if k.arg and isinstance(k.value, ast.Constant)}
                if _looks_like_a_code(keywords.get("code")):
                    code = str(keywords["code"])
                    status = str(keywords.get("status", ""))
                    if code not in found or (status and not found[code][1]):
                        found[code] = (_owner(module), status)
    rows = ((f"`{code}`", owner, status) for code, (owner, status) in sorted(found.items()))
    text = "An error's text is French and says what to do; its code is stable. An empty status: that of the error's family.\n\n"
    return text + table(("code", "from", "HTTP status"), rows)


def events() -> str:
    """Every event: who says it, who hears it."""
    from virage.site import house

    said: dict[str, set[str]] = {}
    for module, tree in _trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("emit") and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    said.setdefault(first.value, set()).add(_owner(module))
    heard: dict[str, set[str]] = {}
    for room in house.rooms():
        for name in room.handlers:
            heard.setdefault(name, set()).add(room.name)
    rows = (
        (f"`{name}`", ", ".join(sorted(said.get(name, ()))), ", ".join(sorted(heard.get(name, ()))) or "nobody yet")
        for name in sorted(said.keys() | heard.keys())
    )
    return "Delivered at least once, after the transaction that said it.\n\n" + table(
        ("event", "said by", "heard by"), rows
    )


def commands() -> str:
    """Every command with its one line and its arguments."""
    from virage.site import house
    from virage.site.cli import parser

    rows = []
    for command in sorted(house.commands(), key=lambda command: command.name):
        usage = argparse.ArgumentParser(prog=f"virage {command.name}", add_help=False)
        command.configure(usage)
        line = " ".join(usage.format_usage().removeprefix("usage: ").split())
        rows.append((f"`{line}`", command.help))
    parser(house.commands())
    return table(("command", "what it does"), rows)


def routes() -> str:
    """Every address: FHIR bases with their types and operations, then pages with who may pass."""
    from django.urls import URLPattern, URLResolver, get_resolver

    from virage.site import house

    parts = ["## FHIR bases\n\n"]
    rows = []
    for service in house.fhir_services():
        types = "every R4 type" if service.types is None else ", ".join(sorted(service.types))
        operations = ", ".join(f"`${operation.name}`" for operation in service.operations) or "–"
        rows.append((f"`{service.base}`", service.title, types, operations))
    parts.append(table(("base", "title", "types", "own operations"), rows))
    parts.append("\n## Pages and other addresses\n\n")

    def walk(patterns: Iterable[URLPattern | URLResolver], prefix: str) -> Iterator[tuple[str, str, str]]:
        for pattern in patterns:
            if isinstance(pattern, URLResolver):
                yield from walk(pattern.url_patterns, prefix + str(pattern.pattern))
            else:
                doors = getattr(pattern.callback, "door", ())
                yield f"`/{prefix}{pattern.pattern}`", pattern.name or "", ", ".join(sorted(doors))

    parts.append(table(("address", "name", "for whom"), sorted(walk(get_resolver().url_patterns, ""))))
    return "".join(parts)


PAGES = {"errors": errors, "events": events, "commands": commands, "routes": routes}


def main() -> int:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "virage.site.settings")
    os.environ.setdefault("VIRAGE_SANDBOX", "1")
    import django

    django.setup()
    REFERENCE.mkdir(parents=True, exist_ok=True)
    stale = []
    for name, make in PAGES.items():
        path = REFERENCE / f"{name}.md"
        text = f"{HEAD}# {name.capitalize()}\n\n{make()}"
        if "--check" in sys.argv:
            if not path.exists() or path.read_text(encoding="utf-8") != text:
                stale.append(path.name)
        else:
            path.write_text(text, encoding="utf-8")
    if stale:
        print(f"stale: {', '.join(stale)}; run python scripts/build_reference.py")
    return 1 if stale else 0


if __name__ == "__main__":
    sys.exit(main())
