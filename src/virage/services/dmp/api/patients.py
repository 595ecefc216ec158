"""TD0.2: does this person have a record, in which state, and may the caller consult it. The identity comes from `trust.ins`."""

from typing import Any

from virage.core import audit
from virage.core.access import Everything
from virage.core.errors import Forbidden, Malformed, Unknown
from virage.core.fhir import FhirRequest, FhirResponse, FhirService, json, representation
from virage.core.fhir.interactions import rights
from virage.core.fhir.store import Store, space
from virage.services.dmp import access, identities, queries, rules
from virage.services.dmp.api import answers
from virage.trust import ins

_STATUS = "urn:virage:dmp-statut"
_ALLOWED = frozenset({"identifier", "_id", "_format", "_pretty", "_count"})


def _described(request: FhirRequest, patient: str) -> dict[str, Any]:
    """The Patient of the identity base with the state of the record as extensions."""
    by = request.caller
    if by.kind == "citizen" and by.patient != patient:
        raise Forbidden("Vous ne consultez que votre propre dossier.", code="DMP.HOLDER_ONLY")
    version = Store(space("ins")).read("Patient", patient)
    if version is None or version.deleted:
        raise Unknown("Cette personne n'est pas connue.", code="INS.UNKNOWN")
    record = queries.record_state(patient)
    known = access.rights(by, patient)
    resource = json.loads(version.body)
    parts: list[dict[str, Any]] = [
        {"url": "statut", "valueCode": str(record.state)},
        {"url": "autorisation", "valueCode": known.permission or ("titulaire" if known.holder else "aucune")},
        {"url": "rattachement-mes", "valueBoolean": record.attached_to_space},
        {
            "url": "medecin-traitant",
            "valueBoolean": bool(record.treating_doctor) and record.treating_doctor == by.subject,
        },
    ]
    if record.closed_at:
        parts.append({"url": "date-fermeture", "valueDateTime": record.closed_at.isoformat(timespec="seconds")})
    if record.closing_reason:
        parts.append({"url": "raison-fermeture", "valueString": record.closing_reason})
    resource["extension"] = [*resource.get("extension", []), {"url": _STATUS, "extension": parts}]
    resource["active"] = record.state == rules.State.ACTIF
    audit.trace(by=by, action="dmp.status", patient=patient)
    return resource


def _entitled(request: FhirRequest, service: FhirService) -> None:
    with access.opened(Everything()):
        rights.rule(request, service, request.interaction, "Patient")
    if request.caller.kind not in ("citizen", "professional", "software", "system"):
        raise Forbidden(
            "L'état d'un dossier médical partagé est réservé à son titulaire et aux professionnels.", code="DMP.KIND"
        )


def _guarded(request: FhirRequest, service: FhirService, resource: dict[str, Any]) -> dict[str, Any]:
    return representation.guard(resource, request, service)


def read(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient/x`: 200, 403, 404."""
    _entitled(request, service)
    return FhirResponse.of(_guarded(request, service, _described(request, request.id)))


def search(request: FhirRequest, service: FhirService) -> FhirResponse:
    """`Patient?identifier=urn:oid:…|INS`: a Bundle of none or one. 200, 400, 403, 422."""
    _entitled(request, service)
    unknown = [name for name, _ in request.params if name not in _ALLOWED]
    if unknown:
        raise Malformed(
            "Ici un patient se cherche par son INS (identifier) seulement.",
            code="FHIR.PARAM_UNKNOWN",
            path="identifier",
        )
    wanted = request.param("_id") or ""
    identifier = request.param("identifier")
    if identifier:
        system, _, value = identifier.partition("|")
        pairs = identities.ins_identifiers([(system, value)])
        found = ins.find(*pairs[0]) if pairs else None
        wanted = found.patient if found and found.qualified and wanted in ("", found.patient) else ""
    elif not wanted:
        wanted = request.caller.patient
        if not wanted:
            raise Malformed("Indiquez l'INS du patient : identifier=urn:oid:OID|MATRICULE.", code="DMP.NO_PATIENT")
    return answers.searchset(request, [_guarded(request, service, _described(request, wanted))] if wanted else [])
