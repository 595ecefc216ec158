"""Search across types: one type after the other, so that a page and its cursor stay those of a search on one type."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from virage.core.access import AllOf, Everything, Filter, InPatient
from virage.core.errors import Malformed
from virage.core.fhir.service import FhirService

if TYPE_CHECKING:
    from virage.core.fhir.store import Page

_FEW = 4
"""Up to so many types, asking each costs no more than asking first which ones a patient has."""


def search(
    service: FhirService,
    types: list[str],
    params: list[tuple[str, str]],
    *,
    access: Filter,
    within: Filter | None = None,
    count: int,
    cursor: str | None,
    total: bool,
    own: Mapping[str, list[tuple[str, str]]] | None = None,
) -> "Page":
    """One page of the matches of each type in turn. The cursor says which type it stands in; `own` are more parameters of a type.

    A parameter counts as unknown when one of the types does not know it, as for a search on that type.
    """
    from virage.core.fhir.store import Page

    start, inner = _read(cursor, types)
    # A parameter of some types only must be looked at by each of them, to be refused by those that do not know it.
    patient = (
        _only_patient(AllOf((within or Everything(), access)))
        if all(name.startswith("_") for name, _ in params)
        else ""
    )
    held = service.store.types_about(patient, types) if patient and len(types) > _FEW else None
    entries: list[Any] = []
    matches = 0
    unknown: dict[str, None] = {}
    counted = 0
    following: str | None = None
    for place, name in enumerate(types):
        left = count - matches if place >= start and following is None else 0
        # Once the page is full, the first type that still has something is where the next page begins.
        probing = left <= 0 < count and place >= start and following is None
        if (left <= 0 and not total and not probing) or (held is not None and name not in held):
            continue
        here = inner if place == start else None
        page = service.store.search(
            name,
            [*params, *(own or {}).get(name, ())],
            access=access,
            within=within,
            count=max(left, int(probing)),
            cursor=here,
            total=total,
        )
        unknown.update(dict.fromkeys(page.unknown))
        counted += page.total or 0
        if probing:
            following = f"{place}." if page.matches else None
        elif left > 0:
            entries += page.entries
            matches += len(page.matches)
            following = f"{place}.{page.next}" if page.next is not None else None
    return Page(entries, counted if total else None, following, [], list(unknown))


def _only_patient(access: Filter) -> str:
    """The logical id of the one patient to whose resources a rule confines; empty when it does not."""
    if isinstance(access, AllOf):
        return next((found for part in access.parts if (found := _only_patient(part))), "")
    return access.patient if isinstance(access, InPatient) else ""


def _read(cursor: str | None, types: list[str]) -> tuple[int, str | None]:
    if not cursor:
        return 0, None
    place, _, inner = cursor.partition(".")
    if not place.isdecimal() or len(place) > 3 or int(place) >= len(types):
        raise Malformed("Ce curseur n'est pas de cette recherche.", code="FHIR.CURSOR", issue="value", path="_cursor")
    return int(place), inner or None
