"""Text."""

import base64
import binascii
import html
import json
import re

from virage.core.fhir.fhirpath import regex
from virage.core.fhir.fhirpath.errors import FhirPathError, TooDear
from virage.core.fhir.fhirpath.evaluation import MAX_TEXT, Evaluation
from virage.core.fhir.fhirpath.functions.registry import plain
from virage.core.fhir.fhirpath.values import FALSE, NONE, TRUE, Items, computed, integer, text


def _answer(value: bool) -> Items:
    return TRUE if value else FALSE


@plain("length")
def length(items: Items, env: Evaluation) -> Items:
    """`length()`"""
    value = text(items)
    return NONE if value is None else [len(value)]


@plain("indexOf", 1)
def index_of(items: Items, env: Evaluation, part: Items) -> Items:
    """`indexOf(substring)`"""
    value, sought = text(items), text(part)
    return NONE if value is None or sought is None else [value.find(sought)]


@plain("lastIndexOf", 1)
def last_index_of(items: Items, env: Evaluation, part: Items) -> Items:
    """`lastIndexOf(substring)`"""
    value, sought = text(items), text(part)
    return NONE if value is None or sought is None else [value.rfind(sought)]


@plain("substring", 1, 2)
def substring(items: Items, env: Evaluation, start: Items, count: Items | None = None) -> Items:
    """`substring(start[, length])`"""
    value, place = text(items), integer(start)
    if value is None or place is None or not 0 <= place < len(value):
        return NONE
    size = None if count is None else integer(count)
    if size is None:
        return [value[place:]]
    return [value[place : place + size]] if size > 0 else [""]


@plain("startsWith", 1)
def starts_with(items: Items, env: Evaluation, part: Items) -> Items:
    """`startsWith(prefix)`"""
    value, sought = text(items), text(part)
    return NONE if value is None or sought is None else _answer(value.startswith(sought))


@plain("endsWith", 1)
def ends_with(items: Items, env: Evaluation, part: Items) -> Items:
    """`endsWith(suffix)`"""
    value, sought = text(items), text(part)
    return NONE if value is None or sought is None else _answer(value.endswith(sought))


@plain("contains", 1)
def contains(items: Items, env: Evaluation, part: Items) -> Items:
    """`contains(substring)`"""
    value, sought = text(items), text(part)
    return NONE if value is None or sought is None else _answer(sought in value)


@plain("upper")
def upper(items: Items, env: Evaluation) -> Items:
    """`upper()`"""
    value = text(items)
    return NONE if value is None else [value.upper()]


@plain("lower")
def lower(items: Items, env: Evaluation) -> Items:
    """`lower()`"""
    value = text(items)
    return NONE if value is None else [value.lower()]


@plain("trim")
def trim(items: Items, env: Evaluation) -> Items:
    """`trim()`"""
    value = text(items)
    return NONE if value is None else [value.strip()]


@plain("replace", 2)
def replace(items: Items, env: Evaluation, pattern: Items, substitution: Items) -> Items:
    """`replace(pattern, substitution)`"""
    value, sought, other = text(items), text(pattern), text(substitution)
    if value is None or sought is None or other is None:
        return NONE
    if len(value) + value.count(sought) * len(other) > MAX_TEXT:
        raise TooDear("Texte trop long produit par replace().")
    return [env.text(value.replace(sought, other))]


@plain("toChars")
def to_chars(items: Items, env: Evaluation) -> Items:
    """`toChars()`"""
    value = text(items)
    if value is None:
        return NONE
    env.spend(len(value))
    return list(value)


@plain("split", 1)
def split(items: Items, env: Evaluation, separator: Items) -> Items:
    """`split(separator)`"""
    value, mark = text(items), text(separator)
    if value is None or mark is None:
        return NONE
    env.spend(len(value))
    return list(value.split(mark)) if mark else list(value)


