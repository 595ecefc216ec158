"""What access rules may know of a resource: the same values that the index holds, in words."""

from typing import Any

from virage.core.access import Facts
from virage.core.fhir.index import forms, indexer, params_of, paths, remembered


def facts(space: int, resource: dict[str, Any]) -> Facts:
    """The facts of a resource: type, id, patients in whose compartments it is, (parameter, value) tokens.

    Values are `system|code` and `|code` (whatever the system) for tokens, `Type/id` for references, the text of URIs.
    """
    type_ = resource.get("resourceType", "")
    found: set[tuple[str, str]] = set()
    for code, kind, path in _token_paths(space, type_):
        for value in paths.values(path, resource):
            found.update((code, text) for text in _texts(kind, path, value))
    found.add(("_id", str(resource.get("id", ""))))
    patients = set(indexer(space, type_).index(resource).patients)
    if type_ == "Patient":
        patients = {str(resource.get("id", ""))}
    return Facts(type_, str(resource.get("id", "")), frozenset(patients), frozenset(found))


def _texts(kind: str, path: paths.Path, value: Any) -> list[str]:
    if kind == "token":
        values = forms.TOKENS["boolean"](value is not False) if path.truth else forms.TOKENS[path.type](value)
        return [
            form[1:] if not form.startswith("=") else "|" + form[1:]
            for form in values
            if form[0] in "|=" and form[:2] != "||"
        ]
    if kind == "reference":
        text = value.get("reference") if type(value) is dict else value
        match = forms.REFERENCE.fullmatch(text) if type(text) is str else None
        return [f"{match[1]}/{match[2]}"] if match else [text] if type(text) is str else []
    return [form[1:] for form in forms.uri(value)]


@remembered()
def _token_paths(space: int, type_: str) -> tuple[tuple[str, str, paths.Path], ...]:
    found = []
    for param in params_of(space, type_).values():
        if param.type not in ("token", "reference", "uri") or param.code == "_id":
            continue
        try:
            read = paths.read(type_, param.expression)
        except paths.Unreadable:
            continue
        found += [
            (param.code, param.type, path)
            for path in read
            if param.type != "token" or path.truth or path.type in forms.TOKENS
        ]
    return tuple(found)
