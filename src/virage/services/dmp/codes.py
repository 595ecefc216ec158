"""Codes and systems of the shared record as they travel. Sources: TRE_A07, TRE_A03, PDSm 3.1, IHE MHD 4.2."""

from collections.abc import Mapping

IDNAT_PS = "urn:oid:1.2.250.1.71.4.2.1"
IDNAT_STRUCT = "urn:oid:1.2.250.1.71.4.2.2"
RPPS = "https://rpps.esante.gouv.fr"
CONFIDENTIALITY = "http://terminology.hl7.org/CodeSystem/v3-Confidentiality"
VISIBILITY_SYSTEM = "urn:oid:1.2.250.1.213.1.1.4.13"
VISIBILITY: Mapping[str, str] = {
    "MASQUE_PS": "Masqué aux professionnels de santé",
    "INVISIBLE_PATIENT": "Non visible par le patient",
    "INVISIBLE_REPRESENTANTS_LEGAUX": "Non visible par les représentants légaux",
}
CONFIDENTIALITY_CODES = frozenset({"N", "R", "V"})
STATUS_MOVES = frozenset(
    {("current", "superseded"), ("current", "entered-in-error"), ("superseded", "entered-in-error")}
)
IS_ARCHIVED = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition/pdsm-ext-is-archived"
LIST_TYPES = frozenset(
    {
        "http://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes",
        "https://profiles.ihe.net/ITI/MHD/CodeSystem/MHDlistTypes",
    }
)
MIME_SUFFICIENT = "urn:ihe:iti:xds:2017:mimeTypeSufficient"
PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/StructureDefinition"
AUTHOR_PARAM = "author-idnat"
"""Our search parameter: the national identifiers of a document's authors."""


def label_coding(code: str) -> dict[str, str]:
    """The canonical coding of a confidentiality or visibility code."""
    if code in VISIBILITY:
        return {"system": VISIBILITY_SYSTEM, "code": code, "display": VISIBILITY[code]}
    return {"system": CONFIDENTIALITY, "code": code}