@plain("join", 0, 1)
def join(items: Items, env: Evaluation, separator: Items = NONE) -> Items:
    """`join([separator])`"""
    parts = [value for value in map(computed, items) if value is not None]
    if not all(isinstance(value, str) for value in parts):
        raise FhirPathError("join() porte sur des textes.")
    if not parts:
        return NONE
    env.spend(len(parts))
    return [env.text((text(separator) or "").join(parts))]


@plain("matches", 1, 2)
def matches(items: Items, env: Evaluation, pattern: Items, flags: Items = NONE) -> Items:
    """`matches(regex[, flags])`: somewhere in the text."""
    value, expression = text(items), text(pattern)
    if value is None or expression is None:
        return NONE
    return _answer(regex.matches(expression, value, text(flags) or ""))


@plain("matchesFull", 1, 2)
def matches_full(items: Items, env: Evaluation, pattern: Items, flags: Items = NONE) -> Items:
    """`matchesFull(regex[, flags])`: the whole text."""
    value, expression = text(items), text(pattern)
    if value is None or expression is None:
        return NONE
    return _answer(regex.matches(expression, value, text(flags) or "", full=True))


@plain("replaceMatches", 2, 3)
def replace_matches(items: Items, env: Evaluation, pattern: Items, substitution: Items, flags: Items = NONE) -> Items:
    """`replaceMatches(regex, substitution[, flags])`; an empty expression changes nothing."""
    value, expression, other = text(items), text(pattern), text(substitution)
    if value is None or expression is None or other is None:
        return NONE
    if not expression:
        return [value]
    return [env.text(regex.replace(expression, other, value, text(flags) or ""))]


@plain("encode", 1)
def encode(items: Items, env: Evaluation, form: Items) -> Items:
    """`encode(format)`: hex, base64, urlbase64."""
    value, how = text(items), text(form)
    if value is None or how is None:
        return NONE
    data = value.encode("utf-8", "replace")
    if how == "hex":
        return [env.text(data.hex())]
    if how == "base64":
        return [env.text(base64.b64encode(data).decode())]
    if how == "urlbase64":
        return [env.text(base64.urlsafe_b64encode(data).decode())]
    return NONE


@plain("decode", 1)
def decode(items: Items, env: Evaluation, form: Items) -> Items:
    """`decode(format)`: nothing when the text is not of that format."""
    value, how = text(items), text(form)
    if value is None or how is None:
        return NONE
    try:
        if how == "hex":
            data = bytes.fromhex(value)
        elif how == "base64":
            data = base64.b64decode(value, validate=True)
        elif how == "urlbase64":
            data = base64.b64decode(value, altchars=b"-_", validate=True)
        else:
            return NONE
        return [data.decode()]
    except (ValueError, binascii.Error):
        return NONE


@plain("escape", 1)
def escape(items: Items, env: Evaluation, target: Items) -> Items:
    """`escape(target)`: html or json."""
    value, how = text(items), text(target)
    if value is None or how is None:
        return NONE
    if how == "html":
        return [env.text(html.escape(value, quote=True).replace("&#x27;", "&#39;"))]
    if how == "json":
        return [env.text(json.dumps(value, ensure_ascii=False)[1:-1])]
    return NONE


@plain("unescape", 1)
def unescape(items: Items, env: Evaluation, target: Items) -> Items:
    """`unescape(target)`: html or json."""
    value, how = text(items), text(target)
    if value is None or how is None:
        return NONE
    if how == "html":
        return [html.unescape(value)]
    return [_JSON_ESCAPE.sub(_json_character, value)] if how == "json" else NONE


_JSON_ESCAPE = re.compile(r"\\(u[0-9A-Fa-f]{4}|[\"\\/bfnrt])")
_JSON_CHARACTERS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def _json_character(found: re.Match[str]) -> str:
    code = found.group(1)
    return chr(int(code[1:], 16)) if len(code) == 5 else _JSON_CHARACTERS.get(code, code)
