"""How strings are compared: case, accents and repeated spaces do not count. Pure."""

import re
import unicodedata
from functools import lru_cache

MAX = 200
_WORD = re.compile(r"[^\W_]+")


@lru_cache(maxsize=16384)
def fold(text: str) -> str:
    """The form under which a string is indexed and sought, at most 200 characters: « Éloïse  D'Arc » → « eloise d'arc »."""
    if text.isascii():
        return " ".join(text.lower().split())[:MAX]
    plain = unicodedata.normalize("NFKD", text.replace("’", "'").replace("œ", "oe").replace("Œ", "oe"))
    return " ".join("".join(c for c in plain if not unicodedata.combining(c)).casefold().split())[:MAX]


_MARK = re.compile(r"[^\w\s]|_")


@lru_cache(maxsize=16384)
def unmarked(folded: str) -> tuple[str, ...]:
    """The forms without punctuation of a folded string that has some: « o'brien » → « o brien », « obrien ».

    R4 asks that punctuation be ignored: written with a hyphen, with a space or as one word, a name is the same.
    """
    if not _MARK.search(folded):
        return ()
    forms = (" ".join(_MARK.sub(with_, folded).split()) for with_ in (" ", ""))
    return tuple(dict.fromkeys(form for form in forms if form))


@lru_cache(maxsize=16384)
def words(text: str) -> tuple[str, ...]:
    """The words of a text, folded, each once, forty at most."""
    return tuple(dict.fromkeys(_WORD.findall(fold(text))))[:40]


def after(prefix: str) -> str | None:
    """The first string after all those that begin with the prefix, in the order of code points; None when there is none."""
    for cut in range(len(prefix) - 1, -1, -1):
        point = ord(prefix[cut])
        if point < 0x10FFFF:
            following = point + 1
            if 0xD800 <= following <= 0xDFFF:
                following = 0xE000
            return prefix[:cut] + chr(following)
    return None
