"""One base class for every refusal, so that each medium has one function that renders it."""

import errno
from collections.abc import Sequence
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Issue:
    """One thing that is wrong, and where.

    `code` is a FHIR issue type (`invalid`, `required`, `value`, `forbidden`, …); `path` a FHIRPath-like location in the
    input, empty where the whole input is meant; `text` a French sentence that says what to do; `severity` is `error`,
    `warning` or `information`.
    """

    code: str
    text: str
    path: str = ""
    severity: str = "error"


class VirageError(Exception):
    """A refusal that a person or a program can act on.

    `code` is stable and dotted, such as `INS.TRAITS_MISSING`; `text` is French and says what to do; `status` is HTTP;
    `issue` is the FHIR issue type; `path` tells where in the input; `issues` lists every finding when there are several; `ways_out` are (label, address) pairs that a page offers to whoever was
    refused.
    Nothing personal goes into `text`: errors are logged and shown to people who may not see the data.
    """

    code = "VIRAGE.ERROR"
    status = 400
    issue = "processing"

    def __init__(
        self,
        text: str,
        *,
        code: str | None = None,
        status: int | None = None,
        issue: str | None = None,
        path: str = "",
        issues: Sequence[Issue] = (),
        ways_out: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(text)
        self.text = text
        self.path = path
        self.ways_out: tuple[tuple[str, str], ...] = tuple(ways_out)
        if code is not None:
            self.code = code
        if status is not None:
            self.status = status
        if issue is not None:
            self.issue = issue
        self.issues: tuple[Issue, ...] = tuple(issues) or (Issue(self.issue, text, path),)

    def located(self, path: str) -> "VirageError":
        """The same refusal, told where it stands in what the caller sent; findings that know their place keep it."""
        self.path = self.path or path
        self.issues = tuple(one if one.path else replace(one, path=path) for one in self.issues)
        return self


class Invalid(VirageError):
    """The input breaks a rule; nothing was written."""

    code = "VIRAGE.INVALID"
    status = 422
    issue = "invalid"


class Malformed(VirageError):
    """The input could not even be read."""

    code = "VIRAGE.MALFORMED"
    status = 400
    issue = "structure"


class Unknown(VirageError):
    """What was asked for is not here, or not for this caller to know of."""

    code = "VIRAGE.UNKNOWN"
    status = 404
    issue = "not-found"


class Unauthenticated(VirageError):
    """Who are you: no proof of identity, or one that does not hold."""

    code = "VIRAGE.UNAUTHENTICATED"
    status = 401
    issue = "login"


class Forbidden(VirageError):
    """We know who you are, and this is why not."""

    code = "VIRAGE.FORBIDDEN"
    status = 403
    issue = "forbidden"


class Conflict(VirageError):
    """The state of things does not allow it now."""

    code = "VIRAGE.CONFLICT"
    status = 409
    issue = "conflict"


class StorageFull(VirageError):
    """No room is left, on the disk of the files or on that of the database; what was under way is undone."""

    code = "VIRAGE.STORAGE_FULL"
    status = 503
    issue = "no-store"


class DatabaseAway(VirageError):
    """The database does not answer, or ended the connection: what was under way is undone, unless it was just confirmed."""

    code = "VIRAGE.DATABASE_AWAY"
    status = 503
    issue = "transient"


_AWAY = ("08", "57P", "53300")
"""SQLSTATE: connection exceptions, a server that stops or starts, too many connections."""


def of_machine(error: BaseException) -> VirageError | None:
    """What a failure of the machine under us means for the caller; None for any other failure, such as a mistake of ours.

    A text that the database cannot hold (U+0000, half of a character) is the caller's: no page or form asks for one.

    Looks through what wrapped it (Django wraps psycopg). The texts of the system and of PostgreSQL are not repeated.
    """
    seen: BaseException | None = error
    while seen is not None:
        state = getattr(seen, "sqlstate", None)
        if state == "53100" or (isinstance(seen, OSError) and seen.errno in (errno.ENOSPC, errno.EDQUOT)):
            return StorageFull(
                "Le service n'a plus de place pour enregistrer : rien n'a été modifié. Prévenez l'exploitant, puis réessayez."
            )
        if isinstance(seen, VirageError) and seen.status == 503:
            return seen
        if _cannot_be_held(seen):
            return Malformed(
                "La demande porte un caractère qu'aucun texte n'admet (U+0000, ou la moitié d'un caractère) : retirez-le.",
                issue="value",
            )
        lost = type(seen).__module__.startswith("psycopg") and type(seen).__name__ == "OperationalError"
        if lost or (isinstance(state, str) and state.startswith(_AWAY)):
            return DatabaseAway(
                "La base de données ne répond pas : la demande n'est pas confirmée. Réessayez dans quelques instants."
            )
        seen = seen.__cause__
    return None


def _cannot_be_held(error: BaseException) -> bool:
    if isinstance(error, UnicodeEncodeError):
        return error.reason == "surrogates not allowed"
    return type(error).__name__ == "DataError" and "NUL (0x00)" in str(error)


_REASONS = {
    errno.EACCES: "l'accès est refusé",
    errno.EADDRINUSE: "l'adresse sert déjà à un autre programme",
    errno.EADDRNOTAVAIL: "cette machine n'a pas cette adresse",
    errno.EDQUOT: "le quota du disque est atteint",
    errno.EEXIST: "il existe déjà",
    errno.EISDIR: "c'est un dossier",
    errno.ENOENT: "il n'existe pas",
    errno.ENOSPC: "le disque est plein",
    errno.ENOTDIR: "ce n'est pas un dossier",
    errno.EPERM: "l'opération n'est pas permise",
    errno.EROFS: "le disque est en lecture seule",
}


def reason_of(error: OSError) -> str:
    """Why the system refused, in words that people read; its own words for what is rare."""
    return _REASONS.get(error.errno or 0) or error.strerror or type(error).__name__
