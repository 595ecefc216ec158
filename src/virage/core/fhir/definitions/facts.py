"""Reading the committed file of R4 facts, chunk by chunk: opening it costs the index alone."""

import functools
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import orjson

_PATH = Path(__file__).parent / "data" / "r4.facts"


class _Facts:
    """The file kept packed in memory (under a megabyte) with its index."""

    def __init__(self, path: Path) -> None:
        data = path.read_bytes()
        first = data.index(b"\n") + 1
        second = data.index(b"\n", first) + 1
        start = second + int(data[first:second])
        index = orjson.loads(zlib.decompress(data[second:start]))
        self.header = data[: first - 1].decode()
        self.kinds: Mapping[str, str] = index["kinds"]
        self.places: Mapping[str, list[int]] = index["chunks"]
        self._body = memoryview(data)[start:]
        offset, size = index["dictionary"]
        self._dictionary = zlib.decompress(self._body[offset : offset + size])

    def read(self, name: str) -> Any:
        offset, size = self.places[name]
        opener = zlib.decompressobj(zlib.MAX_WBITS, self._dictionary)
        return orjson.loads(opener.decompress(self._body[offset : offset + size]) + opener.flush())


@functools.cache
def _facts() -> _Facts:
    return _Facts(_PATH)


def source() -> str:
    """Where the facts come from: source, licence, maker (first line of the file)."""
    return _facts().header


def kinds() -> Mapping[str, str]:
    """Every type with its kind: `resource`, `complex-type`, `primitive-type`, or `abstract-` before one of them."""
    return _facts().kinds


def names(kind: str) -> list[str]:
    """Names of the chunks of one kind: canonical URLs for `profile`, `valueset`, `codesystem`; type names for `type`."""
    start = kind + "/"
    return [name[len(start) :] for name in _facts().places if name.startswith(start)]


def has(name: str) -> bool:
    """Whether the chunk exists."""
    return name in _facts().places


def chunk(name: str) -> Any:
    """One chunk, parsed anew each time: the caller keeps what it needs. KeyError if there is none of this name."""
    return _facts().read(name)
