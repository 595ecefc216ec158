"""What the desk decides by itself. Pure."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from virage.trust.ins import Identity

GLASS_LASTS = timedelta(hours=1)
REASON_LENGTH = (10, 500)
# The bodies that the CI-SIS lets a level N1 document hold, by the ending of a file's name.
MEDIA: Mapping[str, str] = {
    "pdf": "application/pdf",
    "jpg": "image/jpeg",
    "jpeg": "image/jpeg",
    "tif": "image/tiff",
    "tiff": "image/tiff",
    "rtf": "text/rtf",
    "txt": "text/plain",
}
_STARTS: Mapping[str, tuple[bytes, ...]] = {
    "application/pdf": (b"%PDF-",),
    "image/jpeg": (b"\xff\xd8\xff",),
    "image/tiff": (b"II*\x00", b"MM\x00*"),
    "text/rtf": (b"{\\rtf",),
}


def media_of(name: str, content: bytes) -> str:
    """The media type of a file to publish: `text/xml` for a CDA, one of `MEDIA`, or empty when it cannot be published.

    The content decides, the name only helps for plain text: a program renamed .pdf is not one.
    """
    head = content[:512].lstrip(b"\xef\xbb\xbf \t\r\n")
    if head.startswith((b"<?xml", b"<ClinicalDocument")):
        return "text/xml"
    for media, starts in _STARTS.items():
        if content.startswith(starts):
            return media
    ending = name.rpartition(".")[2].lower()
    if ending == "txt":
        try:
            content.decode("utf-8")
        except UnicodeDecodeError:
            return ""
        return "" if b"\x00" in content else "text/plain"
    return ""


def glass_is_broken(broken: Mapping[str, Mapping[str, str]], patient: str, now: datetime) -> str:
    """The reason given for this patient within the last hour, empty when there is none."""
    found = broken.get(patient)
    if not found:
        return ""
    return found["reason"] if datetime.fromisoformat(found["at"]) + GLASS_LASTS > now else ""


_WHO_CAN: Mapping[str, str] = {
    "DMP.NOT_AUTHORISED": "Le titulaire du dossier peut vous autoriser, dans son espace ou en vous donnant son accord.",
    "DMP.BLOCKED": "Seul le titulaire du dossier peut lever ce blocage, dans son espace.",
    "DMP.STATE": "Seul le titulaire du dossier peut l’ouvrir ou le rouvrir, dans son espace.",
    "DMP.EMERGENCY_REFUSED": "Seul le titulaire du dossier peut accepter de nouveau les accès en urgence.",
}


def who_can_change(code: str) -> str:
    """Who can change the rule that a refusal names, and where."""
    return _WHO_CAN.get(code, "Le titulaire du dossier décide de ses accès dans son espace.")


DOCUMENT_COLUMNS = ("date de l’acte", "titre", "type", "auteur", "format", "taille")
"""The columns of a list of documents as a table to keep."""


def document_row(document: Mapping[str, Any]) -> tuple[str, ...]:
    """A `dmp.summary` under these columns."""
    return (
        document["date"][:10],
        document["title"],
        document["type"],
        document["author"],
        document["mime"],
        str(document["size"]),
    )


PATIENT_COLUMNS = ("nom de naissance", "prénom", "sexe", "date de naissance", "identité")
"""The columns of the list of patients as a table to keep."""


def patient_row(identity: Identity) -> tuple[str, ...]:
    """An identity under these columns; the matricule is not among them, a table on a desk is no place for it."""
    traits = identity.traits
    born = traits.birth_date.isoformat() if traits.birth_date else ""
    return (traits.family, traits.given, traits.sex, born, "qualifiée" if identity.qualified else "non qualifiée")
