"""House test 3: state changes only in `actions.py`, each saying who, each leaving a trace."""

import ast

import pytest

from tests.house.source import Module, modules, room_of

_WRITES = frozenset(
    {"save", "bulk_create", "bulk_update", "get_or_create", "update_or_create", "create", "update", "delete"}
)
# Engines that are the means of writing; their own state has its own functions.
_ENGINES = ("core.db", "core.fhir", "core.audit", "core.events", "core.blobs")


def _is_model_write(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in _WRITES:
        return False
    text = ast.unparse(call.func.value)
    return ".objects" in text


def _own_functions(tree: ast.Module) -> list[ast.FunctionDef]:
    return [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]


def _is_actions(module: Module) -> bool:
    return "actions" in module.parts[-2:]


@pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)
def test_models_are_written_in_actions_only(module: Module) -> None:
    if room_of(module.name) in _ENGINES or _is_actions(module):
        return
    found = [
        f"{module.path.name}:{node.lineno}: {ast.unparse(node.func)}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.Call) and _is_model_write(node)
    ]
    assert found == []


def _calls(node: ast.AST) -> set[str]:
    names = set()
    for call in ast.walk(node):
        if isinstance(call, ast.Call):
            names.add(call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", ""))
    return names


def _actions_imported(module: Module) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ImportFrom) and "actions" in (node.module or "").split(".")
        for alias in node.names
    }


ACTIONS = [module for module in modules() if _is_actions(module) and room_of(module.name) not in _ENGINES]


@pytest.mark.parametrize("module", ACTIONS, ids=lambda module: module.name)
def test_every_action_says_who_and_takes_keywords(module: Module) -> None:
    for function in _own_functions(module.tree):
        keywords = [argument.arg for argument in function.args.kwonlyargs]
        assert not function.args.args, f"{module.name}.{function.name} takes positional arguments"
        assert keywords[:1] == ["by"], f"{module.name}.{function.name} does not begin with by="


@pytest.mark.parametrize("module", ACTIONS, ids=lambda module: module.name)
def test_every_action_leaves_a_trace(module: Module) -> None:
    functions = {node.name: node for node in ast.walk(module.tree) if isinstance(node, ast.FunctionDef)}
    # The store traces what it writes; the rest must trace for itself, or call what does.
    tracing = {"trace", "create", "update", "load", "row"} | _actions_imported(module)

    def traces(name: str, seen: frozenset[str] = frozenset()) -> bool:
        calls = _calls(functions[name])
        if calls & tracing:
            return True
        return any(
            traces(call, seen | {name}) for call in calls if call in functions and call not in seen and call != name
        )

    silent = [function.name for function in _own_functions(module.tree) if not traces(function.name)]
    assert silent == []
