"""Characters to tokens, by the lexical rules of FHIRPath N1."""

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from virage.core.fhir.fhirpath.errors import FhirPathError
from virage.core.fhir.fhirpath.temporal import Date, DateTime, Time

MAX_LENGTH = 20_000
MAX_TOKENS = 6_000
MAX_DIGITS = 64

_CLOCK = r"\d{2}(?::\d{2}(?::\d{2}(?:\.\d+)?)?)?"
_TOKEN = re.compile(
    rf"""
    (?P<space>(?:[ \t\r\n]|//[^\r\n]*|/\*.*?\*/)+)
  | (?P<time>@T{_CLOCK})
  | (?P<datetime>@\d{{4}}(?:-\d{{2}}(?:-\d{{2}})?)?T(?:{_CLOCK}(?:Z|[+-]\d{{2}}:\d{{2}})?)?)
  | (?P<date>@\d{{4}}(?:-\d{{2}}(?:-\d{{2}})?)?)
  | (?P<number>[0-9]+(?:\.[0-9]+)?)
  | (?P<string>'(?:[^'\\]|\\.)*')
  | (?P<delimited>`(?:[^`\\]|\\.)*`)
  | (?P<special>\$[A-Za-z]+)
  | (?P<word>[A-Za-z_][A-Za-z0-9_]*)
  | (?P<sign><=|>=|!=|!~|[-<>=~|&+*/.,()\[\]{{}}%])
    """,
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|.?)", re.DOTALL)
_ESCAPED = {"'": "'", '"': '"', "`": "`", "\\": "\\", "/": "/", "n": "\n", "r": "\r", "t": "\t", "f": "\f"}


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is literal (a value), string, name (delimited), word, special, sign or end."""

    kind: str
    value: Any
    position: int


def tokenize(expression: str) -> list[Token]:
    """The tokens, the last one of kind `end`. FhirPathError on a character that begins none."""
    if len(expression) > MAX_LENGTH:
        raise FhirPathError(f"Expression trop longue : {MAX_LENGTH} caractères au plus.")
    tokens: list[Token] = []
    place = 0
    while place < len(expression):
        found = _TOKEN.match(expression, place)
        if found is None:
            raise FhirPathError(_complaint(expression, place), place)
        kind = str(found.lastgroup)
        if kind != "space":
            tokens.append(_token(kind, found.group(), place))
            if len(tokens) > MAX_TOKENS:
                raise FhirPathError("Expression trop longue : simplifiez-la.", place)
        place = found.end()
    tokens.append(Token("end", "", place))
    return tokens


def _complaint(expression: str, place: int) -> str:
    if expression.startswith("/*", place):
        return "Commentaire sans fin : fermez-le par « */ »."
    if expression[place] in "'`":
        return "Texte sans fin : fermez-le par le guillemet qui l’ouvre."
    return "Caractère inattendu dans l’expression."


def _token(kind: str, text: str, place: int) -> Token:
    if kind == "number":
        return Token("literal", _number(text, place), place)
    if kind == "string":
        return Token("string", _unescape(text[1:-1], place), place)
    if kind == "delimited":
        return Token("name", _unescape(text[1:-1], place), place)
    if kind == "special":
        return Token("special", text[1:], place)
    if kind in ("date", "datetime", "time"):
        maker: Any = {"date": Date, "datetime": DateTime, "time": Time}[kind]
        value = maker.parse(text[2:] if kind == "time" else text[1:])
        if value is None:
            raise FhirPathError("Date ou heure qui n’existe pas.", place)
        return Token("literal", value, place)
    return Token(kind, text, place)


def _number(text: str, place: int) -> Decimal | int:
    if len(text) > MAX_DIGITS:
        raise FhirPathError(f"Nombre trop long : {MAX_DIGITS} caractères au plus.", place)
    if "." in text:
        return Decimal(text)
    value = int(text)
    # One more than the largest: its opposite is the smallest.
    if value > 2**63:
        raise FhirPathError("Entier hors de mesure : 64 bits au plus ; ajoutez « .0 » pour un décimal.", place)
    return value


def _unescape(text: str, place: int) -> str:
    if "\\" not in text:
        return text

    def one(found: re.Match[str]) -> str:
        code = found.group(1)
        if len(code) == 5:
            return chr(int(code[1:], 16))
        if code not in _ESCAPED:
            raise FhirPathError("Séquence d’échappement inconnue.", place)
        return _ESCAPED[code]

    whole = _ESCAPE.sub(one, text)
    try:
        # Characters beyond U+FFFF are written as two escapes.
        return whole.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise FhirPathError("Une moitié de caractère (\\uD800 à \\uDFFF) ne va pas seule.", place) from None
