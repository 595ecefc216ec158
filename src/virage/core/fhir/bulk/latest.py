"""Observation/$lastn: the most recent observations of each code, in one statement.

Source: FHIR R4, « Observation », operation `lastn`: the answer is limited to one patient or subject, groups by code, orders by
effective time, and gives ties whole.
"""

from typing import Any

from virage.core import audit, db
from virage.core.errors import Malformed
from virage.core.fhir import prefer
from virage.core.fhir.index import keys
from virage.core.fhir.interactions import operations, rights, searches
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.search.context import BUCKET
from virage.core.fhir.search.run import compiled_query
from virage.core.fhir.service import FhirService

_MOST_EACH = 100
_MOST_ROWS = 5000
_CONTROLS = frozenset({"max", "_count", "_total"}) | prefer.RESULT_PARAMETERS
_SUBJECTS = ("patient", "subject")

# Two observations are of one kind when their first coding is the same; without coding, when their text is.
# Read once a row: `OFFSET 0` keeps the planner from reading the body again for each part.
_KIND = (
    "(SELECT coalesce(d.code #>> '{coding,0,system}', '') || '|'"
    " || coalesce(d.code #>> '{coding,0,code}', d.code ->> 'text', '')"
    " FROM (SELECT convert_from(r.body, 'UTF8')::json -> 'code' AS code OFFSET 0) d)"
)


def lastn(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The `max` (1 without it) latest Observations of each code, latest first within a code, as a searchset.

    Raises Malformed without `patient` or `subject`, and for a `max` that is not a number from 1 to 100.
    """
    operations.take_inputs(request)
    access = rights.rule(request, service, "search-type")
    text = request.param("max") or "1"
    if not (text.isascii() and text.isdecimal()) or not 1 <= int(text[:9]) <= _MOST_EACH:
        raise Malformed(
            f"« max » est un nombre de 1 à {_MOST_EACH}.", code="FHIR.PARAM_VALUE", issue="value", path="max"
        )
    params = [(name, value) for name, value in request.params if name not in _CONTROLS]
    if not any(name.partition(":")[0].partition(".")[0] in _SUBJECTS and value for name, value in params):
        raise Malformed(
            "$lastn répond pour un patient à la fois : donnez « patient » ou « subject ».",
            code="FHIR.PARAM_MISSING",
            issue="required",
            path="patient",
        )
    from virage.core.fhir.store import Entry, Page
    from virage.core.fhir.store.reading import version_of

    compiled, query = compiled_query(service.store.space, "Observation", params, access)
    warnings = searches.unknown_parameters(request, compiled.unknown)
    found: list[Any] = []
    if query is not None:
        date = keys.param_hash(service.store.space.code, "Observation", "date") & keys.MASK
        moment = (
            "coalesce((SELECT max(t.low) FROM fhir_date t WHERE t.compartment = r.compartment AND t.rid = r.rid"
            f" AND t.k = (%s::bigint | {BUCKET})), -9223372036854775808)"
        )
        source, values = query.matching(f"r.compartment, r.rid, {_KIND} AS kind, {moment} AS moment", [date])
        with db.cursor() as cursor:
            cursor.execute(
                "SELECT r.type, r.id, r.version, r.updated, r.body, r.compartment FROM"
                " (SELECT m.*, rank() OVER (PARTITION BY m.kind ORDER BY m.moment DESC) AS place"
                f" FROM ({source}) m) k JOIN fhir_resource r ON r.compartment = k.compartment AND r.rid = k.rid"
                " WHERE k.place <= %s ORDER BY k.kind, k.moment DESC, r.rid LIMIT %s",
                [*values, int(text), _MOST_ROWS],
            )
            found = cursor.fetchall()
    page = Page([Entry(version_of(row)) for row in found], len(found), None, compiled.used, [])
    audit.later(by=request.caller, action="fhir.lastn", entities=())
    return FhirResponse(200, searches.searchset(request, service, page, prefer.wanted_view(request), warnings, False))
