"""Whether a text is an expression of the SNOMED CT constraint language (ECL 2.2): its form, not what it finds.

Filters and history supplements (`{{ … }}`) are skipped over: what stands within them is not judged.
"""

import re

MAX_DEPTH = 40
_TOKEN = re.compile(
    r"\s*(?:(?P<code>[0-9]{6,18})(?P<term>\s*\|[^|]*\|)?|(?P<compare>!=|<=|>=)|(?P<op><<!|>>!|<!|>!|<<|>>|<|>|\^|!!>|!!<)"
    r"|(?P<word>(?i:AND|OR|MINUS)\b)|(?P<count>\[\s*[0-9]+\s*\.\.\s*(?:[0-9]+|\*)\s*\])|(?P<more>\{\{[^{}]*\}\})"
    r"|(?P<sign>[(){}:,.=*])|(?P<value>#[+-]?[0-9.]+|\"(?:[^\"\\\\]|\\\\.)*\"|(?i:true|false)\b)|(?P<reverse>R\b))"
)
_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)


class _Bad(Exception):
    """Not an expression."""


def is_readable(text: str) -> bool:
    """Whether the whole text reads as one expression constraint."""
    text = _COMMENT.sub(" ", text).strip()
    tokens: list[tuple[str, str]] = []
    place = 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None or match.end() == place:
            return False
        kind = str(match.lastgroup if match.lastgroup != "term" else "code")
        tokens.append((kind, str(match[kind]).upper()))
        place = match.end()
    reader = _Reader(tokens)
    try:
        reader.expression(0)
    except _Bad:
        return False
    return reader.at == len(tokens)


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = [each for each in tokens if each[0] != "more"]
        self.at = 0
        tokens[:] = self.tokens

    def _is(self, kind: str, *texts: str) -> bool:
        if self.at >= len(self.tokens):
            return False
        found, text = self.tokens[self.at]
        return found == kind and (not texts or text in texts)

    def _take(self, kind: str, *texts: str) -> bool:
        if not self._is(kind, *texts):
            return False
        self.at += 1
        return True

    def expression(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Bad
        self._operand(depth)
        if self._take("sign", ":"):
            self._refinement(depth)
        while self._take("word") or self._take("sign", ","):
            self._operand(depth)
            if self._take("sign", ":"):
                self._refinement(depth)

    def _operand(self, depth: int) -> None:
        while self._take("op"):
            pass
        if self._take("sign", "("):
            self.expression(depth + 1)
            if not self._take("sign", ")"):
                raise _Bad
        elif not (self._take("code") or self._take("sign", "*")):
            raise _Bad
        while self._take("sign", "."):
            self._operand(depth + 1)

    def _refinement(self, depth: int) -> None:
        self._attribute(depth)
        while self._is("word", "AND", "OR") or self._is("sign", ","):
            before = self.at
            self.at += 1
            try:
                self._attribute(depth)
            except _Bad:
                self.at = before
                return

    def _attribute(self, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise _Bad
        self._take("count")
        for opening, closing in (("{", "}"), ("(", ")")):
            if self._is("sign", opening):
                before = self.at
                self.at += 1
                try:
                    self._refinement(depth + 1)
                except _Bad:
                    self.at = before
                    break
                if self._take("sign", closing) and not (self._is("sign", "=") or self._is("compare")):
                    return
                self.at = before
        self._take("reverse")
        self._operand(depth + 1)
        if not (self._take("sign", "=") or self._take("compare") or self._take("op", "<", ">")):
            raise _Bad
        if not self._take("value"):
            self._operand(depth + 1)
