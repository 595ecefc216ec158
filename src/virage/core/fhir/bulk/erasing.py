"""Patient/[id]/$expunge: the right to erasure. What was the patient's is gone from every table; the audit keeps the proof.

Source: GDPR, article 17. The traces themselves stay: they say who did what, and never what a resource held.
"""

from typing import Any

from virage.core import access, audit, db
from virage.core.access import Everything, InPatient
from virage.core.callers import Caller
from virage.core.errors import Forbidden, Unknown
from virage.core.fhir.index import keys
from virage.core.fhir.interactions import everywhere
from virage.core.fhir.request import FhirRequest, FhirResponse
from virage.core.fhir.service import FhirService

_NARROW = ("fhir_date", "fhir_string", "fhir_number")
_MOST_CITED = 100


def expunge(request: FhirRequest, service: FhirService) -> FhirResponse:
    """Erase all that is filed under a patient, deleted resources and past versions included; Parameters with the counts.

    Only a caller whose rights to delete on this base have no limit may: a rule that looks at content would leave a part
    behind. Raises Forbidden (403), Unknown (404).
    """
    rule = access.filter_for(service.space, request.caller, "delete", "*")
    overridden = any(each in service.overrides for each in (("delete", "Patient"), ("delete", "*")))
    if not isinstance(rule, Everything) or "delete" not in service.served["Patient"] or overridden:
        raise Forbidden(
            "L'effacement d'un dossier demande le droit de tout supprimer sur cette base, sans restriction"
            " (portée « system/*.cruds »).",
            code="FHIR.EXPUNGE",
        )
    return FhirResponse.of(_told(erase(service, request.id, by=request.caller)))


def erase(service: FhirService, patient: str, *, by: Caller) -> dict[str, Any]:
    """Erase, in one transaction with its trace. Gives the counts by type, of versions, of index rows, and what still cites.

    `cited` are references to resources that are filed under other patients and name this one too: they are their data as
    well, and somebody must look at them. Raises Unknown when nothing is filed under this patient.
    """
    from virage.core.fhir.store import patient_key, places, uniqueness

    space = service.store.space
    compartment = patient_key(patient)
    with db.transaction(), db.cursor() as cursor:
        # Two erasures of one dossier wait for each other. A write under way elsewhere is not stopped: ask again afterwards.
        db.lock(f"fhir/expunge/{space.code}/{compartment}")
        rows = cursor.execute(
            "DELETE FROM fhir_resource WHERE compartment = %s AND space = ANY(%s) RETURNING rid, type, space",
            [compartment, [space.code, space.code | keys.CONTAINED]],
        ).fetchall()
        versions = cursor.execute(
            "DELETE FROM fhir_version WHERE compartment = %s AND space = %s RETURNING rid", [compartment, space.code]
        ).fetchall()
        rids = list({row[0] for row in rows} | {row[0] for row in versions})
        if not rids:
            raise Unknown("Ce patient n'est pas connu ici.", code="FHIR.UNKNOWN")
        db.change(rids)
        index = 0
        for table in _NARROW:
            cursor.execute(f"DELETE FROM {table} WHERE compartment = %s AND rid = ANY(%s)", [compartment, rids])
            index += cursor.rowcount
        cursor.execute("DELETE FROM fhir_locator WHERE rid = ANY(%s)", [rids])
        uniqueness.release(rids)
        types: dict[str, int] = {}
        rows = [row for row in rows if row[2] == space.code]
        for _, code, _ in rows:
            types[places.TYPES[code]] = types.get(places.TYPES[code], 0) + 1
        counts = {"resources": len(rows), "versions": len(versions), "index": index}
        detail = {name: str(count) for name, count in (*sorted(types.items()), *counts.items())}
        audit.trace(by=by, action="fhir.expunge", patient=patient, entities=(f"Patient/{patient}",), detail=detail)
        cited = _cited(service, patient)
    return {**counts, "types": types, "cited": cited}


def _cited(service: FhirService, patient: str) -> list[str]:
    """References to what is filed under others and is in this patient's compartment too."""
    from virage.core.fhir import definitions
    from virage.core.fhir.store import places
    from virage.core.fhir.store.reading import present_types

    members = definitions.compartments()["Patient"]
    types = [name for name in (places.TYPES[code] for code in present_types(service.store.space)) if members.get(name)]
    page = everywhere.search(service, types, [], access=InPatient(patient), count=_MOST_CITED, cursor=None, total=False)
    return [version.reference for version in page.matches]


def _told(done: dict[str, Any]) -> dict[str, Any]:
    parameters: list[dict[str, Any]] = [
        {"name": "type", "part": [{"name": "code", "valueCode": name}, {"name": "count", "valueInteger": count}]}
        for name, count in sorted(done["types"].items())
    ]
    parameters += [{"name": name, "valueInteger": done[name]} for name in ("resources", "versions", "index")]
    parameters += [{"name": "cited", "valueReference": {"reference": each}} for each in done["cited"]]
    return {"resourceType": "Parameters", "parameter": parameters}
