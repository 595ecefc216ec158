"""Which search constraints of a SMART scope can be held: those that the access rules say the same of in SQL and on one resource."""

from urllib.parse import parse_qsl

from virage.core.fhir import definitions
from virage.core.fhir.index import params_of, paths
from virage.core.fhir.index.forms import REFERENCE
from virage.core.fhir.service import SERVICES


def enforceable(type_: str, query: str) -> bool:
    """Whether `category=http://…|laboratory` can be held on resources of a type (`*`: all) on one base at least."""
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20) if query.count("&") < 20 else []
    if not pairs or (type_ != "*" and type_ not in definitions.resource_types()):
        return False
    # A constraint on every type is one on what every resource has.
    named = type_ if type_ != "*" else "Basic"
    if type_ == "*" and not all(name.startswith("_") for name, _ in pairs):
        return False
    return any(all(_held(each.code, named, *pair) for pair in pairs) for each in SERVICES.values())


def _held(space: int, type_: str, name: str, value: str) -> bool:
    param = params_of(space, type_).get(name)
    if param is None or param.code == "_id" or "\\" in value:
        return False
    try:
        found = paths.read(type_, param.expression)
    except paths.Unreadable:
        return False
    if not found:
        return False
    values = value.split(",")
    if param.type == "token":
        return all(each.rpartition("|")[2] for each in values)
    if param.type == "reference":
        return all(REFERENCE.fullmatch(each) or "://" in each for each in values)
    return param.type == "uri" and all("/" in each for each in values)
