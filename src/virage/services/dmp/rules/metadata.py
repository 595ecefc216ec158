"""What may be changed in the metadata of a published document, and by whom.

Source: PDSm, flow 03 (update of metadata): status, securityLabel, isArchived, nothing else; R. 1111-49 (the holder hides
and shows again at any time; the depositor still sees); TD3.3c (only the author deletes).
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from virage.core.errors import Forbidden, Invalid, VirageError
from virage.services.dmp import codes


class NotChangeable(VirageError):
    """A metadata that is never updated: the document is replaced instead."""

    code = "DMP.METADATA_FIXED"
    status = 405
    issue = "not-supported"


@dataclass(frozen=True, slots=True)
class Change:
    """The difference that a patch makes: status before and after, visibility codes added and removed, archiving."""

    status: tuple[str, str] | None = None
    added: frozenset[str] = frozenset()
    removed: frozenset[str] = frozenset()
    archived: bool | None = None

    def __bool__(self) -> bool:
        return bool(self.status or self.added or self.removed or self.archived is not None)


def labels(resource: Mapping[str, Any]) -> frozenset[str]:
    """The visibility and confidentiality codes of a DocumentReference."""
    return frozenset(
        str(coding.get("code", ""))
        for label in resource.get("securityLabel") or ()
        for coding in label.get("coding") or ()
        if coding.get("code")
    )


def is_archived(resource: Mapping[str, Any]) -> bool:
    """Whether the PDSm extension says archived."""
    return any(
        one.get("url") == codes.IS_ARCHIVED and one.get("valueBoolean") is True
        for one in resource.get("extension") or ()
    )


def _fixed_part(resource: Mapping[str, Any]) -> dict[str, Any]:
    kept = {
        key: value for key, value in resource.items() if key not in ("status", "securityLabel", "meta", "extension")
    }
    others = [one for one in resource.get("extension") or () if one.get("url") != codes.IS_ARCHIVED]
    return {**kept, "extension": others}


def change(before: Mapping[str, Any], after: Mapping[str, Any]) -> Change:
    """What a patch changes. Raises `NotChangeable` when it touches anything else, `Invalid` for labels nobody knows."""
    if _fixed_part(before) != _fixed_part(after):
        raise NotChangeable(
            "Seuls le statut, la confidentialité (securityLabel) et l'archivage d'un document publié se modifient : pour le "
            "reste, publiez un document qui le remplace."
        )
    old, new = labels(before), kept_level(before, after)
    unknown = (new - old) - codes.VISIBILITY.keys() - codes.CONFIDENTIALITY_CODES
    if unknown:
        raise Invalid(
            "Ce code de confidentialité n'est pas connu.", code="DMP.LABEL", path="DocumentReference.securityLabel"
        )
    status = (str(before.get("status")), str(after.get("status")))
    archived = is_archived(after)
    return Change(
        status=status if status[0] != status[1] else None,
        added=new - old,
        removed=old - new,
        archived=archived if archived != is_archived(before) else None,
    )


def require_right(asked: Change, *, author: bool, holder: bool) -> None:
    """Raises `Forbidden` or `Invalid` where this person may not make this change. An author may be the holder too."""
    if asked.status and asked.status not in codes.STATUS_MOVES:
        raise Invalid(
            "Un document en vigueur peut être remplacé ou retiré ; un document retiré ne revient pas.",
            code="DMP.STATUS",
            path="DocumentReference.status",
        )
    if asked.status and not author:
        raise Forbidden("Seul l'auteur d'un document peut le retirer ou le remplacer.", code="DMP.AUTHOR_ONLY")
    moved = asked.added | asked.removed
    if "MASQUE_PS" in moved and not (author or holder):
        raise Forbidden("Seuls le titulaire et l'auteur masquent ou démasquent un document.", code="DMP.MASK")
    if moved & {"INVISIBLE_PATIENT", "INVISIBLE_REPRESENTANTS_LEGAUX"} and not author:
        raise Forbidden("Seul l'auteur règle la visibilité d'un document pour son titulaire.", code="DMP.AUTHOR_ONLY")
    if moved & codes.CONFIDENTIALITY_CODES and not author:
        raise Forbidden("Seul l'auteur change le niveau de confidentialité.", code="DMP.AUTHOR_ONLY")
    if asked.archived is not None and not (author or holder):
        raise Forbidden("Seuls l'auteur et le titulaire archivent un document.", code="DMP.ARCHIVE")


def relabelled(
    resource: Mapping[str, Any], add: Iterable[str] = (), remove: Iterable[str] = ()
) -> list[dict[str, Any]]:
    """The `securityLabel` list with these codes added and removed, in canonical form, one code per label."""
    wanted = [code for code in labels(resource) if code not in set(remove)] + list(add)
    return canonical(wanted)


def kept_level(before: Mapping[str, Any], after: Mapping[str, Any]) -> frozenset[str]:
    """The labels after a change; a patch that writes the whole list often names the visibility alone: the level stays."""
    new = labels(after)
    return new if new & codes.CONFIDENTIALITY_CODES else new | (labels(before) & codes.CONFIDENTIALITY_CODES)


def canonical(wanted: Iterable[str]) -> list[dict[str, Any]]:
    """Labels in canonical form: the confidentiality level first, then the visibility codes, each once."""
    order = [*sorted(codes.CONFIDENTIALITY_CODES), *codes.VISIBILITY]
    ranked = sorted(set(wanted), key=lambda code: (order.index(code) if code in order else len(order), code))
    return [{"coding": [codes.label_coding(code)]} for code in ranked]
