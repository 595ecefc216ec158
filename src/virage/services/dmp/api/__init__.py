"""The FHIR base `/dmp/fhir`: PDSm / MHD over the shared record. Parse, call, answer."""

from virage.core import access as engine
from virage.core.fhir import FhirService
from virage.services.dmp import codes
from virage.services.dmp.access import policy
from virage.services.dmp.api import consultation, deposits, patients, traces
from virage.services.dmp.parameters import SEARCH_PARAMETERS, SPACE

engine.register(SPACE.name, policy)

SERVICE = FhirService(
    base="/dmp/fhir",
    space=SPACE.name,
    code=SPACE.code,
    title="Dossier médical partagé",
    types={
        "DocumentReference": {"read", "search-type", "create", "patch"},
        "List": {"read", "search-type"},
        "Binary": {"read"},
        "Patient": {"read", "search-type"},
        "AuditEvent": {"read", "search-type"},
    },
    system={"transaction"},
    overrides={
        ("batch", "*"): deposits.transaction,
        ("create", "DocumentReference"): deposits.create,
        ("patch", "DocumentReference"): deposits.patch,
        ("read", "DocumentReference"): consultation.read,
        ("search-type", "DocumentReference"): consultation.search,
        ("read", "List"): consultation.read_lot,
        ("search-type", "List"): consultation.search,
        ("read", "Binary"): consultation.retrieve,
        ("read", "Patient"): patients.read,
        ("search-type", "Patient"): patients.search,
        ("read", "AuditEvent"): traces.read,
        ("search-type", "AuditEvent"): traces.search,
    },
    search_parameters=SEARCH_PARAMETERS,
    profiles={
        "DocumentReference": [
            f"{codes.PDSM}/pdsm-comprehensive-document-reference",
            f"{codes.PDSM}/pdsm-simplified-publish",
        ],
        "List": [f"{codes.PDSM}/pdsm-submissionset-comprehensive"],
    },
    purpose="Partage de documents de santé (PDSm, IHE MHD : ITI-65, 66, 67, 68 et 105) dans le dossier médical partagé.",
)
