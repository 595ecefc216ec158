"""Conditions in headers: If-Match, If-None-Match, If-Modified-Since, If-None-Exist; and criteria that must find one."""

import re
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from virage.core.access import Filter
from virage.core.errors import Malformed, VirageError
from virage.core.fhir.request import FhirRequest, decode_query
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Version

_ETAG = re.compile(r'(?:W/)?"?(\d{1,18})"?\Z')
_RESULT_ONLY = frozenset(
    {"_count", "_sort", "_include", "_revinclude", "_summary", "_elements", "_total", "_format", "_pretty"}
)


class PreconditionFailed(VirageError):
    """What the client supposed no longer holds, or its criteria find more than one resource."""

    code = "FHIR.PRECONDITION"
    status = 412
    issue = "conflict"


def if_match(request: FhirRequest) -> int | None:
    """The version that the client believes current, or None. Raises Malformed when the header is not a version."""
    header = request.headers.get("if-match")
    if header is None or header.strip() == "*":
        return None
    found = _ETAG.match(header.strip())
    if found is None:
        raise Malformed(
            '« If-Match » porte un numéro de version, comme W/"3".',
            code="FHIR.IF_MATCH",
            issue="value",
            path="If-Match",
        )
    return int(found[1])


def must_be_new(request: FhirRequest) -> bool:
    """Whether a PUT wants to create only (`If-None-Match: *`, RFC 9110)."""
    return request.headers.get("if-none-match", "").strip() == "*"


def unchanged(request: FhirRequest, version: "Version") -> bool:
    """Whether a conditional read may answer 304: If-None-Match first, If-Modified-Since only without it (RFC 9110)."""
    etags = request.headers.get("if-none-match")
    if etags is not None:
        if etags.strip() == "*":
            return True
        given = (_ETAG.match(etag.strip()) for etag in etags.split(","))
        return any(found is not None and int(found[1]) == version.version for found in given)
    since = request.headers.get("if-modified-since")
    if since is None:
        return False
    moment = _moment(since)
    # HTTP dates have no fraction of a second: a version of the same second counts as known.
    return moment is not None and version.last_updated.replace(microsecond=0) <= moment


def _moment(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def criteria(text: str, type: str) -> list[tuple[str, str]]:
    """Parameters of a conditional interaction, from `a=b&c=d` with or without `Type?` ahead.

    Raises Malformed when nothing is left to search by: an empty criterion would meet every resource.
    """
    head, mark, rest = text.partition("?")
    query = rest if mark else head
    if mark and head.strip("/") not in ("", type):
        raise Malformed(f"Le critère porte sur un autre type que {type}.", code="FHIR.CRITERIA", issue="value")
    params = [(name, value) for name, value in decode_query(query) if name not in _RESULT_ONLY]
    if not any(value for _, value in params):
        raise Malformed(
            "Une interaction conditionnelle a besoin d'au moins un critère de recherche.",
            code="FHIR.CRITERIA",
            issue="required",
        )
    return params


def lock_key(service: FhirService, type: str, params: list[tuple[str, str]]) -> str:
    """What parallel conditional writes with the same criteria wait for."""
    return f"fhir:{service.space}:{type}?" + "&".join(f"{name}={value}" for name, value in sorted(params))


def matches(
    service: FhirService, type: str, params: list[tuple[str, str]], access: Filter, most: int = 2
) -> "list[Version]":
    """The resources that meet the criteria, `most` at most, among those the caller may see."""
    page = service.store.search(type, params, access=access, count=most, total=False)
    if page.unknown:
        raise Malformed(
            "Un critère porte sur un paramètre de recherche qui n'existe pas pour ce type.",
            code="FHIR.PARAM_UNKNOWN",
            issue="not-supported",
        )
    return page.matches


def only_match(service: FhirService, type: str, params: list[tuple[str, str]], access: Filter) -> "Version | None":
    """The one resource that meets the criteria, or None. Raises PreconditionFailed (412) when there are several."""
    found = matches(service, type, params, access)
    if len(found) > 1:
        raise PreconditionFailed(
            "Plusieurs ressources répondent au critère : précisez-le pour qu'il n'en désigne qu'une.",
            issue="multiple-matches",
        )
    return found[0] if found else None
