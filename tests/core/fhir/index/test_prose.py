"""The stems of words: the same whoever else asks at the same time."""

import sys
import threading
from itertools import product

import snowballstemmer

from virage.core.fhir.index import prose

WORDS = [
    "".join(parts)
    for parts in product(("ma", "cli", "bro", "para"), ("ti", "on", "nat"), ("er", "ment", "ique", "tion"))
]


def test_threads_do_not_cut_each_others_words() -> None:
    words = [word + ending for word in WORDS for ending in ("s", "nes", "ale", "eux", "ees", "ite")]
    alone = snowballstemmer.stemmer("french")
    expected = {word: (prose.plain(alone.stemWord(word)),) for word in words}
    found: list[tuple[str, object]] = []

    def stem(mine: list[str]) -> None:
        for word in mine:
            try:
                found.append((word, prose.stems(word)))
            except IndexError as error:
                found.append((word, error))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    prose.stems.cache_clear()
    try:
        threads = [threading.Thread(target=stem, args=(words[first::4],)) for first in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
        prose.stems.cache_clear()
    assert len(found) == len(words)
    assert {word: stems for word, stems in found if stems != expected[word]} == {}
