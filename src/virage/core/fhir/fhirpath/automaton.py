"""A regular expression as a set of states that reads each character once: time in proportion to the text.

Built from the tree that Python's own reader gives, states being merged into those of a deterministic machine as they are
met. What needs memory of the text (backward references, looking around) has no such form.
"""

import re
from re import _constants as codes  # type: ignore[attr-defined]
from typing import Any

MAX_STATES = 5_000
MAX_CACHE = 20_000


class Unsupported(Exception):
    """The pattern has no automaton, or too large a one."""


_CATEGORIES = {
    codes.CATEGORY_DIGIT: r"\d",
    codes.CATEGORY_NOT_DIGIT: r"\D",
    codes.CATEGORY_SPACE: r"\s",
    codes.CATEGORY_NOT_SPACE: r"\S",
    codes.CATEGORY_WORD: r"\w",
    codes.CATEGORY_NOT_WORD: r"\W",
}
_STARTS = (codes.AT_BEGINNING, codes.AT_BEGINNING_STRING)
_ENDS = (codes.AT_END, codes.AT_END_STRING)
States = frozenset[int]


class Automaton:
    """Reads a text and says whether it is accepted."""

    def __init__(self, tree: Any, flags: int, *, full: bool) -> None:
        self.flags = flags
        self.full = full
        # For each state: what it reads (a one-character pattern) or the condition it passes, and where it leads.
        self.reads: list[re.Pattern[str] | None] = []
        self.passes: list[str] = []
        self.leads: list[list[int]] = []
        if flags & re.MULTILINE:
            raise Unsupported
        self.final = self._state()
        self.first = self._build(tree, self.final)
        self._cache: dict[tuple[States, str], States] = {}
        self._closures: dict[tuple[States, bool, bool], States] = {}

    def accepts(self, text: str) -> bool:
        """Whether the whole text, or a part of it when searching, is matched."""
        start = frozenset({self.first})
        current = self._closed(start, True, not text)
        size = len(text)
        for place, character in enumerate(text):
            if not self.full and self.final in current:
                return True
            last = place == size - 1
            current = self._after(current, character)
            if not self.full:
                current |= start
            elif not current:
                return False
            current = self._closed(current, False, last)
        return self.final in current

    def _after(self, states: States, character: str) -> States:
        known = self._cache.get((states, character))
        if known is None:
            found: set[int] = set()
            for state in states:
                pattern = self.reads[state]
                if pattern is not None and pattern.match(character):
                    found.update(self.leads[state])
            known = frozenset(found)
            if len(self._cache) > MAX_CACHE:
                self._cache.clear()
            self._cache[states, character] = known
        return known

    def _closed(self, states: States, at_start: bool, at_end: bool) -> States:
        known = self._closures.get((states, at_start, at_end))
        if known is not None:
            return known
        found: set[int] = set()
        waiting = list(states)
        while waiting:
            state = waiting.pop()
            if state in found:
                continue
            condition = self.passes[state]
            if (condition == "start" and not at_start) or (condition == "end" and not at_end):
                continue
            found.add(state)
            if self.reads[state] is None:
                waiting.extend(self.leads[state])
        closed = frozenset(found)
        if len(self._closures) > MAX_CACHE:
            self._closures.clear()
        self._closures[states, at_start, at_end] = closed
        return closed

    def _state(self, reads: re.Pattern[str] | None = None, leads: tuple[int, ...] = (), passes: str = "") -> int:
        if len(self.leads) >= MAX_STATES:
            raise Unsupported
        self.reads.append(reads)
        self.passes.append(passes)
        self.leads.append(list(leads))
        return len(self.leads) - 1

    def _build(self, tree: Any, after: int) -> int:
        """The first state of a sequence that leads to `after`."""
        for code, argument in reversed(list(tree)):
            after = self._element(code, argument, after)
        return after

    def _element(self, code: Any, argument: Any, after: int) -> int:
        if code is codes.LITERAL:
            return self._reading(re.escape(chr(argument)), after)
        if code is codes.NOT_LITERAL:
            return self._reading(f"[^{re.escape(chr(argument))}]", after)
        if code is codes.ANY:
            return self._reading(".", after)
        if code is codes.IN:
            return self._reading(_class(argument), after)
        if code is codes.SUBPATTERN:
            if argument[1] or argument[2]:
                raise Unsupported
            return self._build(argument[3], after)
        if code is codes.BRANCH:
            return self._state(leads=tuple(self._build(each, after) for each in argument[1]))
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT):
            return self._repeat(argument, after)
        if code is codes.AT and (argument in _STARTS or argument in _ENDS):
            return self._state(leads=(after,), passes="start" if argument in _STARTS else "end")
        raise Unsupported

    def _repeat(self, argument: Any, after: int) -> int:
        least, most, body = argument
        if most == codes.MAXREPEAT:
            loop = self._state(leads=(after,))
            self.leads[loop].append(self._build(body, loop))
            entry = loop
        else:
            entry = after
            for _ in range(most - least):
                entry = self._state(leads=(after, self._build(body, entry)))
        for _ in range(least):
            entry = self._build(body, entry)
        return entry

    def _reading(self, pattern: str, after: int) -> int:
        return self._state(re.compile(pattern, self.flags), (after,))


def _class(items: Any) -> str:
    inside, negated = "", False
    for code, argument in items:
        if code is codes.NEGATE:
            negated = True
        elif code is codes.LITERAL:
            inside += re.escape(chr(argument))
        elif code is codes.RANGE:
            inside += f"{re.escape(chr(argument[0]))}-{re.escape(chr(argument[1]))}"
        elif code is codes.CATEGORY and argument in _CATEGORIES:
            inside += _CATEGORIES[argument]
        else:
            raise Unsupported
    return f"[{'^' if negated else ''}{inside}]"
