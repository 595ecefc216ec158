"""What is wrong with the text of a resource: JSON and XML read as far as they can be, each fault with its place.

`$validate` reads through here: a comma too many is told with its line, its column and the element it stands in, and what
can be read around it is validated all the same. Everything else reads strictly (`core.fhir.json`, `core.fhir.xml`).
"""

import re
from typing import Any

from virage.core.errors import Issue, VirageError
from virage.core.fhir import definitions, json, xml

MAX_FAULTS = 100
_SPACE = re.compile(r"[ \t\r\n\ufeff]*")
_COMMENT = re.compile(r"//[^\n]*|/\*.*?(?:\*/|\Z)", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\.)*"', re.DOTALL)
_BARE = re.compile(r"[^\s,:\[\]{}\"]+")
Path = tuple[str | int, ...]


def read(data: bytes, is_xml: bool) -> tuple[dict[str, Any] | None, list[Issue]]:
    """The resource and the faults of its text; no resource where nothing can be read."""
    try:
        return xml.read(data) if is_xml else (json.loads(data), [])
    except VirageError as error:
        if is_xml:
            return None, list(error.issues)
        strict = list(error.issues)
    value, faults = _Tolerant(data).read()
    if not faults or not isinstance(value, dict):
        return None, strict
    return value, [Issue("structure", text, shown(path, value)) for text, path in faults]


def shown(path: Path, resource: dict[str, Any]) -> str:
    """The FHIRPath of a path of JSON names and ranks; names that R4 does not know are left as they are."""
    type_name = str(resource.get("resourceType", ""))
    value: Any = resource
    found = type_name if type_name.isalpha() else ""
    for step in path:
        if isinstance(step, int):
            found += f"[{step}]"
            value = value[step] if isinstance(value, list) and step < len(value) else None
            continue
        try:
            child, ref = definitions.element(type_name).properties[step.removeprefix("_")]
        except KeyError:
            name, type_name = (step if step.isidentifier() else "?"), ""
        else:
            name = f"{child.name}.ofType({ref.code})" if child.choice else child.name
            type_name = child.type_name(ref.code)
        value = value.get(step) if isinstance(value, dict) else None
        inner = value[0] if isinstance(value, list) and value else value
        if type_name == "Resource" and isinstance(inner, dict):
            type_name = str(inner.get("resourceType", ""))
        found += f".{name}" if found else name
    return found


class _Stop(Exception):
    """Nothing more can be read."""


class _Tolerant:
    """Reads JSON that is not quite JSON, in one pass, and keeps the faults."""

    def __init__(self, data: bytes) -> None:
        self.text = data.decode("utf-8", errors="replace")
        self.at = 0
        self.faults: list[tuple[str, Path]] = []
        self.comments: list[int] = []  # where comments stand that no element has been named for yet

    def read(self) -> tuple[Any, list[tuple[str, Path]]]:
        value: Any = None
        try:
            self._skip()
            if self.text[self.at : self.at + 1] != "{":
                return None, []
            self._comments(())
            value = self._object((), 0)
            self._skip()
            if self.at < len(self.text):
                self._fault("du texte suit la ressource : retirez-le", ())
        except _Stop:
            pass
        self._comments(())
        return value, self.faults

    def _fault(self, what: str, path: Path, at: int | None = None) -> None:
        where = self.at if at is None else at
        before = self.text.rfind("\n", 0, where)
        line = self.text.count("\n", 0, where) + 1
        self.faults.append((f"Ligne {line}, colonne {where - before} : {what}.", path))
        if len(self.faults) >= MAX_FAULTS:
            raise _Stop

    def _skip(self) -> None:
        while True:
            space = _SPACE.match(self.text, self.at)
            self.at = space.end() if space else self.at
            comment = _COMMENT.match(self.text, self.at)
            if comment is None:
                return
            self.comments.append(self.at)
            self.at = comment.end()

    def _comments(self, path: Path) -> None:
        found, self.comments = self.comments, []
        for at in found:
            self._fault("les commentaires ne sont pas permis en JSON : retirez-le", path, at)

    def _next(self) -> str:
        self._skip()
        return self.text[self.at : self.at + 1]

    def _stop(self, what: str, path: Path) -> None:
        self._fault(what, path)
        raise _Stop

    def _object(self, path: Path, depth: int) -> dict[str, Any]:
        value: dict[str, Any] = {}
        if depth > json.MAX_DEPTH:
            self._stop(f"le JSON est imbriqué sur plus de {json.MAX_DEPTH} niveaux", path)
        self.at += 1
        comma = False
        while (mark := self._next()) != "}":
            if not mark:
                self._fault("le texte s'arrête avant la fin de cet objet : fermez-le par }", path)
                return value
            if value and not comma:
                self._fault("il manque une virgule", path)
            name = self._name(path)
            below = (*path, name)
            self._comments(below)
            if self._next() != ":":
                self._stop("deux-points sont attendus après un nom de propriété", path)
            self.at += 1
            if name in value:
                self._fault("cette propriété est donnée deux fois : gardez-en une", path)
            value[name] = self._value(below, path, depth)
            comma = self._comma()
        if comma:
            self._fault("il y a une virgule de trop à la fin de l'objet", path)
        self.at += 1
        return value

    def _comma(self) -> bool:
        if self._next() != ",":
            return False
        self.at += 1
        return True

    def _name(self, path: Path) -> str:
        match = _STRING.match(self.text, self.at)
        if match is None:
            match = _BARE.match(self.text, self.at)
            if match is None:
                self._stop("un nom de propriété est attendu, entre guillemets", path)
            else:
                self._fault("le nom d'une propriété s'écrit entre guillemets", path)
                self.at = match.end()
                return match[0]
        assert match is not None
        self.at = match.end()
        return str(self._decoded(match[0], path))

    def _array(self, path: Path, depth: int) -> list[Any]:
        value: list[Any] = []
        if depth > json.MAX_DEPTH:
            self._stop(f"le JSON est imbriqué sur plus de {json.MAX_DEPTH} niveaux", path)
        self.at += 1
        comma = False
        while (mark := self._next()) != "]":
            if not mark:
                self._fault("le texte s'arrête avant la fin de ce tableau : fermez-le par ]", path)
                return value
            if value and not comma:
                self._fault("il manque une virgule", path)
            below = (*path, len(value))
            value.append(self._value(below, below, depth))
            comma = self._comma()
        if comma:
            self._fault("il y a une virgule de trop à la fin du tableau", path)
        self.at += 1
        return value

    def _value(self, path: Path, told_at: Path, depth: int) -> Any:
        mark = self._next()
        if mark == "{":
            return self._object(path, depth + 1)
        if mark == "[":
            return self._array(path, depth + 1)
        match = _STRING.match(self.text, self.at)
        if match is not None:
            self.at = match.end()
            return self._decoded(match[0], path)
        match = _BARE.match(self.text, self.at)
        if match is None:
            self._stop("une valeur est attendue ici", path)
        assert match is not None
        text = match[0]
        try:
            value = json.read(b"[" + text.encode() + b"]")[0]
        except VirageError:
            self._fault("une valeur de texte s'écrit entre guillemets", told_at)
            value = text
        self.at = match.end()
        return value

    def _decoded(self, text: str, path: Path) -> Any:
        try:
            return json.read(b"[" + text.encode() + b"]")[0]
        except VirageError:
            self._fault("ce texte entre guillemets est mal écrit", path)
            return text[1:-1]
