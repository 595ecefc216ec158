"""`_text` (the narrative) and `_content` (everything that people read): words, `and`, `or`, `not`, parentheses, quotes."""

import re

from virage.core.fhir.index import keys
from virage.core.fhir.index import prose as words
from virage.core.fhir.search.context import has
from virage.core.fhir.search.errors import BadSearch, TooDear, await_revision, bad_value
from virage.core.fhir.search.sql import TRUE, Sql, every, no, some

MAX_WORDS = 50
_DEPTH = 10
_PIECE = re.compile(r'[()|,]|"[^"]*"?|[^\s()|,"]+')


def prose(space: int, type_: str, name: str, value: str) -> Sql:
    """The resources whose text holds what is asked, whatever the endings, the case and the accents. Raises BadSearch."""
    await_revision(name)
    reader = _Reader(space, type_, name, value)
    found = reader.either(0)
    if reader.left():
        raise bad_value(name, "une parenthèse fermante n'a pas d'ouvrante.")
    if found is TRUE:
        raise bad_value(name, "donnez au moins un mot qui ait un sens.")
    return found


class _Reader:
    def __init__(self, space: int, type_: str, name: str, value: str) -> None:
        self.name = name
        sources = (words.TEXT,) if name == words.TEXT else (words.TEXT, words.CONTENT)
        self.keys = [keys.param_hash(space, type_, each) for each in sources]
        self.pieces = _PIECE.findall(value)[::-1]
        if len(self.pieces) > 4 * MAX_WORDS:
            raise TooDear(f"Une recherche dans le texte compte {MAX_WORDS} mots au plus.", path=name)

    def left(self) -> bool:
        return bool(self.pieces)

    def next_is(self, *signs: str) -> bool:
        if self.pieces and self.pieces[-1].lower() in signs:
            self.pieces.pop()
            return True
        return False

    def either(self, depth: int) -> Sql:
        if depth > _DEPTH:
            raise TooDear(f"Des parenthèses s'emboîtent {_DEPTH} fois au plus.", path=self.name)
        parts = [self.all(depth)]
        while self.next_is("or", "|", ","):
            parts.append(self.all(depth))
        kept = [part for part in parts if part is not TRUE]
        return some(kept) if kept else TRUE

    def all(self, depth: int) -> Sql:
        parts: list[Sql] = []
        while self.pieces and self.pieces[-1].lower() not in ("or", "|", ",", ")"):
            if self.next_is("and"):
                continue
            parts.append(self.one(depth))
        return every(parts)

    def one(self, depth: int) -> Sql:
        if self.next_is("not"):
            if not self.pieces:
                raise bad_value(self.name, "« not » attend un mot.")
            inner = self.one(depth + 1)
            return TRUE if inner is TRUE else no(inner)
        if self.next_is("("):
            found = self.either(depth + 1)
            if not self.next_is(")"):
                raise bad_value(self.name, "il manque une parenthèse fermante.")
            return found
        if depth > 4 * _DEPTH:
            raise BadSearch("« not » se répète trop.", path=self.name)
        return every([self.word(each) for each in words.words(self.pieces.pop())])

    def word(self, word: str) -> Sql:
        stems = words.stems(word)
        if not stems:
            return TRUE
        return has([(key ^ keys.value_hash(keys.stem(each))) & keys.MASK for key in self.keys for each in stems])
