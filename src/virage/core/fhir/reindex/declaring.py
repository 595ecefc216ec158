"""SearchParameter resources that clients write: read with care, then taken up by the re-indexing."""

import re
from typing import Any

from virage.core import db
from virage.core.errors import Conflict, Invalid
from virage.core.fhir import definitions, fhirpath, router
from virage.core.fhir.definitions import SearchParam
from virage.core.fhir.index import composites, paths, plan, registry
from virage.core.fhir.interactions import reads, rights
from virage.core.fhir.reindex import table
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService, Operation

_PLACE = re.compile(r"/SearchParameter/([A-Za-z0-9.\-]{1,64})/_history/")
_CODE = re.compile(r"[A-Za-z][A-Za-z0-9_\-]{0,63}")
_LONGEST = 4000
MOST_OWN = 200
"""Definitions that one base may have: each makes every write of its types a little dearer."""
_TYPES = ("number", "date", "string", "token", "reference", "composite", "quantity", "uri")
_USAGES = ("", "normal")


def written(request: FhirRequest, service: FhirService) -> FhirResponse:
    """create, update, patch of a SearchParameter: an active one is checked, then indexed in the background.

    Raises Invalid (422) with the path of what cannot be served, Conflict (409) when its code is taken.
    """
    with db.transaction():
        response = router.default(request, service)
        place = _PLACE.search(response.headers.get("Location") or response.headers.get("Content-Location", ""))
        if place is not None:
            version = service.store.read("SearchParameter", place[1])
            if version is not None and not version.deleted:
                _settle(service.store.space.code, place[1], version.resource)
    return response


def removed(request: FhirRequest, service: FhirService) -> FhirResponse:
    """delete of a SearchParameter: it is no longer answered, and its entries go in the background."""
    with db.transaction():
        response = router.default(request, service)
        space = service.store.space.code
        # A deletion by criteria does not say which.
        for id in [request.id] if request.id else table.ids(space):
            version = service.store.read("SearchParameter", id)
            if version is None or version.deleted:
                _settle(space, id, None)
    return response


def _settle(space: int, id: str, resource: dict[str, Any] | None) -> None:
    """Make the definitions of a resource what it says now."""
    db.lock(f"fhir.parameters:{space}")
    wanted = table.source_of(resource) if resource is not None and resource.get("status") == "active" else None
    if wanted is not None:
        found = check(space, table.param(_complete(wanted), "?"), resource or {})
        if found is None:
            wanted = None
    present = [each for each in table.of_resource(space, id) if each[1] not in ("leaving", "cleaning")]
    if wanted is not None and any(source == wanted for _, _, source in present):
        return
    for key, _, _ in present:
        table.retire(key)
    if wanted is not None:
        _free(space, id, wanted)
        table.announce(space, id, wanted)
    if present or wanted is not None:
        from virage.core.fhir.reindex.tasks import carry_on

        carry_on.defer()


def _complete(source: dict[str, Any]) -> dict[str, Any]:
    for name in ("code", "url", "type"):
        if not isinstance(source.get(name), str):
            raise _no(name, f"Un paramètre de recherche actif dit son « {name} ».", "required")
    return source


def check(space: int, param: SearchParam, resource: dict[str, Any]) -> SearchParam | None:
    """The parameter when it can be served, None when the program serves it already; raises Invalid or Conflict."""
    if param.type not in _TYPES:
        raise _no("type", f"Les paramètres de type « {param.type[:20]} » ne s'indexent pas ici.", "not-supported")
    if not _CODE.fullmatch(param.code):
        raise _no(
            "code", "Un code a 1 à 64 lettres non accentuées, chiffres, « - » ou « _ », et commence par une lettre."
        )
    if resource.get("xpathUsage", "") not in _USAGES:
        raise _no("xpathUsage", "Seul l'usage « normal » est servi.", "not-supported")
    if len(param.expression) > _LONGEST or not param.expression.strip():
        raise _no("expression", f"Une expression FHIRPath est attendue, en {_LONGEST} caractères au plus.", "required")
    unknown = [place for place, name in enumerate(param.targets) if name not in definitions.resource_types()]
    if unknown:
        raise _no(f"target[{unknown[0]}]", "Ce type de ressource n'existe pas en FHIR R4.", "code-invalid")
    types = _types(param)
    if all(_served(space, type_, param) for type_ in types):
        return None
    for type_ in types:
        known = registry.declared_params(space, type_).get(param.code)
        if known is not None:
            raise Conflict(
                f"« {param.code} » est déjà un paramètre de {type_} : choisissez un autre code.",
                code="FHIR.PARAM_CLASH",
                issue="duplicate",
                path="SearchParameter.code",
            )
        _readable(space, type_, param)
    return param


