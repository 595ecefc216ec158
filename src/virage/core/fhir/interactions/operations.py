"""Operations `$name`: those of the room first, then the standard ones that every base offers."""

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from virage.core import access, audit
from virage.core.access import ByType, Filter, InPatient, Nothing
from virage.core.errors import Forbidden, Issue, Malformed, Unknown, VirageError
from virage.core.fhir import conditional, definitions, json, known, outcome, prefer, validation
from virage.core.fhir.index import params_of
from virage.core.fhir.interactions import everywhere, labels, reads, rights, searches, writes
from virage.core.fhir.interactions.chain import verify_chain
from virage.core.fhir.request import JSON, XML, FhirRequest, FhirResponse, media
from virage.core.fhir.search.limits import limited
from virage.core.fhir.service import SHARED, FhirService, Operation

_DEFINITION = "http://hl7.org/fhir/OperationDefinition/"


def operate(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Find the operation at this level and call it. 404 when there is none, 405 when it changes things and GET was used."""
    level = "instance" if request.id else "type" if request.type else "system"
    operation = service.operation(level, request.operation, request.type)
    if operation is None:
        raise Unknown(
            "Cette opération n'est pas offerte à ce niveau : voir /metadata.",
            code="FHIR.OPERATION",
            issue="not-supported",
        )
    from virage.core.fhir.router import MethodNotAllowed

    if request.method == "DELETE" and not operation.removes:
        raise MethodNotAllowed(f"L'opération ${operation.name} ne s'annule pas.", ["GET", "POST", "OPTIONS"])
    if operation.affects_state and request.method != "POST":
        raise MethodNotAllowed(f"L'opération ${operation.name} s'appelle par POST.", ["POST", "OPTIONS"])
    return operation.handler(request, service)


def inputs(request: FhirRequest) -> list[dict[str, Any]]:
    """The input parameters, as parts of Parameters: those of the query as `valueString`, then those of the body."""
    given: list[dict[str, Any]] = [{"name": name, "valueString": value} for name, value in request.params]
    if request.method != "POST" or not (request.body or request.parsed):
        return given
    resource = request.resource
    if resource.get("resourceType") != "Parameters" or (request.operation == "validate" and _is_the_subject(resource)):
        return [*given, {"name": "resource", "resource": resource}]
    parameters = resource.get("parameter", [])
    if not isinstance(parameters, list) or any(
        not isinstance(part, dict) or not isinstance(part.get("name"), str) for part in parameters
    ):
        raise Malformed(
            "« parameter » est un tableau d'objets qui ont un nom.", code="FHIR.PARAMETERS", path="Parameters.parameter"
        )
    return [*given, *parameters]


def _faults_of(request: FhirRequest) -> list[Issue]:
    """Read the body as far as it can be, and say what is wrong with its text. Raises Malformed when nothing can be read."""
    if request.method != "POST" or not request.body or request.parsed is not None:
        return []
    kind = media(request.headers.get("content-type") or JSON)
    if kind is None:
        return []
    resource, faults = validation.read(request.body, kind == XML)
    if resource is None:
        code = "FHIR.XML" if kind == XML else "FHIR.JSON"
        raise Malformed(faults[0].text, code=code, issue=faults[0].code, issues=faults)
    request.parsed = resource
    return faults


def _of_the_resource(faults: list[Issue], given: list[dict[str, Any]]) -> list[Issue]:
    """Faults found in a whole body, as places of the resource that it wraps."""
    for index, part in enumerate(part for part in given if "valueString" not in part):
        inside, name = f"Parameters.parameter[{index}].resource", part.get("resource", {}).get("resourceType")
        if part["name"] == "resource" and isinstance(name, str):
            return [replace(each, path=each.path.replace(inside, name, 1)) for each in faults]
    return faults


def _is_the_subject(resource: dict[str, Any]) -> bool:
    """Whether a Parameters sent to $validate is what to validate, rather than the input of the operation."""
    parts = resource.get("parameter")
    names = [part.get("name") for part in parts if isinstance(part, dict)] if isinstance(parts, list) else []
    return not {"resource", "mode", "profile"}.issuperset(map(str, names)) or names.count("resource") > 1


def text_of(given: list[dict[str, Any]], name: str) -> str:
    """The value of a simple parameter, as text; empty when it is absent."""
    for part in given:
        if part["name"] == name:
            for key, value in part.items():
                if key.startswith("value") and isinstance(value, str | int | bool):
                    return str(value)
    return ""


def take_inputs(request: FhirRequest) -> None:
    """The simple parameters of a POSTed body count as those of the address: for operations that only read, and page."""
    if request.method == "POST":
        request.parsed_params = [(part["name"], text_of([part], part["name"])) for part in inputs(request)]


def validate(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$validate: what is wrong with a resource, by mode and profile. Always 200; the outcome says whether it is sound.

    A body that can be read in part is validated in part, the faults of its text told first; one that cannot is refused (400).
    """
    faults = _faults_of(request)
    given = inputs(request)
    mode = text_of(given, "mode")
    profiles = [text_of([part], "profile") for part in given if part["name"] == "profile"]
    resource = next((part["resource"] for part in given if part["name"] == "resource" and "resource" in part), None)
    issues = _of_the_resource(faults, given)
    if mode not in ("", "create", "update", "delete", "profile"):
        raise Malformed("« mode » vaut create, update, delete ou profile.", code="FHIR.PARAM_VALUE", path="mode")
    if request.id:
        rule = rights.rule(request, service, "read")
        current = service.store.read(request.type, request.id)
        if resource is None or mode == "delete":
            version = reads.found(current, request)
            rights.admit(rule, service, version)
            resource = json.loads(version.body)
        elif resource.get("id") != request.id:
            issues.append(Issue("value", "L'« id » n'est pas celui de l'adresse.", f"{request.type}.id"))
    if resource is None:
        raise Malformed("Il manque la ressource à valider.", code="FHIR.PARAMETERS", issue="required", path="resource")
    if request.type and resource.get("resourceType") != request.type:
        issues.append(Issue("value", f"Une ressource {request.type} est attendue ici.", "resourceType"))
    if mode != "delete":
        wanted = [profile for profile in profiles if profile]
        held = known.kept((service.store, SHARED.store), [*wanted, *_claimed(resource)])
        # What comes in from outside may be shown in pages, and points at other servers of the same kind.
        options = validation.Options(resolver=known.reader(request, service), check_text=True, assume_rest=True)
        issues += validation.validate(resource, profiles=wanted, registry=held, options=options)
    if mode == "create" and service.served.get(request.type) and "create" not in service.served[request.type]:
        issues.append(Issue("not-supported", f"On ne crée pas de {request.type} sur {service.base}."))
    return FhirResponse.of(outcome.of_issues(issues))


def _claimed(resource: Mapping[str, Any]) -> list[str]:
    meta = resource.get("meta")
    profiles = meta.get("profile") if isinstance(meta, dict) else None
    return [each for each in profiles if isinstance(each, str)] if isinstance(profiles, list) else []


def meta(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$meta on a resource: its profiles, tags and security labels."""
    version = reads.found(service.store.read(request.type, request.id), request)
    rights.admit(rights.rule(request, service, "read"), service, version)
    return _meta_of(json.loads(version.body))


def meta_change(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$meta-add and $meta-delete: profiles, tags and labels put on or taken off, as a new version."""
    change = next((part.get("valueMeta") for part in inputs(request) if part["name"] == "meta"), None)
    if not isinstance(change, dict):
        raise Malformed(
            "Il manque le paramètre « meta » (valueMeta).", code="FHIR.PARAMETERS", issue="required", path="meta"
        )
    rule = rights.rule(request, service, "update")
    for _ in range(8):
        version = reads.found(service.store.read(request.type, request.id), request)
        rights.admit(rule, service, version)
        resource = json.loads(version.body)
        held = dict(resource.get("meta") or {})
        for name, same in (("profile", str), ("tag", _coding), ("security", _coding)):
            held[name] = _changed(held.get(name, []), change.get(name, []), same, request.operation == "meta-add")
        resource["meta"] = {name: value for name, value in held.items() if value != []}
        writes.check(resource, service)
        try:
            written = writes.replace(request, service, rule, resource, version.version, version)
        except VirageError as error:
            if error.status != 412:
                raise
            continue
        return _meta_of(json.loads(written.body))
    raise conditional.PreconditionFailed("Cette ressource change trop vite en ce moment : recommencez.")


def _changed(held: Any, given: Any, same: Any, adding: bool) -> list[Any]:
    if not isinstance(given, list):
        raise Malformed("Les profils, étiquettes et marques sont des tableaux.", code="FHIR.PARAMETERS", path="meta")
    names = {same(value) for value in given}
    if not adding:
        return [value for value in held if same(value) not in names]
    present = {same(value) for value in held}
    return [*held, *(value for value in given if same(value) not in present)]


def _coding(value: Any) -> tuple[Any, Any]:
    return (value.get("system"), value.get("code")) if isinstance(value, dict) else (None, value)


def _meta_of(resource: dict[str, Any]) -> FhirResponse:
    value = resource.get("meta", {})
    return FhirResponse.of({"resourceType": "Parameters", "parameter": [{"name": "return", "valueMeta": value}]})


def everything(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Patient/[id]/$everything: the patient and what is filed under it, by pages, as the caller may see it."""
    take_inputs(request)
    version = reads.found(service.store.read("Patient", request.id), request)
    rights.admit(rights.rule(request, service, "read", "Patient"), service, version)
    rule, types = _of_dossier(request, service)
    known = ("_since", "_type", "_count", "_cursor", "start", "end")
    unknown = [name for name, _ in request.params if name not in known and name not in prefer.RESULT_PARAMETERS]
    warnings = searches.unknown_parameters(request, unknown)
    params: list[tuple[str, str]] = []
    since = request.param("_since")
    if since:
        params.append(("_lastUpdated", f"ge{since}"))
    view = prefer.wanted_view(request)
    only_count = view.summary == "count"
    wished = searches.count_of(request) if request.param("_count") else searches.MOST
    with limited():
        page = everywhere.search(
            service,
            types,
            params,
            access=searches.both(InPatient(request.id), rule),
            count=0 if only_count else wished,
            cursor=request.param("_cursor") or None,
            total=only_count,
            own=_care_dates(request, service, types),
        )
    audit.later(by=request.caller, action="fhir.everything", patient=request.id, entities=(f"Patient/{request.id}",))
    return FhirResponse(200, searches.searchset(request, service, page, view, warnings, only_count))


def _of_dossier(request: FhirRequest, service: FhirService) -> tuple[Filter, list[str]]:
    """What the caller may see of a patient's dossier, and of which types: those that the scopes of the token open.

    Raises Forbidden when there is none.
    """
    members = definitions.compartments()["Patient"]
    served = [name for name in searches.types_of(request, service) if members.get(name) and name != "Patient"]
    types = ["Patient", *served]
    whole = access.filter_for(service.space, request.caller, "search-system", "*")
    if not isinstance(whole, Nothing):
        return whole, types
    rules = {name: access.filter_for(service.space, request.caller, "search-type", name) for name in types}
    opened = [name for name, rule in rules.items() if not isinstance(rule, Nothing)]
    if not opened:
        raise Forbidden(whole.reason)
    return ByType(lambda name: rules.get(name, whole)), opened


# Which search parameter of a type says when the care was given, the first that it has.
_CARE_DATES = (
    *(
        "date",
        "occurrence",
        "onset-date",
        "performed",
        "effective",
        "effective-time",
        "whenhandedover",
        "started",
        "sent",
    ),
    *("start-date", "identified", "authored", "authored-on", "authoredon", "datetime", "datewritten", "created"),
)
_DAY = re.compile(r"\d{4}(-\d\d(-\d\d)?)?")


def _care_dates(
    request: FhirRequest, service: FhirService, types: list[str]
) -> dict[str, list[tuple[str, str]]] | None:
    """The conditions of `start` and `end` (R4, Patient-everything) on each type that has a date of care; what has none stays."""
    ends = [(name, prefix, request.param(name)) for name, prefix in (("start", "ge"), ("end", "le"))]
    wanted = [(name, prefix, value) for name, prefix, value in ends if value]
    if not wanted:
        return None
    for name, _, value in wanted:
        if not _DAY.fullmatch(value):
            raise Malformed(
                f"« {name} » est une date, comme 2026-01-31.", code="FHIR.PARAM_VALUE", issue="value", path=name
            )
    own: dict[str, list[tuple[str, str]]] = {}
    for type in types:
        known = params_of(service.store.space.code, type)
        date = next((code for code in _CARE_DATES if code in known and known[code].type == "date"), None)
        if type != "Patient" and date is not None:
            own[type] = [("_filter", f"({date} {prefix} {value}) or ({date} pr false)") for _, prefix, value in wanted]
    return own


def evaluate(request: FhirRequest, service: FhirService) -> FhirResponse:
    """$fhirpath: an expression evaluated on a resource; one `result` for each result, with its type."""
    from virage.core.fhir.fhirpath.operation import evaluate_operation

    return FhirResponse.of(evaluate_operation({"resourceType": "Parameters", "parameter": inputs(request)}))


STANDARD = (
    Operation("validate", validate, "*", "system type instance", False, _DEFINITION + "Resource-validate"),
    Operation("meta", labels.in_use, "*", "system type", False, _DEFINITION + "Resource-meta"),
    Operation("meta", meta, "*", "instance", False, _DEFINITION + "Resource-meta"),
    Operation("meta-add", meta_change, "*", "instance", True, _DEFINITION + "Resource-meta-add"),
    Operation("meta-delete", meta_change, "*", "instance", True, _DEFINITION + "Resource-meta-delete"),
    Operation("everything", everything, "Patient", "instance", False, _DEFINITION + "Patient-everything"),
    Operation("verify", verify_chain, "AuditEvent", "type", False, "urn:virage:OperationDefinition:verify"),
    Operation("fhirpath", evaluate, "", "system", True, "urn:virage:OperationDefinition:fhirpath"),
)
