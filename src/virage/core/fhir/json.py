"""JSON as FHIR needs it: fast, with the decimals kept as they were written, and nothing that could harm the reader.

`loads` reads with orjson. Two things orjson cannot keep are found by cheap counts over the raw bytes. Decimals whose text
matters (`72.50`, `1.0E-24`) are put in their place as `WireDecimal`. Only where a value might have had two texts, or a key may be
given twice in one object, which is refused, is the text read a second time by the standard library.
"""

import json
import re
from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any

import orjson

from virage.core.errors import Malformed

MAX_DEPTH = 100  # R4 resources stay under 30; beyond, recursive readers further down would be at risk
MAX_NUMBER = 64  # characters of one number
MAX_EXPONENT = 307  # what a double holds; the R4 examples go to 1.0E245

_BLANKS = b" \t\r\n"
# A member with a point or an exponent, or an integer too long for 64 bits: nothing else begins so, but for a text that quotes one.
_FINE_NUMBER = re.compile(rb'":(-?\d+(?:\.\d+(?:[eE][+-]?\d+)?|[eE][+-]?\d+)|-?\d{19,})')


class WireDecimal(Decimal):
    """A decimal that remembers how it was written, so that it leaves as it came in."""

    __slots__ = ("text",)
    text: str

    def __new__(cls, text: str) -> "WireDecimal":
        value = super().__new__(cls, text)
        value.text = text
        return value

    def __copy__(self) -> "WireDecimal":
        return self

    def __deepcopy__(self, memo: Any) -> "WireDecimal":
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (WireDecimal, (self.text,))


class MalformedJson(Malformed):
    """The bytes are not JSON that this house reads; the sentence says where and why."""

    code = "FHIR.JSON"


def loads(data: bytes) -> dict[str, Any]:
    """Read one JSON object. Raises MalformedJson (400) for anything that is not one, or that is a bomb."""
    value = read(data)
    if type(value) is not dict:
        raise MalformedJson(f"Un objet JSON est attendu, entre accolades ; ici c'est {_kind(value)}.")
    return value


def read(data: bytes) -> Any:
    """Read any JSON value with the same care: a JSON Patch is an array."""
    if data[:3] == b"\xef\xbb\xbf":
        data = data[3:]
    if not data.strip():
        raise MalformedJson("Le corps de la requête est vide : une ressource FHIR en JSON est attendue.")
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise _refusal(data, error) from None
    if data.count(b"[") + data.count(b"{") < MAX_DEPTH and orjson.dumps(value) == data.rstrip():
        # Written again it is what it was: no key was given twice, no decimal lost anything, and it cannot be deep.
        return _without_nul(data, value)
    keys, decimals, listed = _measure(value)
    # Every key is followed by `":`; fewer keys than that means a key given twice, or a text that holds the same bytes.
    bare = data.translate(None, _BLANKS)
    try:
        if listed or keys != bare.count(b'":') or (decimals and not _restored(bare, decimals)):
            value = _careful(data)
    except MalformedJson as error:
        raise error.located(place_of(value, _is_extreme)) from None
    return _without_nul(data, value)


def _is_extreme(value: Any) -> bool:
    return type(value) is float and value != 0 and abs(Decimal(value).adjusted()) > MAX_EXPONENT


def place_of(value: Any, test: Callable[[Any], bool]) -> str:
    """The path of the first value, or of the first object that has a key, which meets the test; empty when none does."""
    kind = value.get("resourceType") if type(value) is dict else None
    waiting: list[tuple[Any, str]] = [(value, kind if isinstance(kind, str) and kind.isalpha() else "")]
    while waiting:
        item, path = waiting.pop()
        if test(item):
            return path
        below: list[tuple[Any, str]] = []
        if type(item) is dict:
            if any(test(key) for key in item):
                return path
            below = [(child, f"{path}.{_shown(key)}".lstrip(".")) for key, child in item.items()]
        elif type(item) is list:
            below = [(child, f"{path}[{index}]") for index, child in enumerate(item)]
        waiting += reversed(below)
    return ""


def _restored(bare: bytes, decimals: list[tuple[dict[str, Any], str]]) -> bool:
    """Give the decimals whose text matters their text back; false when it cannot be told which is whose.

    No text holds `":`, so that what is found are members' numbers, all of them.
    """
    texts: dict[float, bytes] = {}
    exact: dict[float, float | Decimal] = {}
    for token in set(_FINE_NUMBER.findall(bare)):
        if b"." not in token and b"e" not in token and b"E" not in token:
            return False  # an integer too long for 64 bits, or nearly
        quick = float(token)
        if texts.setdefault(quick, token) != token:
            return False
        if not _plain(token):
            exact[quick] = number(token.decode())
    if exact:
        for owner, key in decimals:
            found = exact.get(owner[key])
            if found is not None:
                owner[key] = found
    return True


def _without_nul(data: bytes, value: Any) -> Any:
    if b"\\u0000" in data and _holds_nul(value):
        raise MalformedJson(
            "Un texte contient le caractère nul (U+0000), que FHIR interdit : retirez-le.",
            path=place_of(value, lambda each: type(each) is str and "\x00" in each),
        )
    return value


