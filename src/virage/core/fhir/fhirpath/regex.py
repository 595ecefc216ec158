"""Regular expressions of users, run within bounded time.

Python's engine backtracks: a repetition inside another can take it exponential time, one beside another polynomial time.
Its worst case is therefore reckoned from the pattern and the length of the text. Where it is small, Python's engine runs;
where it is not, the pattern becomes an automaton that reads each character once (`automaton.py`), or is refused when it
asks for what no automaton can do.
"""

import re
import warnings
from functools import lru_cache
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as reader  # type: ignore[attr-defined]
from typing import Any

from virage.core.fhir.fhirpath.automaton import Automaton, Unsupported
from virage.core.fhir.fhirpath.errors import FhirPathError, TooDear

MAX_PATTERN = 2_000
MAX_SUBJECT = 1_000_000
# Steps of Python's engine that are allowed in the worst case: about a tenth of a second.
_ALLOWED = 5_000_000
_REPEATS = (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT)
# A repetition of so few is as good as written out.
_FEW = 4


class _Pattern:
    """A compiled pattern, the tree it was read to, and how it can go wrong."""

    def __init__(self, pattern: str, flags: int) -> None:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                self.tree: Any = reader.parse(pattern, flags)
                self.compiled = re.compile(pattern, flags)
        except (re.error, OverflowError, RecursionError, ValueError):
            raise FhirPathError("Expression régulière incorrecte.") from None
        self.flags = self.tree.state.flags
        self.nested, self.repeats = _danger(self.tree, 0)
        self._automata: dict[bool, Automaton] = {}

    def cheap(self, size: int) -> bool:
        """Whether Python's engine stays within its allowance on a text of this size."""
        if self.nested:
            return False
        return bool(max(size, 1) ** (1 + self.repeats) <= _ALLOWED)

    def automaton(self, full: bool) -> Automaton:
        """The same pattern, searched for or matched whole, reading each character once."""
        found = self._automata.get(full)
        if found is None:
            try:
                found = self._automata[full] = Automaton(self.tree, self.flags, full=full)
            except Unsupported:
                raise TooDear(
                    "Expression régulière trop coûteuse : évitez les répétitions imbriquées et les références arrière."
                ) from None
        return found


def _danger(tree: Any, depth: int) -> tuple[bool, int]:
    """Whether a long repetition stands in another, and how many long repetitions can follow one another."""
    nested, repeats = False, 0
    for code, argument in tree:
        inner: list[Any] = []
        if code in _REPEATS:
            least, most, body = argument
            long = most == codes.MAXREPEAT or most > _FEW
            below, count = _danger(body, depth + long)
            nested = nested or below or (long and (count > 0 or _varies(body)))
            repeats += count + (1 if long and most != least else 0)
            continue
        if code is codes.SUBPATTERN:
            inner = [argument[3]]
        elif code is codes.BRANCH:
            inner = list(argument[1])
        elif code in (codes.ASSERT, codes.ASSERT_NOT):
            inner = [argument[1]]
        elif code is codes.ATOMIC_GROUP:
            inner = [argument]
        elif code in (codes.GROUPREF, codes.GROUPREF_EXISTS):
            repeats += 2
        counts = [_danger(each, depth) for each in inner]
        nested = nested or any(each for each, _ in counts)
        repeats += max((each for _, each in counts), default=0)
    return nested, repeats


def _varies(tree: Any) -> bool:
    """Whether what is repeated can match the same text in two ways: alternatives, optional parts."""
    low, high = tree.getwidth()
    return (
        low != high
        or any(code in (codes.BRANCH, codes.GROUPREF) for code, _ in tree)
        or any(code is codes.SUBPATTERN and _varies(argument[3]) for code, argument in tree)
    )


@lru_cache(512)
def _pattern(pattern: str, flags: str) -> _Pattern:
    if len(pattern) > MAX_PATTERN:
        raise FhirPathError("Expression régulière trop longue.")
    bits = re.DOTALL
    for flag in flags:
        if flag not in "ims":
            raise FhirPathError("Option d’expression régulière inconnue : i, m ou s.")
        bits |= {"i": re.IGNORECASE, "m": re.MULTILINE, "s": re.DOTALL}[flag]
    return _Pattern(pattern, bits)


def matches(pattern: str, text: str, flags: str = "", *, full: bool = False) -> bool:
    """Whether the pattern is found in the text, or is the whole of it. FhirPathError for one that is wrong or too dear."""
    found = _pattern(pattern, flags)
    if len(text) > MAX_SUBJECT:
        raise TooDear("Texte trop long pour une expression régulière.")
    if found.cheap(len(text)):
        return (found.compiled.fullmatch if full else found.compiled.search)(text) is not None
    return found.automaton(full).accepts(text)


_GROUP = re.compile(r"\$(?:\{([A-Za-z_][A-Za-z0-9_]*)\}|([0-9]))|\\(.)", re.DOTALL)


def replace(pattern: str, substitution: str, text: str, flags: str = "") -> str:
    """Every match replaced; `$1` and `${name}` stand for groups. FhirPathError for a pattern that is wrong or too dear."""
    found = _pattern(pattern, flags)
    if not found.cheap(len(text)):
        raise TooDear("Expression régulière trop coûteuse pour replaceMatches() : simplifiez ses répétitions.")

    def one(match: re.Match[str]) -> str:
        def group(reference: re.Match[str]) -> str:
            name, number, escaped = reference.groups()
            if escaped is not None:
                return str(escaped)
            try:
                return match.group(name or int(number)) or ""
            except (IndexError, error_type):
                raise FhirPathError("Groupe inconnu dans le texte de remplacement.") from None

        return _GROUP.sub(group, substitution)

    return found.compiled.sub(one, text)


error_type = re.error
