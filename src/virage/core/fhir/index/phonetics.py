"""How a name sounds, roughly, to French and English ears: Dupont as Dupond, Philippe as Filip, Smith as Smythe. Pure.

R4 leaves the algorithm of the parameter `phonetic` to the server. Consonants are kept by their sound, vowels only at the beginning, and the
letters that are not heard at the end of a French name are left out.
"""

import re
from functools import lru_cache

from virage.core.fhir.index.strings import words

CODE = "phonetic"

# In this order; a capital is a sound that no later rule touches.
_RULES = [
    (re.compile(pattern), sound)
    for pattern, sound in (
        (r"(.)\1+", r"\1"),
        (r"e?au(?:l?[tdx]|lts)?$", "o"),
        (r"ph", "f"),
        (r"ch(?=[rl])", "k"),
        (r"sch|sh|ch", "C"),
        (r"th", "T"),
        (r"gn", "N"),
        (r"qu?|ck", "k"),
        (r"c(?=[eiy])", "s"),
        (r"c", "k"),
        (r"gu(?=[eiy])", "G"),
        (r"g(?=[eiy])", "j"),
        (r"w", "v"),
        (r"z", "s"),
        (r"x(?!$)", "ks"),
        (r"h", ""),
        (r"m(?=[bp])", "n"),
        (r"(?<=[aeiouynr])[dtsx]+$", ""),
        (r"T", "t"),
        (r"G", "g"),
        (r"^[aeiouy]+", "A"),
        (r"[aeiouy]", ""),
        (r"(.)\1+", r"\1"),
    )
]


@lru_cache(maxsize=16384)
def sound(word: str) -> str:
    """The code of a folded word; numbers stay as they are."""
    found = word
    for pattern, by in _RULES:
        found = pattern.sub(by, found)
    return found or word


def sounds(text: str) -> tuple[str, ...]:
    """The codes of the words of a text, each once."""
    return tuple(dict.fromkeys(map(sound, words(text))))
