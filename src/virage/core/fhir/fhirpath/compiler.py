"""A tree to closures: each takes the focus (what `$this` is) and the evaluation, and gives a collection."""

from collections.abc import Callable
from typing import Any

from virage.core.fhir.fhirpath import model
from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.evaluation import Closure, Evaluation, variable
from virage.core.fhir.fhirpath.functions import FUNCTIONS
from virage.core.fhir.fhirpath.functions.types import caster, matcher
from virage.core.fhir.fhirpath.operators import OPERATORS, affirmed, logic, negated
from virage.core.fhir.fhirpath.syntax import (
    Binary,
    Call,
    Empty,
    Index,
    Literal,
    Member,
    SortKey,
    Special,
    Tree,
    TypeTest,
    Unary,
    Variable,
    walk,
)
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, Node, TypeInfo, extend, follow, integer, truth


def build(tree: Tree, strict: bool = False) -> Closure:
    """The closure of a whole expression. FhirPathError for what can be known wrong without a resource."""
    return _Compiler(strict, any(isinstance(each, Call) and each.name == "defineVariable" for each in walk(tree))).of(
        tree
    )


class _Compiler:
    def __init__(self, strict: bool, scoped: bool) -> None:
        self.strict = strict
        # Whether the expression defines variables: only then do operands and arguments need scopes of their own.
        self.scoped = scoped

    def of(self, tree: Tree) -> Closure:
        match tree:
            case Literal(value):
                alone: Items = [value]
                return lambda focus, env: alone
            case Empty():
                return lambda focus, env: NONE
            case Variable(name):
                return variable(name, tree.position)
            case Special(name):
                return _SPECIAL[name]
            case Member(None, name):
                if name[:1].isupper() and model.known(name):
                    return _start(name)
                return _members(None, name)
            case Member(base, name):
                return _members(self.of(base) if base is not None else None, name)
            case Call():
                return self.call(tree)
            case Index(base, index):
                return _indexed(self.of(base), self.scope(index), tree.position)
            case Unary(operator, operand):
                return _signed(operator, self.of(operand), tree.position)
            case Binary(operator, left, right):
                constant = right.value if isinstance(right, Literal) and isinstance(right.value, str) else None
                return _binary(operator, self.scope(left), self.scope(right), tree.position, constant)
            case TypeTest(operator, operand, wanted):
                return _type_test(operator, self.of(operand), wanted, tree.position, self.strict)
            case SortKey():
                raise FhirPathError("« asc » et « desc » ne vont que dans sort().", tree.position)
        raise TypeError(type(tree).__name__)

    def scope(self, tree: Tree) -> Closure:
        closure = self.of(tree)
        if not self.scoped:
            return closure

        def run(focus: Items, env: Evaluation) -> Items:
            outer = env.variables
            try:
                return closure(focus, env)
            finally:
                env.variables = outer

        return run

    def call(self, tree: Call) -> Closure:
        function = FUNCTIONS.get(tree.name)
        at = tree.position
        if function is None:
            raise FhirPathError(f"Fonction inconnue : {tree.name}().", at)
        count = len(tree.arguments)
        if not function.least <= count <= function.most:
            raise FhirPathError(f"Nombre de paramètres incorrect pour {tree.name}().", at)
        base = None if tree.base is None else self.of(tree.base)
        if function.form is not None:
            key = _sort_key if tree.name == "sort" else _itself
            arguments = [] if function.raw else [self.scope(key(each)) for each in tree.arguments]
            try:
                runner = function.form(tree, arguments, self.strict)
            except FhirPathError as error:
                raise error.at(at) from None
            return _form(base, runner, at)
        assert function.plain is not None
        return _plain(base, function.plain, [self.scope(each) for each in tree.arguments], at)


def _itself(tree: Tree) -> Tree:
    return tree


def _sort_key(tree: Tree) -> Tree:
    """The key in an argument of `sort`, without what says its direction: a text can be sorted downwards too."""
    return tree.operand if isinstance(tree, SortKey) or (isinstance(tree, Unary) and tree.operator == "-") else tree


_SPECIAL: dict[str, Closure] = {
    "this": lambda focus, env: focus,
    "index": lambda focus, env: [env.index],
    "total": lambda focus, env: env.total,
}


def _start(name: str) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        return [each for each in focus if each.__class__ is Node and name in each.type.ancestors]

    return run