def dumps(value: Any) -> bytes:
    """Write compact UTF-8 JSON; decimals leave with the text they came in with."""
    return orjson.dumps(value, default=_fragment)


def pretty(value: Any) -> bytes:
    """Write JSON for human eyes, two spaces a level."""
    return orjson.dumps(value, default=_fragment, option=orjson.OPT_INDENT_2)


def fragment(body: bytes) -> orjson.Fragment:
    """JSON bytes to be placed as they are inside a larger value given to `dumps`."""
    return orjson.Fragment(body)


def number(text: str) -> float | Decimal:
    """The value of a decimal's text: a float where writing it gives the same text again, a WireDecimal elsewhere."""
    if len(text) > MAX_NUMBER:
        raise MalformedJson(f"Un nombre de {len(text)} caractères est refusé : {MAX_NUMBER} au plus.")
    if "e" not in text and "E" not in text:
        quick = float(text)
        if repr(quick) == text:
            return quick
    try:
        value = WireDecimal(text)
    except InvalidOperation:
        raise MalformedJson("Un nombre est illisible.") from None
    if abs(value.adjusted()) > MAX_EXPONENT:
        raise MalformedJson(f"Un nombre hors de toute mesure est refusé : l'exposant est limité à {MAX_EXPONENT}.")
    return value


def _plain(token: bytes) -> bool:
    text = token.decode()
    return "." in text and "e" not in text and "E" not in text and len(text) < MAX_NUMBER and repr(float(text)) == text


def _fragment(value: Any) -> Any:
    if isinstance(value, WireDecimal):
        return orjson.Fragment(value.text)
    if isinstance(value, Decimal) and value.is_finite():
        return orjson.Fragment(str(value))
    if isinstance(value, tuple | frozenset | set):
        return list(value)
    raise TypeError(f"{type(value).__name__} has no place in JSON")


def _measure(value: Any) -> tuple[int, list[tuple[dict[str, Any], str]], bool]:
    """Count the keys, tell which members are decimals and whether a list holds some (none does in FHIR); refuse a depth beyond
    MAX_DEPTH. Level by level, so that no depth can hurt.
    """
    keys = 0
    depth = 0
    decimals: list[tuple[dict[str, Any], str]] = []
    listed = type(value) is float
    level = [value]
    while level:
        depth += 1
        if depth > MAX_DEPTH:
            raise MalformedJson(f"Le JSON est imbriqué sur plus de {MAX_DEPTH} niveaux : c'est refusé.")
        below: list[Any] = []
        push: Callable[[Any], None] = below.append
        for item in level:
            if type(item) is dict:
                keys += len(item)
                for name, child in item.items():
                    kind = type(child)
                    if kind is str:
                        continue
                    if kind is dict or kind is list:
                        push(child)
                    elif kind is float:
                        decimals.append((item, name))
            elif type(item) is list:
                for child in item:
                    kind = type(child)
                    if kind is dict or kind is list:
                        push(child)
                    elif kind is float:
                        listed = True
        level = below
    return keys, decimals, listed


def _careful(data: bytes) -> Any:
    """The second reading: exact decimals, keys given twice refused. Depth was measured before."""
    return json.loads(data.decode(), parse_float=number, parse_int=_integer, object_pairs_hook=_object)


def _integer(text: str) -> int | float | Decimal:
    return int(text) if len(text) < 19 else number(text)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise MalformedJson(f"La propriété « {_shown(key)} » est donnée deux fois dans le même objet JSON.")
            seen.add(key)
    return value


def _shown(key: str) -> str:
    """A key as errors may repeat it: what is no name of an element could be anything."""
    return key if key.isidentifier() and len(key) < 64 else "?"


def _holds_nul(value: Any) -> bool:
    if type(value) is str:
        return "\x00" in value
    if type(value) is dict:
        return any("\x00" in key or _holds_nul(child) for key, child in value.items())
    return type(value) is list and any(_holds_nul(child) for child in value)


def _kind(value: Any) -> str:
    if type(value) is list:
        return "un tableau"
    if type(value) is str:
        return "un texte"
    return "la valeur null" if value is None else "un nombre ou un booléen"


def _refusal(data: bytes, error: orjson.JSONDecodeError) -> MalformedJson:
    try:
        data.decode()
    except UnicodeDecodeError as bad:
        return MalformedJson(f"Le corps n'est pas en UTF-8 : l'octet {bad.start + 1} est illisible.")
    if "recursion" in error.msg.lower() or "depth" in error.msg.lower():
        return MalformedJson(f"Le JSON est imbriqué sur plus de {MAX_DEPTH} niveaux : c'est refusé.")
    if "infinit" in error.msg.lower():
        return MalformedJson(
            f"Un nombre hors de toute mesure est refusé à la ligne {error.lineno}, colonne {error.colno} : l'exposant est limité "
            f"à {MAX_EXPONENT}."
        )
    return MalformedJson(f"Le JSON est illisible à la ligne {error.lineno}, colonne {error.colno}.")
