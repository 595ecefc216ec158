"""create, update, patch, delete; each also by criteria instead of an id."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from virage.core import db
from virage.core.access import Everything, Filter
from virage.core.errors import Conflict, Invalid, Malformed, VirageError
from virage.core.fhir import conditional, json, outcome, prefer, representation, validation
from virage.core.fhir import patch as patching
from virage.core.fhir.conditional import PreconditionFailed
from virage.core.fhir.interactions import native, reads, rights
from virage.core.fhir.references import local, rewrite
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import SHARED, FhirService, ingress

if TYPE_CHECKING:
    from virage.core.fhir.store import Version, Write

_PATCH_TRIES = 8


def create(request: FhirRequest, service: FhirService) -> FhirResponse:
    """POST [type]; with If-None-Exist only when nothing meets the criteria. 201, 200, 412, 422.

    Criteria in the address instead of the header, as some clients write them, are taken the same way: to create regardless
    would make the very double that the client wanted to avoid.
    """
    rule = rights.rule(request, service)
    resource = incoming(request, service)
    resource.pop("id", None)
    text = _criteria(request)

    def make() -> FhirResponse:
        id = request.assigned_id or None
        written = _write(service, rule, lambda: service.store.create(resource, by=request.caller, id=id))
        return told(request, service, written)

    if text is None:
        return make()
    seen = rights.rule(request, service, "search-type")
    params = conditional.criteria(text, request.type)

    def once() -> FhirResponse:
        db.lock(conditional.lock_key(service, request.type, params))
        present = conditional.only_match(service, request.type, params, seen)
        if present is not None:
            return told(request, service, present, 200)
        return make()

    return atomically(request, once)


def update(request: FhirRequest, service: FhirService) -> FhirResponse:
    """PUT [type]/[id], which also creates. 200, 201, 400, 409, 412, 422."""
    rule = rights.rule(request, service)
    resource = _addressed(request, service)
    wanted = conditional.if_match(request)
    if conditional.must_be_new(request):
        current = service.store.read(request.type, request.id)
        if current is not None and not current.deleted:
            raise PreconditionFailed(
                "Cette ressource existe déjà : « If-None-Match: * » ne crée que ce qui n'existe pas."
            )
        if current is None:
            try:
                made = _write(service, rule, lambda: service.store.create(resource, by=request.caller, id=request.id))
            except Conflict as error:
                if error.code != "FHIR.EXISTS":
                    raise
                raise PreconditionFailed("Quelqu'un d'autre vient de créer cette ressource.") from None
            return told(request, service, made)
        wanted = current.version
    return told(request, service, replace(request, service, rule, resource, wanted))


def _criteria(request: FhirRequest) -> str | None:
    """The criteria under which a create is not one."""
    text = request.headers.get("if-none-exist")
    if text is None and request.query and any(name not in prefer.RESULT_PARAMETERS for name, _ in request.params):
        text = request.query
    return text


def _addressed(request: FhirRequest, service: FhirService) -> dict[str, Any]:
    """The resource of the body, which has the id of the address."""
    resource = incoming(request, service)
    if resource.get("id") != request.id:
        raise Malformed(
            "L'identifiant de la ressource (« id ») et celui de l'adresse doivent être les mêmes.",
            code="FHIR.ID_MISMATCH",
            issue="value",
            path=f"{request.type}.id",
        )
    return resource


@dataclass(frozen=True, slots=True)
class Planned:
    """A create or an update that rights and guards let pass, to be written with others; `rule` is yet to see the result."""

    rule: Filter
    write: "Write"


def plan(request: FhirRequest, service: FhirService) -> Planned | None:
    """What `create` or `update` would write for an entry of a transaction, refused as they do; None when there is more to it
    than a write: criteria, or a rule that looks at what is replaced.
    """
    from virage.core.fhir.store import Write

    rule = rights.rule(request, service)
    if request.interaction == "create":
        if not request.assigned_id or _criteria(request) is not None:
            return None
        resource = incoming(request, service)
        resource.pop("id", None)
        return Planned(rule, Write(resource, request.assigned_id))
    if not isinstance(rule, Everything) or conditional.must_be_new(request):
        return None
    return Planned(rule, Write(_addressed(request, service), request.id, True, conditional.if_match(request)))


def update_where(request: FhirRequest, service: FhirService) -> FhirResponse:
    """PUT [type]?criteria: none found creates, one found updates. 200, 201, 400, 412."""
    rule = rights.rule(request, service)
    seen = rights.rule(request, service, "search-type")
    resource = incoming(request, service)
    params = conditional.criteria(request.query, request.type)

    def once() -> FhirResponse:
        db.lock(conditional.lock_key(service, request.type, params))
        present = conditional.only_match(service, request.type, params, seen)
        given = resource.get("id")
        if present is None and given is None:
            made = rights.rule(request, service, "create")
            version = _write(service, made, lambda: service.store.create(resource, by=request.caller))
            return told(request, service, version)
        if present is not None and given not in (None, present.id):
            raise Malformed(
                "L'« id » donné n'est pas celui de la ressource que le critère désigne.",
                code="FHIR.ID_MISMATCH",
                issue="value",
                path=f"{request.type}.id",
            )
        if present is None and service.store.read(request.type, str(given)) is not None:
            raise PreconditionFailed("L'« id » donné existe déjà, et ne répond pas au critère.")
        request.id = present.id if present else str(given)
        target = {**resource, "id": request.id}
        return told(request, service, replace(request, service, rule, target, conditional.if_match(request)))

    return atomically(request, once)


def patch(request: FhirRequest, service: FhirService) -> FhirResponse:
    """PATCH [type]/[id] by JSON Patch, FHIRPath Patch or XML Patch. 200, 400, 404, 410, 412, 422."""
    rule = rights.rule(request, service)
    change = patching.parse(request)
    wanted = conditional.if_match(request)
    for attempt in range(_PATCH_TRIES):
        try:
            with service.store.in_turn(request.type, request.id, attempt > 0):
                current = reads.found(service.store.read(request.type, request.id), request)
                rights.admit(rule, service, current)
                if wanted is not None and wanted != current.version:
                    raise stale(current.version)
                resource = change(json.loads(current.body))
                unmoved(resource, request)
                check(resource, service)
                watch(resource, request, service)
                return told(request, service, replace(request, service, rule, resource, current.version, current))
        except VirageError as error:
            # Someone else wrote in between: patch what they wrote, unless the client had named its version.
            if error.status != 412 or wanted is not None:
                raise
    raise PreconditionFailed("Cette ressource change trop vite en ce moment : recommencez.")


def patch_where(request: FhirRequest, service: FhirService) -> FhirResponse:
    """PATCH [type]?criteria, which must find exactly one. 200, 404, 412."""
    seen = rights.rule(request, service, "search-type")
    params = conditional.criteria(request.query, request.type)
    present = conditional.only_match(service, request.type, params, seen)
    request.id = present.id if present else "?"
    reads.found(present, request)
    return patch(request, service)


def delete(request: FhirRequest, service: FhirService) -> FhirResponse:
    """DELETE [type]/[id]: done, or done before, or never there: 204 in all three, with an ETag when it was."""
    rule = rights.rule(request, service)
    wanted = conditional.if_match(request)

    if not isinstance(rule, Everything):
        current = service.store.read(request.type, request.id)
        if current is not None and not current.deleted:
            rights.admit(rule, service, current)
    return gone(service.store.delete(request.type, request.id, by=request.caller, if_match=wanted))


def delete_where(request: FhirRequest, service: FhirService) -> FhirResponse:
    """DELETE [type]?criteria: one found is deleted, several are refused (the CapabilityStatement says `single`)."""
    rule = rights.rule(request, service)
    seen = rights.rule(request, service, "search-type")
    params = conditional.criteria(request.query, request.type)

    def once() -> FhirResponse:
        db.lock(conditional.lock_key(service, request.type, params))
        present = conditional.only_match(service, request.type, params, seen)
        if present is None:
            return gone(None)
        rights.admit(rule, service, present)
        return gone(service.store.delete(request.type, present.id, by=request.caller))

    return atomically(request, once)


def incoming(request: FhirRequest, service: FhirService) -> dict[str, Any]:
    """The resource of the body, of the address's type and structurally sound. Raises Malformed (400), Invalid (422)."""
    resource = native.resource(request) if native.is_native(request) else dict(request.resource)
    if resource.get("resourceType") != request.type:
        raise Malformed(
            f"Cette adresse reçoit des ressources « {request.type} » : « resourceType » dit autre chose.",
            code="FHIR.TYPE_MISMATCH",
            issue="value",
            path="resourceType",
        )
    if not request.checked:
        check(resource, service)
        resource = _at_home(resource, request)
    watch(resource, request, service)
    return resource


