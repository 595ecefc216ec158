"""A document in a few words, for pages."""

from collections.abc import Mapping
from typing import Any

from virage.services.dmp import codes
from virage.trust.interop import document_types


def _concept(concepts: Any) -> tuple[str, str]:
    for concept in concepts or ():
        for coding in concept.get("coding") or ():
            return str(coding.get("code", "")), str(coding.get("display", "") or concept.get("text", ""))
    return "", ""


def _author(resource: Mapping[str, Any]) -> tuple[str, str]:
    """Name and idNat_PS of the first author: what the reference says, else what the contained resource does."""
    author = (resource.get("author") or [{}])[0]
    reference = str(author.get("reference", ""))
    held: Mapping[str, Any] = next(
        (one for one in resource.get("contained") or () if f"#{one.get('id')}" == reference), {}
    )
    names = held.get("name") or [{}]
    name = names[0] if isinstance(names, list) else {"text": names}
    words = [*(name.get("given") or ()), str(name.get("family", ""))]
    shown = author.get("display") or name.get("text") or " ".join(word for word in words if word)
    identifier = author.get("identifier") or (held.get("identifier") or [{}])[0]
    return str(shown or ""), str(identifier.get("value", ""))


def summary(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a list shows of a DocumentReference: `id`, `title`, `type`, `date` (ISO), `author`, `author_id`, `mime`, `size`
    (bytes), `status`, `labels`, `is_masked`, `is_hidden`, `is_archived`.
    """
    attachment = (resource.get("content") or [{}])[0].get("attachment") or {}
    code, display = _concept([resource["type"]] if "type" in resource else ())
    known = document_types().get(code)
    author, author_id = _author(resource)
    labels = {
        str(coding.get("code", ""))
        for label in resource.get("securityLabel") or ()
        for coding in label.get("coding") or ()
    }
    title = known.title if known else display or code
    return {
        "id": str(resource.get("id", "")),
        "title": str(attachment.get("title") or title or "Document"),
        "type": title,
        "date": str((resource.get("context") or {}).get("period", {}).get("start") or resource.get("date", "")),
        "author": author,
        "author_id": author_id,
        "mime": str(attachment.get("contentType", "")),
        "size": int(attachment.get("size", 0) or 0),
        "status": str(resource.get("status", "")),
        "labels": sorted(labels),
        "is_masked": "MASQUE_PS" in labels,
        "is_hidden": "INVISIBLE_PATIENT" in labels,
        "is_archived": any(
            one.get("url") == codes.IS_ARCHIVED and one.get("valueBoolean") for one in resource.get("extension") or ()
        ),
    }
