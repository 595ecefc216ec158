"""The words of a resource for `_text` and `_content`: French stems, hashed like any other token. Pure.

`_text` are the words of the narrative, `_content` those of every other text that people read. A word is kept by its stem as
written and by its stem without accents, so that whoever leaves accents out finds it too.
"""

import html
import re
import threading
import unicodedata
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any

import snowballstemmer

from virage.core.fhir import definitions
from virage.core.fhir.index import keys

TEXT, CONTENT = "_text", "_content"
MOST = 200_000  # characters of one text
_DEEPEST = 12
_WORD = re.compile(r"[^\W_]+")
_TAG = re.compile(r"<[^<>]*>")
# What French prose is made of and no search is for.
_EMPTY = frozenset(
    [
        "au",
        "aux",
        "avec",
        "ce",
        "ces",
        "cet",
        "cette",
        "dans",
        "de",
        "des",
        "du",
        "elle",
        "en",
        "est",
        "et",
        "eux",
        "il",
        "ils",
        "je",
        "la",
        "le",
        "les",
        "leur",
        "leurs",
        "lui",
        "ma",
        "mais",
        "me",
        "mes",
        "moi",
        "mon",
        "ne",
        "nos",
        "notre",
        "nous",
        "on",
        "ou",
        "ou",
        "par",
        "pas",
        "pour",
        "qu",
        "que",
        "qui",
        "sa",
        "se",
        "ses",
        "son",
        "sont",
        "sur",
        "ta",
        "te",
        "tes",
        "toi",
        "ton",
        "tu",
        "un",
        "une",
        "vos",
        "votre",
        "vous",
    ]
)
# Texts by their type that nobody reads.
_UNREAD = frozenset([("Reference", "reference"), ("Coding", "version"), ("Quantity", "unit"), ("SampledData", "data")])
_stemmer = snowballstemmer.stemmer("french")
_stemming = threading.Lock()  # it keeps the word at hand in itself: two threads at once would cut each other's words


def plain(text: str) -> str:
    """Without accents."""
    if text.isascii():
        return text
    opened = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("æ", "ae"))
    return "".join(char for char in opened if not unicodedata.combining(char))


@lru_cache(maxsize=65536)
def stems(word: str) -> tuple[str, ...]:
    """The stems of a word in lower case, without accents; none for a word that says nothing."""
    bare = plain(word)
    if len(bare) < 2 and not bare.isdigit():
        return ()
    if bare in _EMPTY:
        return ()
    with _stemming:
        found = plain(_stemmer.stemWord(unicodedata.normalize("NFC", word)))
        return (found,) if bare == word else tuple(dict.fromkeys((found, _stemmer.stemWord(bare))))


def words(text: str) -> list[str]:
    """The words of a text, in lower case."""
    return _WORD.findall(unicodedata.normalize("NFC", text[:MOST]).lower())


@lru_cache(maxsize=16384)
def _hashes(text: str) -> frozenset[int]:
    return frozenset(keys.value_hash(keys.stem(stem)) for word in words(text) for stem in stems(word))


def hashes(text: str) -> frozenset[int]:
    """The hashes of the stems of a text; short ones, which come again and again, are remembered."""
    return _hashes(text) if len(text) <= 200 else _hashes.__wrapped__(text)


def narrative(resource: Mapping[str, Any]) -> str:
    """The words of the narrative, without its tags."""
    text = resource.get("text")
    div = text.get("div") if type(text) is dict else None
    return html.unescape(_TAG.sub(" ", div[:MOST])) if type(div) is str else ""


@cache
def read(type_: str) -> Mapping[str, str]:
    """The properties of a type where there is something to read, the narrative left out: "" for a text, or the type that it is in."""
    found: dict[str, str] = {}
    for name, (element, ref) in definitions.element(type_).properties.items():
        if name == "id" or (type_, name) in _UNREAD or (name == "text" and type_ in definitions.resource_types()):
            continue
        if ref.code in ("string", "markdown"):
            found[name] = ""
        elif ref.code[:1].isupper() and ref.code not in ("Meta", "Period"):
            found[name] = element.type_name(ref.code)
    return found


def gather(value: Any, below: str, found: list[str], depth: int = 0) -> None:
    """Add every text that people read in the value of a property; `below` is what `read` says of it."""
    for item in value if type(value) is list else (value,):
        if not below:
            if type(item) is str:
                found.append(item)
        elif type(item) is dict and depth < _DEEPEST:
            kind = item.get("resourceType", "") if below in ("Resource", "DomainResource") else below
            if below == kind or kind in definitions.resource_types():
                known = read(kind)
                for name, inside in item.items():
                    within = known.get(name)
                    if within is not None:
                        gather(inside, within, found, depth + 1)
