"""What every store of files shares: the name of a file is its SHA-256, so that what comes back can be checked."""

import re
from dataclasses import dataclass

from virage.core.errors import Malformed, VirageError

_DIGEST = re.compile(r"[0-9a-f]{64}\Z")


class BlobMissing(VirageError):
    """A file that the database mentions is not in the store: restore it from a backup."""

    code = "BLOBS.MISSING"
    status = 500
    issue = "exception"

    def __init__(self) -> None:
        super().__init__("Un fichier du dossier de données manque : le reprendre d'une sauvegarde (virage restore).")


class BlobDamaged(VirageError):
    """The bytes under a name are not those that were stored."""

    code = "BLOBS.DAMAGED"
    status = 500
    issue = "exception"

    def __init__(self) -> None:
        super().__init__("Un fichier du dossier de données est abîmé : le reprendre d'une sauvegarde (virage restore).")


@dataclass(frozen=True, slots=True)
class Blob:
    """A stored file: `digest` is its SHA-256 in lower-case hexadecimal and its name, `sha1` 20 bytes, `size` in bytes."""

    digest: str
    sha1: bytes
    size: int


def checked(digest: str) -> str:
    """The digest itself. Raises Malformed when it is not one, such as a path."""
    if not _DIGEST.match(digest):
        raise Malformed("L'empreinte d'un fichier s'écrit en 64 chiffres hexadécimaux.", code="BLOBS.DIGEST")
    return digest
