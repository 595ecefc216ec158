"""The language of `_filter`, read into a tree. Pure. Authority: FHIR R4, search_filter.

Tests joined by `and` and `or`, from left to right without precedence, grouped by parentheses, negated by `not (…)`.
"""

import json
import re
from dataclasses import dataclass
from typing import NoReturn

from virage.core.fhir.search.errors import BadSearch, TooDear

OPERATORS = frozenset(
    ["eq", "ne", "co", "sw", "ew", "gt", "lt", "ge", "le", "ap", "sa", "eb", "pr", "po", "ss", "sb", "in", "ni", "re"]
)
MAX_LENGTH = 4000
MAX_DEPTH = 12
MAX_TESTS = 50
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_\-]*(?::[A-Za-z][A-Za-z0-9\-]*)?")
_WORD = re.compile(r"[^\s)\]]+")
_STRING = re.compile(r'"(?:[^"\\]|\\.)*"')
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Step:
    """A parameter on the way (`subject`, `subject:Patient`), and what must hold of what it leads to."""

    name: str
    inside: "Tree | None" = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`steps op value`; the last step is the parameter that is compared."""

    steps: tuple[Step, ...]
    operator: str
    value: str


@dataclass(frozen=True, slots=True)
class Both:
    """`left and right`, or `left or right`."""

    word: str
    left: "Tree"
    right: "Tree"


@dataclass(frozen=True, slots=True)
class Negated:
    """`not (inner)`."""

    inner: "Tree"


Tree = Comparison | Both | Negated


def parse(text: str) -> Tree:
    """The tree of a filter. Raises BadSearch that says where it cannot be read, TooDear when it is too long."""
    if len(text) > MAX_LENGTH:
        raise TooDear(f"Un filtre compte {MAX_LENGTH} caractères au plus.", path="_filter")
    reader = _Reader(text)
    tree = reader.filter(0)
    if reader.place < len(text):
        reader.refuse("« and », « or » ou la fin")
    return tree


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.tests = 0
        self.skip()

    def refuse(self, awaited: str) -> NoReturn:
        raise BadSearch(
            f"« _filter » : {awaited} est attendu au caractère {self.place + 1}.",
            code="FHIR.SEARCH_FILTER",
            path="_filter",
        )

    def skip(self) -> None:
        if match := _SPACE.match(self.text, self.place):
            self.place = match.end()

    def sign(self, sign: str) -> bool:
        """Whether this sign comes next; it is then behind us."""
        if not self.text.startswith(sign, self.place):
            return False
        self.place += len(sign)
        self.skip()
        return True

    def word(self, *words: str) -> str:
        """The word that comes next when it is one of these."""
        match = _NAME.match(self.text, self.place)
        if match is None or match[0] not in words:
            return ""
        end = match.end()
        if end < len(self.text) and not (self.text[end].isspace() or self.text[end] == "("):
            return ""
        self.place = end
        self.skip()
        return match[0]

    def filter(self, depth: int) -> Tree:
        if depth > MAX_DEPTH:
            raise TooDear(f"Un filtre s'imbrique sur {MAX_DEPTH} niveaux au plus.", path="_filter")
        left = self.one(depth)
        while word := self.word("and", "or"):
            left = Both(word, left, self.one(depth))
        return left

    def one(self, depth: int) -> Tree:
        start = self.place
        if self.word("not"):
            if not self.sign("("):
                # It may also be a parameter of this name.
                self.place = start
                return self.test(depth)
            return Negated(self.group(depth))
        if self.sign("("):
            return self.group(depth)
        return self.test(depth)

    def group(self, depth: int) -> Tree:
        inner = self.filter(depth + 1)
        if not self.sign(")"):
            self.refuse("« ) »")
        return inner

    def test(self, depth: int) -> Tree:
        self.tests += 1
        if self.tests > MAX_TESTS:
            raise TooDear(f"Un filtre compte {MAX_TESTS} comparaisons au plus.", path="_filter")
        steps = [self.step(depth)]
        while self.sign("."):
            steps.append(self.step(depth))
        if steps[-1].inside is not None:
            self.refuse("« . » et le nom d'un paramètre")
        self.skip()
        match = _WORD.match(self.text, self.place)
        if match is None or match[0].lower() not in OPERATORS:
            self.refuse("un opérateur (eq, ne, co, sw, ew, gt, lt, ge, le, ap, sa, eb, pr, po, ss, sb, in, ni, re)")
        self.place = match.end()
        if not _SPACE.match(self.text, self.place):
            self.refuse("une espace, puis une valeur,")
        self.skip()
        return Comparison(tuple(steps), match[0].lower(), self.value())

    def step(self, depth: int) -> Step:
        match = _NAME.match(self.text, self.place)
        if match is None:
            self.refuse("le nom d'un paramètre")
        self.place = match.end()
        inside = None
        if self.sign("["):
            inside = self.filter(depth + 1)
            if not self.text.startswith("]", self.place):
                self.refuse("« ] »")
            self.place += 1
        return Step(match[0], inside)

    def value(self) -> str:
        if self.text.startswith('"', self.place):
            match = _STRING.match(self.text, self.place)
            try:
                found = json.loads(match[0]) if match else None
            except ValueError:
                found = None
            if match is None or not isinstance(found, str):
                self.refuse('une chaîne fermée par « " »')
        else:
            match = _WORD.match(self.text, self.place)
            if match is None:
                self.refuse("une valeur")
            found = match[0]
        if not found:
            self.refuse("une valeur")
        self.place = match.end()
        self.skip()
        return found
