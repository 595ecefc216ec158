"""Access rules as SQL: the other reading of `core.access.Filter`. `facts` gives what the first reading looks at."""

from virage.core.access import AllOf, AnyOf, ByType, Everything, Filter, Has, InPatient, Not, Nothing, OfType
from virage.core.fhir.index import keys, param_of
from virage.core.fhir.index.forms import REFERENCE
from virage.core.fhir.index.membership import member
from virage.core.fhir.search.conditions import target_keys
from virage.core.fhir.search.context import Context, has
from virage.core.fhir.search.naming import named
from virage.core.fhir.search.sql import FALSE, TRUE, Sql, every, no, some


def access_condition(filter_: Filter, space: int, type_: str) -> Sql:
    """The condition under which the rule lets a resource of this type through."""
    match filter_:
        case Everything():
            return TRUE
        case Nothing():
            return FALSE
        case InPatient():
            return has([member(space, type_, filter_.patient)])
        case ByType():
            return access_condition(filter_.of(type_), space, type_)
        case OfType():
            return TRUE if type_ in filter_.types else FALSE
        case Has():
            return _has(filter_, space, type_)
        case AllOf():
            return every([access_condition(part, space, type_) for part in filter_.parts])
        case AnyOf():
            return some([access_condition(part, space, type_) for part in filter_.parts])
        case Not():
            return no(access_condition(filter_.part, space, type_))
    raise TypeError(f"no SQL for {type(filter_).__name__}")


def _has(rule: Has, space: int, type_: str) -> Sql:
    if rule.param == "_id":
        return named(space, type_, [rule.value])
    param = param_of(space, type_, rule.param)
    if param is None or param.type not in ("token", "reference", "uri"):
        return FALSE
    context = Context(space, type_, param)
    if param.type == "uri":
        return has(context.tokens(keys.address(rule.value)))
    if param.type == "reference":
        match = REFERENCE.fullmatch(rule.value)
        return has(target_keys(context, match[1], match[2]) if match else context.tokens(keys.address(rule.value)))
    system, _, code = rule.value.rpartition("|")
    if not system:
        return has(context.tokens(keys.any_system(code)))
    # Facts give the system of a coding as the resource says it.
    form = keys.coded(system, code)
    return has(context.tokens(form)) if code else FALSE
