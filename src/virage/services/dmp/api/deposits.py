"""Feeding the record: ITI-65 (lot), ITI-105 (one document), and the update of metadata (PDSm flow 03)."""

from typing import Any

from virage.core.access import Everything
from virage.core.errors import Conflict, Issue, Malformed, VirageError
from virage.core.fhir import FhirRequest, FhirResponse, FhirService, conditional, json, outcome
from virage.core.fhir import patch as patching
from virage.core.fhir.interactions import rights, writes
from virage.core.fhir.store import StaleVersion, Version
from virage.services.dmp import access, actions, queries, submission
from virage.services.dmp.api import answers, whose

_PATCH_TRIES = 8


def _scoped(request: FhirRequest, service: FhirService, interaction: str, type_: str = "DocumentReference") -> None:
    """The token's scopes must open the interaction; who may is then asked for the record itself."""
    with access.opened(Everything()):
        rights.rule(request, service, interaction, type_)


def _localised(request: FhirRequest, value: Any) -> None:
    """Addresses of our own bases become relative references, in place: `https://here/ins/fhir/Patient/x` → `Patient/x`."""
    root = request.base.removesuffix("/dmp/fhir")
    if isinstance(value, dict):
        reference = value.get("reference")
        if root and isinstance(reference, str):
            for base in ("/dmp/fhir/", "/ins/fhir/", "/fhir/"):
                value["reference"] = value["reference"].removeprefix(root + base)
        for inner in value.values():
            _localised(request, inner)
    elif isinstance(value, list):
        for inner in value:
            _localised(request, inner)


def _sound(resource: dict[str, Any], path: str) -> list[Issue]:
    """Structural findings of a resource, their paths led by the entry's."""
    try:
        writes.check(resource)
    except VirageError as error:
        return [
            Issue(one.code, one.text, f"{path}.{one.path}" if one.path else path, one.severity) for one in error.issues
        ]
    return []


def transaction(request: FhirRequest, service: FhirService) -> FhirResponse:
    """ITI-65: a lot of documents, all or nothing. 200, 400, 403, 409, 413, 422."""
    bundle = request.resource
    if bundle.get("resourceType") != "Bundle" or bundle.get("type") != "transaction":
        raise Malformed(
            "Un lot de documents est un Bundle de type « transaction ».", code="DMP.SUBMISSION", path="Bundle.type"
        )
    _scoped(request, service, "create")
    _localised(request, bundle)
    # Structure first: what comes after may then trust the shapes of what it reads.
    issues: list[Issue] = []
    for index, entry in enumerate(bundle["entry"] if isinstance(bundle.get("entry"), list) else ()):
        if isinstance(entry, dict) and isinstance(entry.get("resource"), dict):
            issues += _sound(entry["resource"], f"Bundle.entry[{index}].resource")
    if any(issue.severity in ("error", "fatal") for issue in issues):
        raise Malformed(issues[0].text, code="FHIR.INVALID", status=422, path=issues[0].path, issues=issues[:500])
    lot = submission.parse(bundle)
    done = actions.publish(by=request.caller, submission=lot)
    return _response(request, lot, done)


def _response(request: FhirRequest, lot: submission.Submission, done: actions.Deposited) -> FhirResponse:
    entries: list[dict[str, Any]] = []
    for kind, number in lot.kinds:
        if kind == "support":
            entries.append({"response": {"status": "200 OK"}})
            continue
        if kind == "binary":
            version = done.documents[number]
            where = f"{request.base}/Binary/{version.id}"
        else:
            version = {"list": done.lots, "document": done.documents, "patch": done.patched}[kind][number]
            where = answers.location(request, version)
        status = "200 OK" if kind == "patch" else "201 Created"
        entries.append({"response": _told(version, where, status)})
    if done.remarks:
        told = next((entry for entry, (kind, _) in zip(entries, lot.kinds, strict=True) if kind == "document"), None)
        if told is not None:
            told["response"]["outcome"] = outcome.of_issues(list(done.remarks))
    return FhirResponse(200, json.dumps({"resourceType": "Bundle", "type": "transaction-response", "entry": entries}))


def _told(version: Version, where: str, status: str) -> dict[str, Any]:
    return {
        "status": status,
        "location": where,
        "etag": f'W/"{version.version}"',
        "lastModified": version.last_updated.isoformat(timespec="milliseconds"),
    }


def create(request: FhirRequest, service: FhirService) -> FhirResponse:
    """ITI-105: one DocumentReference with its data. 201, 400, 403, 409, 413, 422."""
    resource = request.resource
    if resource.get("resourceType") != "DocumentReference":
        raise Malformed(
            "Une fiche de document (DocumentReference) est attendue.", code="DMP.SUBMISSION", path="resourceType"
        )
    _scoped(request, service, "create")
    _localised(request, resource)
    writes.check(resource)
    version = actions.publish(by=request.caller, submission=submission.simplified(resource)).documents[0]
    return answers.present(request, service, version, 201, Location=answers.location(request, version))


def patch(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Status, securityLabel and isArchived of a document, by id or by business identifier. 200, 400, 403, 404, 405, 412, 422."""
    _scoped(request, service, "patch")
    change = patching.parse(request)
    wanted = conditional.if_match(request)
    for _ in range(_PATCH_TRIES):
        version = queries.require(request.id) if request.id else whose.only_document(request)
        if wanted is not None and wanted != version.version:
            raise writes.stale(version.version)
        after = change(version.resource)
        writes.check(after)
        try:
            written = actions.update_metadata(
                by=request.caller, document=version.id, after=after, if_match=version.version
            )
        except StaleVersion:
            # Somebody wrote in between: patch what they wrote, unless the client had named its version.
            if wanted is not None:
                raise
            continue
        return answers.present(request, service, written)
    raise Conflict("Ce document change trop vite en ce moment : recommencez.", code="DMP.BUSY", issue="lock-error")
