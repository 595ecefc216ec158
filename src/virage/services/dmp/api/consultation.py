"""Consulting: ITI-67 (documents), ITI-66 (lots), ITI-68 (the bytes). Every consultation is traced, refusals too."""

from typing import Any

from virage.core import audit
from virage.core.access import Everything, Facts, Filter
from virage.core.errors import Forbidden, Unknown
from virage.core.fhir import FhirRequest, FhirResponse, FhirService, json, router
from virage.core.fhir.interactions import rights
from virage.services.dmp import access, queries
from virage.services.dmp.api import answers, whose
from virage.services.dmp.parameters import spoken

# What a browser must never run from our address, and what it must not guess.
_INERT = {
    "X-Content-Type-Options": "nosniff",
    "Content-Security-Policy": "sandbox; default-src 'none'",
    "Cache-Control": "private, no-store",
}


def _scoped(request: FhirRequest, service: FhirService, type_: str = "") -> None:
    with access.opened(Everything()):
        rights.rule(request, service, request.interaction, type_)


def search(request: FhirRequest, service: FhirService) -> FhirResponse:
    """A page of the documents or lots of one record that the caller may see. 200, 400, 403, 404."""
    _scoped(request, service)
    patient = whose.resolve(request)
    documents = access.enter(request.caller, patient, "dmp.search")
    request.parsed_params = [_asked(request.type, name, value) for name, value in request.params]
    names = {name.partition(":")[0] for name, _ in request.params}
    if "isArchived" not in names and "_id" not in names and "identifier" not in names:
        # What was put away is shown on request only.
        request.params.append(("isArchived:not", "true"))
    allowed = documents if request.type == "DocumentReference" else access.lot_filter(request.caller, patient)
    with access.opened(allowed):
        response = router.default(request, service)
    audit.trace(by=request.caller, action="dmp.search", patient=patient)
    if b'"List"' in response.body:
        response.body = _thinned(response.body, documents)
    response.body = answers.absolute(request, response.body)
    return response


def _asked(type_: str, name: str, value: str) -> tuple[str, str]:
    """A parameter as the store answers it."""
    if name == "isArchived" and value.rpartition("|")[2] == "false":
        # A document that says nothing of archiving is not archived.
        return "isArchived:not", "true"
    return spoken(type_, name), value


def _thinned(body: bytes, documents: Filter) -> bytes:
    """The Bundle with its lots cut to the documents that the caller sees; a lot of which nothing is left goes."""
    bundle = json.loads(body)
    kept = []
    for entry in bundle.get("entry", ()):
        resource = entry["resource"]
        if resource.get("resourceType") == "List" and not thin(resource, documents):
            continue
        kept.append(entry)
    if len(kept) != len(bundle.get("entry", ())):
        bundle.pop("total", None)
    bundle["entry"] = kept
    if not kept:
        del bundle["entry"]
    return json.dumps(bundle)


def thin(lot: dict[str, Any], documents: Filter) -> bool:
    """Cuts a lot, in place, to what the caller sees; false when it held documents and none is left."""
    entries = lot.get("entry") or []
    kept = [entry for entry in entries if _seen(str((entry.get("item") or {}).get("reference", "")), documents)]
    if len(kept) != len(entries):
        lot["entry"] = kept
        if not kept:
            del lot["entry"]
    return bool(kept) or not entries


def _seen(reference: str, documents: Filter) -> bool:
    kind, _, ident = reference.partition("/")
    if kind != "DocumentReference":
        return True
    version = queries.document(ident)
    return version is not None and documents.admits(queries.store().facts(version.resource)).allowed


def read(request: FhirRequest, service: FhirService) -> FhirResponse:
    """The metadata of one document. 200, 403, 404."""
    _scoped(request, service)
    version, _ = queries.visible(request.caller, request.id, "dmp.consult")
    return answers.present(request, service, version)


def read_lot(request: FhirRequest, service: FhirService) -> FhirResponse:
    """One lot, cut to the documents that the caller sees. 200, 403, 404."""
    _scoped(request, service)
    version = service.store.read("List", request.id)
    if version is None or version.deleted:
        raise Unknown("Ce lot n'existe pas.", code="DMP.NO_LOT")
    lot = json.loads(version.body)
    patient = queries.patient_of(lot)
    documents = access.enter(request.caller, patient, "dmp.consult", (version.reference,))
    facts = Facts("List", version.id, frozenset({patient}))
    if not access.lot_filter(request.caller, patient).admits(facts).allowed or not thin(lot, documents):
        raise Unknown("Ce lot n'existe pas.", code="DMP.NO_LOT")
    audit.trace(by=request.caller, action="dmp.consult", patient=patient, entities=(version.reference,))
    return FhirResponse.of(lot)


def retrieve(request: FhirRequest, service: FhirService) -> FhirResponse:
    """ITI-68: the very bytes that were published, under their declared type. 200, 403, 404."""
    try:
        _scoped(request, service, "Binary")
    except Forbidden:
        # Whoever may read the metadata of documents may read the documents.
        _scoped(request, service, "DocumentReference")
    content, mime = queries.retrieve(request.caller, request.id)
    return FhirResponse(200, content, {**_INERT, "Content-Type": mime}, native=True)
