"""The space `dmp` of the FHIR store, and its search parameters beyond those of R4: PDSm, MHD, and ours for people.

The people of a document travel inside it (`contained`): `author.family`, `source.given` and the like, which MHD asks for, are
answered by parameters of ours that index what is contained, in one look-up.
"""

import re
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


# The references to people and structures of each type, and what of them can be searched.
_PEOPLE = {"DocumentReference": ("author", "authenticator", "custodian"), "List": ("source",)}
_TOLD = {"family": "string", "given": "string", "name": "string", "identifier": "token"}


def _within(base: str, element: str, told: str) -> dict[str, Any]:
    """`author-family` and the like: the person whom the reference designates, or the one behind a role."""
    who = f"{base}.{element}.resolve()"
    places = [f"{who}.{told}", f"{who}.practitioner.resolve().{told}"]
    if told in ("family", "given"):
        places = [place.replace(f".{told}", f".name.{told}") for place in places]
    if told == "name":
        places.append(f"{base}.{element}.display")
    if told == "identifier":
        places.append(f"{base}.{element}.identifier")
    return _parameter(
        f"urn:virage:SearchParameter/dmp-{base}-{element}-{told}",
        f"{element}-{told}",
        [base],
        _TOLD[told],
        " | ".join(places),
    )


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
    _parameter(
        f"{_PDSM}/PDSm-List-authorOrg",
        "authorOrg",
        ["List"],
        "reference",
        f"List.extension.where(url='{_MHD}/StructureDefinition/ihe-authorOrg').value",
    ),
    *(_within(base, element, what) for base, elements in _PEOPLE.items() for element in elements for what in _TOLD),
)

_CHAIN = re.compile(
    r"(?P<element>\w+)(?::\w+)?(?:\.(?:partOf\.)?practitioner(?::\w+)?)?\.(?P<told>family|given|name|identifier)(?P<modifier>:\w+)?"
)


def spoken(type_: str, name: str) -> str:
    """The name of a search parameter as the index knows it: chains to contained people become parameters of ours,
    `author:Practitioner.family:exact` → `author-family:exact`; others stay.
    """
    chain = _CHAIN.fullmatch(name)
    if chain is None or chain["element"] not in _PEOPLE.get(type_, ()):
        return name
    return f"{chain['element']}-{chain['told']}{chain['modifier'] or ''}"


# Declared with the module, so that workers and commands index as the web does.
SPACE = space("dmp", 5)
registry.declare(SPACE.code, [definitions.parse_search_parameter(one) for one in SEARCH_PARAMETERS])
