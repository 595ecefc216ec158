"""The space `dmp` of the FHIR store, and its search parameters beyond those of R4: PDSm, MHD, and one of ours for authors."""

from typing import Any

from virage.core.fhir import definitions
from virage.core.fhir.index import registry
from virage.core.fhir.store import space
from virage.services.dmp import codes

_PDSM = "https://interop.esante.gouv.fr/ig/fhir/pdsm/SearchParameter"
_MHD = "https://profiles.ihe.net/ITI/MHD"


def _parameter(url: str, code: str, base: list[str], type_: str, expression: str) -> dict[str, Any]:
    return {
        "resourceType": "SearchParameter",
        "id": url.rpartition("/")[2],
        "url": url,
        "name": url.rpartition("/")[2],
        "status": "active",
        "code": code,
        "base": base,
        "type": type_,
        "expression": expression,
    }


_DOCUMENT = ["DocumentReference"]
SEARCH_PARAMETERS: tuple[dict[str, Any], ...] = (
    _parameter(
        "urn:virage:SearchParameter/dmp-author-idnat",
        codes.AUTHOR_PARAM,
        _DOCUMENT,
        "token",
        "DocumentReference.author.identifier",
    ),
    _parameter(
        f"{_PDSM}/PDSm-isArchived",
        "isArchived",
        ["DocumentReference", "List"],
        "token",
        f"extension.where(url='{codes.IS_ARCHIVED}').value",
    ),
    _parameter(
        f"{_PDSM}/PDSm-DocumentReference-period-start",
        "period-start",
        _DOCUMENT,
        "date",
        "DocumentReference.context.period.start",
    ),
    _parameter(
        f"{_PDSM}/PDSm-DocumentReference-period-end",
        "period-end",
        _DOCUMENT,
        "date",
        "DocumentReference.context.period.end",
    ),
    _parameter(
        f"{_MHD}/SearchParameter/DocumentReference-Creation",
        "creation",
        _DOCUMENT,
        "date",
        "DocumentReference.content.attachment.creation",
    ),
    _parameter(
        f"{_MHD}/SearchParameter/List-SourceId",
        "sourceId",
        ["List"],
        "token",
        f"List.extension.where(url='{_MHD}/StructureDefinition/ihe-sourceId').value",
    ),
    _parameter(
        f"{_MHD}/SearchParameter/List-DesignationType",
        "designationType",
        ["List"],
        "token",
        f"List.extension.where(url='{_MHD}/StructureDefinition/ihe-designationType').value",
    ),
)

# Declared with the module, so that workers and commands index as the web does.
SPACE = space("dmp", 5)
registry.declare(SPACE.code, [definitions.parse_search_parameter(one) for one in SEARCH_PARAMETERS])
