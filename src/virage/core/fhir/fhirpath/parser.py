"""Tokens to a tree, by the precedences of FHIRPath N1."""

from typing import NoReturn

from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.lexer import Token, tokenize
from virage.core.fhir.fhirpath.quantity import CALENDAR, Quantity
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
)

# Trees higher than this are refused: the compiler and the closures it makes are as deep as the tree.
MAX_DEPTH = 100

# Higher binds tighter.
_BINDING = {
    "implies": 1,
    "or": 2,
    "xor": 2,
    "and": 3,
    "in": 4,
    "contains": 4,
    "=": 5,
    "~": 5,
    "!=": 5,
    "!~": 5,
    "<": 6,
    "<=": 6,
    ">": 6,
    ">=": 6,
    "|": 7,
    "is": 8,
    "as": 8,
    "+": 9,
    "-": 9,
    "&": 9,
    "*": 10,
    "/": 10,
    "div": 10,
    "mod": 10,
}
_RESERVED = frozenset({"and", "or", "xor", "implies", "div", "mod", "true", "false"})


def parse(expression: str) -> Tree:
    """The tree of an expression. FhirPathError with its position when it is not one."""
    parser = _Parser(tokenize(expression))
    tree = parser.expression(0)
    parser.end()
    return tree


class _Parser:
    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.place = 0
        self.depth = 0
        # Height of each tree built so far, by identity: chains of operators and of paths grow to the left.
        self.heights: dict[int, int] = {}
        self.kept: list[Tree] = []

    @property
    def token(self) -> Token:
        return self.tokens[self.place]

    def sees(self, *signs: str) -> bool:
        return self.token.kind in ("sign", "word") and self.token.value in signs

    def take(self) -> Token:
        token = self.token
        self.place += 1
        return token

    def expect(self, sign: str) -> None:
        if not (self.token.kind == "sign" and self.token.value == sign):
            self.fail(f"« {sign} » attendu.")
        self.place += 1

    def end(self) -> None:
        if self.token.kind != "end":
            self.fail("Suite inattendue : un opérateur manque sans doute.")

    def fail(self, text: str) -> NoReturn:
        raise FhirPathError(text, self.token.position)

    def built(self, tree: Tree, *parts: Tree | None) -> Tree:
        height = 1 + max((self.heights.get(id(part), 1) for part in parts if part is not None), default=0)
        if height > MAX_DEPTH:
            raise FhirPathError("Expression trop imbriquée : simplifiez-la.", tree.position)
        self.heights[id(tree)] = height
        self.kept.append(tree)
        return tree

    def expression(self, least: int) -> Tree:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            self.fail("Expression trop imbriquée : simplifiez-la.")
        left = self.unary()
        while self.token.kind in ("sign", "word"):
            operator = self.token.value
            binding = _BINDING.get(operator, 0)
            if binding == 0 or binding <= least:
                break
            position = self.take().position
            if operator in ("is", "as"):
                left = self.built(TypeTest(operator, left, self.type_name(), position=position), left)
            else:
                right = self.expression(binding)
                left = self.built(Binary(operator, left, right, position=position), left, right)
        self.depth -= 1
        return left

    def unary(self) -> Tree:
        if self.sees("+", "-") and self.token.kind == "sign":
            token = self.take()
            self.depth += 1
            if self.depth > MAX_DEPTH:
                self.fail("Expression trop imbriquée : simplifiez-la.")
            operand = self.unary()
            self.depth -= 1
            return self.built(Unary(token.value, operand, position=token.position), operand)
        return self.path()

    def path(self) -> Tree:
        tree = self.term()
        while self.token.kind == "sign":
            if self.token.value == ".":
                self.take()
                tree = self.invocation(tree)
            elif self.token.value == "[":
                position = self.take().position
                index = self.expression(0)
                self.expect("]")
                tree = self.built(Index(tree, index, position=position), tree, index)
            else:
                break
        return tree

    def term(self) -> Tree:
        token = self.token
        at = token.position
        if token.kind == "literal":
            self.take()
            if isinstance(token.value, bool) or (
                not isinstance(token.value, int) and not hasattr(token.value, "as_tuple")
            ):
                return Literal(token.value, position=at)
            return Literal(self.quantity(token), position=at)
        if token.kind == "string":
            return Literal(self.take().value, position=at)
        if token.kind == "sign":
            if token.value == "(":
                self.take()
                tree = self.expression(0)
                self.expect(")")
                return tree
            if token.value == "{":
                self.take()
                self.expect("}")
                return Empty(position=at)
            if token.value == "%":
                self.take()
                if self.token.kind not in ("word", "name", "string"):
                    self.fail("Nom de variable attendu après « % ».")
                return Variable(self.take().value, position=at)
            self.fail("Opérande attendu.")
        if token.kind == "word" and token.value in ("true", "false"):
            self.take()
            return Literal(token.value == "true", position=at)
        if token.kind == "end":
            self.fail("Expression incomplète.")
        return self.invocation(None)

    def quantity(self, number: Token) -> object:
        unit = self.token
        if unit.kind == "string":
            self.take()
            return Quantity(number.value, unit.value)
        if unit.kind == "word" and unit.value in CALENDAR:
            self.take()
            return Quantity(number.value, unit.value, calendar=True)
        return number.value

    def invocation(self, base: Tree | None) -> Tree:
        token = self.token
        at = token.position
        if token.kind == "special":
            if token.value not in ("this", "index", "total") or base is not None:
                self.fail("Seuls $this, $index et $total existent, en tête de chemin.")
            self.take()
            return Special(token.value, position=at)
        name = self.identifier()
        if self.token.kind == "sign" and self.token.value == "(":
            self.take()
            arguments: list[Tree] = []
            if not self.sees(")"):
                arguments.append(self.argument(name))
                while self.sees(","):
                    self.take()
                    arguments.append(self.argument(name))
            self.expect(")")
            return self.built(Call(base, name, tuple(arguments), position=at), base, *arguments)
        return self.built(Member(base, name, position=at), base)

    def argument(self, function: str) -> Tree:
        tree = self.expression(0)
        if function == "sort" and self.sees("asc", "desc"):
            token = self.take()
            return self.built(SortKey(tree, token.value == "desc", position=token.position), tree)
        return tree

    def identifier(self) -> str:
        token = self.token
        if token.kind == "name" or (token.kind == "word" and token.value not in _RESERVED):
            return str(self.take().value)
        self.fail("Nom attendu.")

    def type_name(self) -> tuple[str, str]:
        first = self.identifier()
        if self.sees("."):
            self.take()
            return first, self.identifier()
        return "", first
