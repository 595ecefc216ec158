"""Whose record a request is about: from its parameters, its compartment, or the document it names."""

from urllib.parse import parse_qsl

from virage.core.access import Everything
from virage.core.errors import Invalid, Malformed, Unknown, VirageError
from virage.core.fhir import FhirRequest, Version
from virage.core.fhir.store import places
from virage.services.dmp import identities, queries
from virage.trust import ins

_IDENTIFIED = frozenset(
    {
        "patient.identifier",
        "subject.identifier",
        "patient:Patient.identifier",
        "subject:Patient.identifier",
        "patient:identifier",
        "subject:identifier",
    }
)
_NAMED = frozenset({"patient", "subject", "subject:Patient", "patient:Patient"})


def _by_identifier(value: str) -> str:
    system, bar, number = value.partition("|")
    pairs = identities.ins_identifiers([(system, number)])
    if not bar or not pairs:
        raise Malformed(
            "Le patient se désigne par son INS : patient.identifier=urn:oid:OID|MATRICULE.",
            code="DMP.NO_PATIENT",
            path="patient.identifier",
        )
    try:
        return ins.require_qualified(*pairs[0]).patient
    except VirageError as refusal:
        raise refusal.located("patient.identifier") from None


def resolve(request: FhirRequest) -> str:
    """The patient of a search, whose parameters are rewritten to the logical `patient`.

    A holder who names nobody means their own record; a document's identifier or id names its patient. Raises `Malformed`
    (`DMP.NO_PATIENT`), `Invalid`, `Unknown` (INS.UNKNOWN), `Forbidden` (INS.NOT_QUALIFIED).
    """
    kept: list[tuple[str, str]] = []
    found: set[str] = set()
    for name, value in request.params:
        if name in _IDENTIFIED:
            found.add(_by_identifier(value))
        elif name in _NAMED:
            if value.startswith("http"):
                value = (
                    value[value.find("Patient/") :]
                    if request.base and value.startswith(request.base.removesuffix("/dmp/fhir"))
                    else value
                )
            found.add(value.removeprefix("Patient/"))
        else:
            kept.append((name, value))
    if request.compartment is not None and request.compartment[0] == "Patient":
        found.add(request.compartment[1])
    if not found:
        found |= _of_documents(request, kept)
    if not found and request.caller.kind == "citizen":
        found.add(request.caller.patient)
    if len(found) != 1:
        raise Malformed(
            "Une recherche porte sur le dossier d'un seul patient : patient.identifier=urn:oid:OID|MATRICULE.",
            code="DMP.NO_PATIENT",
        )
    patient = found.pop()
    if not places.ID.fullmatch(patient):
        raise Malformed("Cet identifiant de patient n'en est pas un.", code="DMP.NO_PATIENT", path="patient")
    request.parsed_params = [("patient", f"Patient/{patient}"), *kept]
    request.compartment = None
    return patient


def _of_documents(request: FhirRequest, params: list[tuple[str, str]]) -> set[str]:
    """The patients of the documents that `_id` or `identifier` name: whether the caller may know of them is asked next."""
    named = [(name, value) for name, value in params if name in ("_id", "identifier")]
    if not named:
        return set()
    page = queries.store().search(request.type, named, access=Everything(), count=20)
    return {queries.patient_of(version.resource) for version in page.matches}


def only_document(request: FhirRequest) -> Version:
    """The one document that the criteria of a conditional patch name. Raises `Unknown`, `Invalid` (412), `Malformed`."""
    criteria = [
        (name, value) for name, value in parse_qsl(request.query, keep_blank_values=True) if name == "identifier"
    ]
    if not criteria:
        raise Malformed(
            "Une mise à jour désigne le document par son identifiant : ?identifier=…", code="DMP.NO_DOCUMENT"
        )
    page = queries.store().search("DocumentReference", criteria, access=Everything(), count=2)
    if not page.matches:
        raise Unknown("Ce document n'existe pas.", code="DMP.NO_DOCUMENT")
    if len(page.matches) > 1:
        raise Invalid(
            "Cet identifiant désigne plusieurs documents.",
            code="DMP.SEVERAL_DOCUMENTS",
            status=412,
            issue="multiple-matches",
        )
    return page.matches[0]
