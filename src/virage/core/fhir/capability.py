"""The CapabilityStatement, made from what the base really serves, once, and kept as bytes."""

import hashlib
from contextlib import suppress
from typing import Any

import virage
from virage.core import accounts
from virage.core.fhir import definitions, json
from virage.core.fhir.index.registry import params_of, refresh, remembered
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import TYPE_INTERACTIONS, FhirService

_DATE = "2026-11-22"
_PATCHES = ["application/json-patch+json", "application/fhir+json", "application/fhir+xml", "application/xml-patch+xml"]
_SMART = "http://terminology.hl7.org/CodeSystem/restful-security-service"
_OAUTH = "http://fhir-registry.smarthealthit.org/StructureDefinition/oauth-uris"
_OAUTH_URIS = (
    ("authorize", "authorization_endpoint"),
    ("token", "token_endpoint"),
    ("introspect", "introspection_endpoint"),
    ("revoke", "revocation_endpoint"),
)


def capabilities(request: FhirRequest, service: FhirService) -> FhirResponse:
    """GET /metadata: open to all, cached, 304 when the client has it."""
    with suppress(Exception):  # the statement is told even while the database is away
        refresh()
    body, etag = _kept(service.space, request.base, id(service))
    headers = {"ETag": etag, "Cache-Control": "public, max-age=60"}
    if etag in request.headers.get("if-none-match", ""):
        return FhirResponse(304, headers=headers, native=True)
    return FhirResponse(200, body, headers)


@remembered(64)
def _kept(space: str, base: str, identity: int) -> tuple[bytes, str]:
    from virage.core.fhir.service import SERVICES

    body = json.dumps(statement(SERVICES[space], base))
    return body, f'W/"{hashlib.sha256(body).hexdigest()[:16]}"'


def statement(service: FhirService, base: str) -> dict[str, Any]:
    """The CapabilityStatement of a service whose absolute address is `base`."""
    made: dict[str, Any] = {
        "resourceType": "CapabilityStatement",
        "id": service.space,
        "url": f"{base}/metadata",
        "version": virage.__version__,
        "name": "Virage" + "".join(part.capitalize() for part in service.space.split("-")),
        "title": service.title,
        "status": "active",
        "date": _DATE,
        "kind": "instance",
        "software": {"name": "virage", "version": virage.__version__},
        "implementation": {"description": service.title, "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "application/fhir+xml", "json", "xml"],
        "patchFormat": _PATCHES,
        "rest": [_rest(service, base)],
    }
    if service.purpose:
        made["description"] = service.purpose
    return made


def _rest(service: FhirService, base: str) -> dict[str, Any]:
    rest: dict[str, Any] = {
        "mode": "server",
        "security": _security(base),
        "resource": [_resource(service, name) for name in sorted(service.served)],
    }
    system = [name for name in ("transaction", "batch", "search-system", "history-system") if name in service.system]
    if system:
        rest["interaction"] = [{"code": name} for name in system]
    operations = _operations(service, "system", "")
    if operations:
        rest["operation"] = operations
    return rest


def _security(base: str) -> dict[str, Any]:
    server = accounts.authorization_server()
    return {
        "cors": True,
        "service": [{"coding": [{"system": _SMART, "code": "SMART-on-FHIR"}]}],
        "extension": [
            {
                "url": _OAUTH,
                "extension": [{"url": url, "valueUri": server[name]} for url, name in _OAUTH_URIS if name in server],
            }
        ],
        "description": "Jeton d'accès OAuth 2 (Authorization: Bearer), portées SMART v1 et v2.",
    }


def _resource(service: FhirService, name: str) -> dict[str, Any]:
    served = service.served[name]
    made: dict[str, Any] = {"type": name, "profile": f"http://hl7.org/fhir/StructureDefinition/{name}"}
    profiles = list(service.profiles.get(name, ()))
    if profiles:
        made["supportedProfile"] = profiles
    made["interaction"] = [{"code": code} for code in _ordered(served)]
    made["versioning"] = "versioned-update" if "update" in served else "versioned"
    made["readHistory"] = "vread" in served
    made["updateCreate"] = "update" in served
    made["conditionalCreate"] = "create" in served
    made["conditionalRead"] = "full-support" if "read" in served else "not-supported"
    made["conditionalUpdate"] = "update" in served
    made["conditionalDelete"] = "single" if "delete" in served else "not-supported"
    made["referencePolicy"] = ["literal", "logical", "local"]
    if "search-type" in served:
        params = _search_params(service, name)
        references = sorted({param["name"] for param in params if param["type"] == "reference"})
        made["searchInclude"] = ["*", *(f"{name}:{code}" for code in references)]
        made["searchRevInclude"] = _reverse(service, name)
        made["searchParam"] = params
    operations = _operations(service, "type", name) + _operations(service, "instance", name)
    if operations:
        made["operation"] = [op for index, op in enumerate(operations) if op not in operations[:index]]
    return {key: value for key, value in made.items() if value != []}


def _ordered(served: frozenset[str]) -> list[str]:
    order = ["read", "vread", "update", "patch", "delete", "history-instance", "history-type", "create", "search-type"]
    return [name for name in order if name in served and name in TYPE_INTERACTIONS]


def _search_params(service: FhirService, name: str) -> list[dict[str, Any]]:
    found = {
        param.code: {"name": param.code, "definition": param.url, "type": param.type}
        for param in params_of(service.code, name).values()
        if param.code != "_query"  # no named search is served
    }
    return [found[code] for code in sorted(found)]


def _reverse(service: FhirService, name: str) -> list[str]:
    return (
        _referring(service.code).get(name, [])
        if service.types is None
        else [
            f"{other}:{param.code}"
            for other in sorted(service.served)
            if "search-type" in service.served[other]
            for param in params_of(service.code, other).values()
            if param.type == "reference" and name in param.targets
        ]
    )


@remembered()
def _referring(space: int) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for other in sorted(definitions.resource_types()):
        for param in params_of(space, other).values():
            if param.type == "reference":
                for target in param.targets:
                    found.setdefault(target, []).append(f"{other}:{param.code}")
    return found


def _operations(service: FhirService, level: str, name: str) -> list[dict[str, str]]:
    found: dict[str, dict[str, str]] = {}
    for (at, code), operations in service.operation_table.items():
        for operation in operations:
            if at == level and (level == "system" or operation.type in ("*", name)) and code not in found:
                definition = operation.definition or f"{service.base}/OperationDefinition/{code}"
                found[code] = {"name": code, "definition": definition}
    return [found[code] for code in sorted(found)]