def _members(base: Closure | None, name: str) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        out: Items = []
        for node in focus if base is None else base(focus, env):
            if node.__class__ is not Node:
                if node.__class__ is TypeInfo and name in ("namespace", "name"):
                    out.append(getattr(node, name))
                continue
            data = node.data
            found = node.type.members[name]
            if found is None or data is None:
                continue
            step = found.step
            if step is None:
                follow(out, node, found)
                continue
            type = step.type
            if type.primitive:
                value = data.get(step.key)
                if step.shadow in data:
                    _reckon(value, env)
                    extend(out, node, step)
                elif value.__class__ is list:
                    env.spend(len(value))
                    for index, each in enumerate(value):
                        if each is not None:
                            out.append(Node(each, None, type, node, step, index))
                elif value is not None:
                    out.append(Node(value, None, type, node, step))
            elif type.dynamic:
                _reckon(data.get(step.key), env)
                extend(out, node, step)
            else:
                value = data.get(step.key)
                if value.__class__ is dict:
                    out.append(Node(value, value, type, node, step))
                elif value.__class__ is list:
                    env.spend(len(value))
                    for index, each in enumerate(value):
                        if each.__class__ is dict:
                            out.append(Node(each, each, type, node, step, index))
        return out

    return run


def _reckon(value: Any, env: Evaluation) -> None:
    """Count the items of a JSON array before nodes are made of them."""
    if value.__class__ is list:
        env.spend(len(value))


def _indexed(base: Closure, index: Closure, position: int) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        items = base(focus, env)
        try:
            place = integer(index(focus, env))
        except FhirPathError as error:
            raise error.at(position) from None
        return [items[place]] if place is not None and 0 <= place < len(items) else NONE

    return run


def _signed(operator: str, operand: Closure, position: int) -> Closure:
    apply = negated if operator == "-" else affirmed

    def run(focus: Items, env: Evaluation) -> Items:
        try:
            return apply(operand(focus, env))
        except FhirPathError as error:
            raise error.at(position) from None

    return run


def _same_text(left: Closure, wanted: str, position: int) -> Closure:
    """`path = 'text'`, the commonest condition of all, without the general machinery for texts."""
    other: Items = [wanted]

    def run(focus: Items, env: Evaluation) -> Items:
        items = left(focus, env)
        if len(items) == 1:
            item = items[0]
            if item.__class__ is Node and item.type.kind == "string" and item.value is not None:
                return TRUE if item.value == wanted else FALSE
        try:
            return OPERATORS["="](items, other, env)
        except FhirPathError as error:
            raise error.at(position) from None

    return run


def _binary(operator: str, left: Closure, right: Closure, position: int, constant: str | None) -> Closure:
    if operator in ("and", "or", "xor", "implies"):

        def decide(focus: Items, env: Evaluation) -> Items:
            try:
                return logic(operator, truth(left(focus, env)), lambda: right(focus, env))
            except FhirPathError as error:
                raise error.at(position) from None

        return decide
    apply = OPERATORS[operator]
    if operator == "=" and constant is not None:
        return _same_text(left, constant, position)

    def run(focus: Items, env: Evaluation) -> Items:
        try:
            return apply(left(focus, env), right(focus, env), env)
        except FhirPathError as error:
            raise error.at(position) from None

    return run


def _type_test(operator: str, operand: Closure, type: tuple[str, str], position: int, strict: bool) -> Closure:
    if operator == "as":
        try:
            cast = caster(type, strict)
        except FhirPathError as error:
            raise error.at(position) from None
        return lambda focus, env: cast(operand(focus, env))
    try:
        accept = matcher(type)
    except FhirPathError as error:
        raise error.at(position) from None

    def run(focus: Items, env: Evaluation) -> Items:
        items = operand(focus, env)
        if not items:
            return NONE
        if len(items) > 1:
            raise FhirPathError("« is » porte sur une seule valeur, plusieurs trouvées.", position)
        return TRUE if accept(items[0]) else FALSE

    return run


def _form(base: Closure | None, runner: Callable[[Items, Items, Evaluation], Items], position: int) -> Closure:
    def run(focus: Items, env: Evaluation) -> Items:
        try:
            return runner(focus if base is None else base(focus, env), focus, env)
        except FhirPathError as error:
            raise error.at(position) from None

    return run


def _plain(base: Closure | None, apply: Callable[..., Items], arguments: list[Closure], position: int) -> Closure:
    if not arguments:

        def short(focus: Items, env: Evaluation) -> Items:
            try:
                return apply(focus if base is None else base(focus, env), env)
            except FhirPathError as error:
                raise error.at(position) from None

        return short

    def run(focus: Items, env: Evaluation) -> Items:
        try:
            items = focus if base is None else base(focus, env)
            values: list[Any] = [each(focus, env) for each in arguments]
            return apply(items, env, *values)
        except FhirPathError as error:
            raise error.at(position) from None

    return run