def _at_home(resource: dict[str, Any], request: FhirRequest) -> dict[str, Any]:
    """The resource with its references to this very base written as relative ones, so that all that follows references knows them.

    What a transaction carries was rewritten with the whole of it.
    """
    base = request.base
    if not base or (request.body and (base + "/").encode() not in request.body):
        return resource
    return rewrite(resource, lambda text: local(text, base), {})


def check(resource: dict[str, Any], service: FhirService | None = None) -> None:
    """Refuse a resource that breaks the structure of its type, with every issue and its path.

    A definition under construction is let into the shared store, so that `$validate` can be tried with it.
    """
    issues = validation.check(resource)
    if any(issue.severity in ("error", "fatal") for issue in issues):
        if service is SHARED and validation.is_draft(resource, issues):
            return
        raise Invalid(issues[0].text, code="FHIR.INVALID", issues=issues)


def watch(resource: dict[str, Any], request: FhirRequest, service: FhirService) -> None:
    """Refuse a resource that a room's guard does not let in, with every issue and its path."""
    issues = [issue for guard in ingress(request.type) for issue in guard(resource, request.caller, service.space)]
    if issues:
        raise Invalid(issues[0].text, code="FHIR.RULE", issue=issues[0].code, issues=issues)


def replace(
    request: FhirRequest,
    service: FhirService,
    rule: Filter,
    resource: dict[str, Any],
    wanted: int | None,
    current: "Version | None" = None,
) -> "Version":
    """Write the next version, when the caller may touch both what is there and what it becomes."""
    if not isinstance(rule, Everything):
        current = current or service.store.read(request.type, request.id)
        if current is not None and not current.deleted:
            rights.admit(rule, service, current)
    return _write(service, rule, lambda: service.store.update(resource, by=request.caller, if_match=wanted))


