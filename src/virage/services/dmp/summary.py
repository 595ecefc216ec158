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


def summary(resource: Mapping[str, Any]) -> dict[str, Any]:
    """What a list shows of a DocumentReference: `id`, `title`, `type`, `date` (ISO), `author`, `author_id`, `mime`, `size`
    (bytes), `status`, `labels`, `is_masked`, `is_hidden`, `is_archived`.
    """
    attachment = (resource.get("content") or [{}])[0].get("attachment") or {}
    code, display = _concept([resource["type"]] if "type" in resource else ())
    known = document_types().get(code)
    author = (resource.get("author") or [{}])[0]
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
        "author": str(author.get("display", "")),
        "author_id": str((author.get("identifier") or {}).get("value", "")),
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