def _types(param: SearchParam) -> list[str]:
    names = definitions.resource_types()
    for place, base in enumerate(param.base):
        if base not in names and base not in ("Resource", "DomainResource"):
            raise _no(f"base[{place}]", "Ce type de ressource n'existe pas en FHIR R4.", "code-invalid")
    return [name for name in sorted(names) if any(definitions.is_a(name, base) for base in param.base)]


def _served(space: int, type_: str, param: SearchParam) -> bool:
    known = registry.declared_params(space, type_).get(param.code)
    return known is not None and known.url == param.url


def _readable(space: int, type_: str, param: SearchParam) -> None:
    """Refuse an expression that leads to nothing that this parameter could be found by in a type."""
    if param.type == "composite":
        _composite(type_, param)
        return
    try:
        found = paths.read(type_, param.expression)
    except paths.Unreadable:
        if param.type == "reference":
            raise _no(
                "expression",
                "L'expression d'une référence est un chemin, où where(…='…'), ofType() et where(resolve() is …) sont admis.",
                "not-supported",
            ) from None
        _evaluable(type_, param)
        return
    if not any(plan.bind(space, type_, param, path, None, 0) for path in found):
        raise _no(
            "expression", f"L'expression ne mène, dans {type_}, à rien qu'un paramètre « {param.type} » sache trouver."
        )


def _evaluable(type_: str, param: SearchParam) -> None:
    try:
        fhirpath.compile(param.expression, type_, strict=True)(
            {"resourceType": type_, "id": "essai"}, steps=plan.OWN_STEPS
        )
    except fhirpath.FhirPathError as error:
        raise _no("expression", f"{type_} : {error.text}", error.issue or "invalid", error.code) from None


def _composite(type_: str, param: SearchParam) -> None:
    if len(param.components) < 2:
        raise _no("component", "Un paramètre composite a deux composantes au moins.", "required")
    for place, component in enumerate(param.components):
        follows = definitions.search_parameter_by_url(component.definition)
        if follows is None:
            raise _no(
                f"component[{place}].definition",
                "La composante n'est pas un paramètre de recherche de FHIR R4.",
                "not-found",
            )
    try:
        found = composites.plans(type_, param)
    except (paths.Unreadable, KeyError):
        found = []
    if not found:
        raise _no(
            "expression", f"Ce composite ne se lit pas dans {type_} : son chemin, puis celui de chaque composante."
        )


def _free(space: int, id: str, source: dict[str, Any]) -> None:
    """Refuse a code that another resource has given to a parameter of the same type."""
    mine = table.param(source, "?")
    types = set(_types(mine))
    others = [each for each in table.live(space) if each.id != id]
    for each in others:
        if each.param.code == mine.code and types & set(_types(each.param)):
            raise Conflict(
                f"« {mine.code} » est déjà défini par SearchParameter/{each.id} : modifiez celui-là, ou changez de code.",
                code="FHIR.PARAM_CLASH",
                issue="duplicate",
                path="SearchParameter.code",
            )
    if len(others) >= MOST_OWN:
        raise Conflict(
            f"Une base compte {MOST_OWN} paramètres de recherche à elle au plus : supprimez-en.",
            code="FHIR.PARAM_MANY",
            issue="too-costly",
        )


def index(request: FhirRequest, service: FhirService) -> FhirResponse:
    """SearchParameter/[id]/$index: how far its index is, as Parameters: `state` (code) and `percent` (integer).

    The state is announced, building, active or leaving; `inactive` when the resource asks for no index, `program` when the
    parameter is served without it.
    """
    version = reads.found(service.store.read("SearchParameter", request.id), request)
    rights.admit(rights.rule(request, service, "read"), service, version)
    found = table.of_resource(service.store.space.code, request.id)
    state, percent = "inactive", 0
    if found:
        key, state, _ = found[-1]
        percent = table.progress(key)
    elif version.resource.get("status") == "active":
        state, percent = "program", 100
    parts = [{"name": "state", "valueCode": state}, {"name": "percent", "valueInteger": percent}]
    return FhirResponse.of({"resourceType": "Parameters", "parameter": parts})


def _no(path: str, text: str, issue: str = "value", code: str = "FHIR.PARAM_DEFINITION") -> Invalid:
    return Invalid(text, code=code, issue=issue, path=f"SearchParameter.{path}")


OVERRIDES = {
    ("create", "SearchParameter"): written,
    ("update", "SearchParameter"): written,
    ("patch", "SearchParameter"): written,
    ("delete", "SearchParameter"): removed,
}
REINDEX = (Operation("index", index, "SearchParameter", "instance", False, "urn:virage:OperationDefinition:index"),)