def _write(service: FhirService, rule: Filter, action: "Callable[[], Version]") -> "Version":
    """Write; when the rule looks at content, it looks at what was written, and a refusal undoes it."""
    if isinstance(rule, Everything):
        return action()
    with db.transaction():
        version = action()
        rights.admit(rule, service, version)
        return version


def atomically(request: FhirRequest, action: Callable[[], FhirResponse]) -> FhirResponse:
    """Run in a transaction, again after a deadlock; inside a bundle's transaction, simply run."""
    return action() if request.inside_transaction else db.retrying(action)


def unmoved(resource: dict[str, Any], request: FhirRequest) -> None:
    """Refuse a patch that changes what a resource is."""
    if resource.get("resourceType") != request.type or resource.get("id") != request.id:
        raise Invalid(
            "Un patch ne change ni le type ni l'« id » d'une ressource.", code="FHIR.PATCH", issue="business-rule"
        )


def stale(current: int) -> PreconditionFailed:
    """The refusal for an If-Match that is not the current version."""
    return PreconditionFailed(
        f'La ressource a changé depuis votre lecture : sa version est W/"{current}". Relisez-la, puis recommencez.'
    )


def told(request: FhirRequest, service: FhirService, version: "Version", status: int = 0) -> FhirResponse:
    """The answer to a write, as `Prefer: return=` wishes."""
    place = f"{representation.full_url(request, version.type, version.id)}/_history/{version.version}"
    created = status == 0 and version.created
    headers = representation.version_headers(version)
    headers["Location" if created else "Content-Location"] = place
    status = status or (201 if created else 200)
    returns = prefer.prefer(request).returns
    if returns == "minimal":
        return FhirResponse(status, headers=headers, updated=version.last_updated)
    if returns == "OperationOutcome":
        body = json.dumps(outcome.of_issues(()))
    else:
        body = representation.outgoing(request, service, version.type, version.body)
    return FhirResponse(status, body, headers, updated=version.last_updated)


def gone(version: "Version | None") -> FhirResponse:
    """The answer to a deletion."""
    return FhirResponse(204, headers={"ETag": f'W/"{version.version}"'} if version is not None else {})
