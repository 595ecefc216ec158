"""$meta of a type or of the whole base: the profiles, tags and security labels in use on what the caller may see."""

from json import loads
from typing import Any

from virage.core import access, audit, db
from virage.core.access import Filter, Nothing
from virage.core.errors import Unknown
from virage.core.fhir.index import param_of
from virage.core.fhir.interactions import rights, searches
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.search.access import access_condition
from virage.core.fhir.search.context import Context, has, presence
from virage.core.fhir.search.errors import TooDear
from virage.core.fhir.search.leading import assemble
from virage.core.fhir.search.limits import limited
from virage.core.fhir.search.plans import Query
from virage.core.fhir.search.sql import FALSE
from virage.core.fhir.service import FhirService

_MOST = 1000
_KINDS = ("profile", "security", "tag")
# The index finds the resources that have any; what they have is read in the database, and only what differs leaves it.
_IN_USE = (
    "SELECT DISTINCT e.key, v.value::text FROM ({source}) m"
    " CROSS JOIN LATERAL json_each(convert_from(m.body, 'UTF8')::json -> 'meta') e(key, value)"
    " CROSS JOIN LATERAL json_array_elements(CASE WHEN e.key = ANY(%s) AND json_typeof(e.value) = 'array'"
    " THEN e.value ELSE '[]'::json END) v(value) ORDER BY 1, 2 LIMIT %s"
)


def in_use(request: FhirRequest, service: FhirService) -> FhirResponse:
    """GET [base]/$meta, [base]/[type]/$meta: Parameters with one `return`. 200, 400 when it takes too long, 403, 404."""
    from virage.core.fhir.store import places
    from virage.core.fhir.store.reading import present_types

    # A base that has a search of its own for a type decides there who may look at what.
    own = {type for interaction, type in service.overrides if interaction == "search-type"}
    if own & {"*", request.type}:
        raise Unknown(
            "Cette opération n'est pas offerte à ce niveau : voir /metadata.",
            code="FHIR.OPERATION",
            issue="not-supported",
        )
    if request.type:
        ruled = [(request.type, rights.rule(request, service, "search-type"))]
    else:
        present = {places.TYPES[code] for code in present_types(service.store.space)}
        names = [name for name in searches.types_of(request, service) if name in present and name not in own]
        ruled = [(name, access.filter_for(service.space, request.caller, "search-type", name)) for name in names]
    found: dict[str, dict[Any, Any]] = {kind: {} for kind in _KINDS}
    with limited():
        for name, rule in ruled:
            if not isinstance(rule, Nothing):
                for kind, value in _of_type(service.code, name, rule):
                    found[kind].setdefault(_same(value), value)
    audit.later(by=request.caller, action="fhir.meta", entities=())
    value = {kind: list(values.values()) for kind, values in found.items() if values}
    return FhirResponse.of({"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": value}]})


def _of_type(space: int, type: str, rule: Filter) -> list[tuple[str, Any]]:
    from virage.core.fhir.store import places

    tokens: list[int] = []
    for kind in _KINDS:
        param = param_of(space, type, f"_{kind}")
        assert param is not None
        tokens += presence(Context(space, type, param))
    condition = assemble([has(tokens), access_condition(rule, space, type)])
    if condition is FALSE:
        return []
    source, values = Query(space, (places.type_code(type),), condition).matching("r.body", [])
    with db.cursor() as cursor:
        cursor.execute(_IN_USE.format(source=source), [*values, list(_KINDS), _MOST + 1])
        rows = cursor.fetchall()
    if len(rows) > _MOST:
        raise TooDear(
            f"Plus de {_MOST} profils, marques et étiquettes sont en usage sur {type} : cherchez avec _tag, _security ou _profile."
        )
    return [(kind, loads(text)) for kind, text in rows]


def _same(value: Any) -> Any:
    return (value.get("system"), value.get("code")) if isinstance(value, dict) else value
