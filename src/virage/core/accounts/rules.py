"""What a proof is worth: scopes, purposes, digests. Pure functions, no clock, no database."""

import base64
import hashlib
import hmac
import re
from collections.abc import Callable, Iterable

from virage.core.errors import Invalid

# What each kind of account may do when its token asks for everything that is its own (`scope_all`, `virage token`).
DEFAULT_SCOPES: dict[str, frozenset[str]] = {
    "citizen": frozenset(
        # reads everything of one's own; writes what one holds oneself: documents and their masking, consents, own measures
        {"openid", "patient/*.rs"}
        | {
            f"patient/{type_}.cruds"
            for type_ in ("DocumentReference", "Consent", "Observation", "QuestionnaireResponse")
        }
    ),
    "professional": frozenset({"openid", "scope_all", "user/*.cruds"}),
    "agent": frozenset({"openid", "user/*.rs"}),
    "software": frozenset({"system/*.rs"}),
}
# SMART App Launch 2.2.0, « Scopes for requesting context data ».
CHOSEN_PATIENT, CHOSEN_ENCOUNTER, FHIR_USER = "launch/patient", "launch/encounter", "fhirUser"
PURPOSES = ("normal", "bris_de_glace", "centre_15")
SECRET_LENGTH = 32
REASON_LENGTH = (3, 500)

_SMART = re.compile(
    r"(?P<level>patient|user|system)/(?P<type>\*|[A-Za-z]{1,64})\.(?P<verbs>\*|read|write|c?r?u?d?s?)(?P<query>\?\S{1,500})?"
)
_V1 = {"read": "rs", "write": "cud", "*": "cruds"}
_SCOPE_CHARACTERS = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]{1,600}")


def parse_scope(text: str) -> frozenset[str]:
    """The scopes of a space-separated list (RFC 6749, 3.3). Raises Invalid for other characters, or more than 100."""
    words = text.split(" ") if text else []
    found = frozenset(word for word in words if word)
    if len(found) > 100 or not all(_SCOPE_CHARACTERS.fullmatch(word) for word in found):
        raise Invalid(
            "Le paramètre scope est une liste de portées séparées par une espace, 100 au plus.",
            code="ACCOUNTS.SCOPE",
            status=400,
            path="scope",
        )
    return found


def join_scope(scopes: Iterable[str]) -> str:
    """The list as it travels, in a stable order."""
    return " ".join(sorted(scopes))


def smart(scope: str) -> tuple[str, str, frozenset[str], str] | None:
    """Level, resource type, verbs (of `cruds`) and search constraint of a SMART scope, version 1 or 2; None for another."""
    found = _SMART.fullmatch(scope)
    if found is None or not found["verbs"]:
        return None
    verbs = _V1.get(found["verbs"], found["verbs"])
    return found["level"], found["type"], frozenset(verbs), found["query"] or ""


def covers(allowed: Iterable[str], asked: str) -> bool:
    """Whether one of the allowed scopes includes the one asked for: the same word, or a SMART scope at least as wide."""
    wanted = smart(asked)
    for scope in allowed:
        if scope == asked:
            return True
        given = smart(scope)
        if wanted is None or given is None:
            continue
        same_type = given[1] in ("*", wanted[1])
        if given[0] == wanted[0] and same_type and wanted[2] <= given[2] and given[3] in ("", wanted[3]):
            return True
    return False


ConstraintCheck = Callable[[str, str], bool]
_checks: list[ConstraintCheck] = []


def register_constraints(check: ConstraintCheck) -> None:
    """Have `check(resource type, search constraint)` say which constraints of SMART scopes can be enforced."""
    if check not in _checks:
        _checks.append(check)


def enforceable(scope: str) -> bool:
    """Whether what a scope promises to leave out will be left out: one without search constraint, or whose constraint is held."""
    found = smart(scope)
    return found is None or not found[3] or all(check(found[1], found[3][1:]) for check in _checks)


def grant_scopes(asked: Iterable[str], *, client: Iterable[str], person: Iterable[str] | None) -> frozenset[str]:
    """What is granted of what was asked: no more than the client may ask for, nor than the person may do.

    `person` is None when no person is there (client credentials). `scope_all` brings the person's own scopes, as the
    national sign-in does: the service then decides. A scope whose search constraint cannot be enforced is not granted.
    Who is not a patient gets `patient/…` scopes with `launch/patient` only, within what they may do for any patient.
    """
    client = frozenset(client)
    granted = {scope for scope in asked if covers(client, scope) and enforceable(scope)}
    if person is None:
        return frozenset(granted)
    person = frozenset(person)
    chosen = CHOSEN_PATIENT in granted
    granted = {
        scope
        for scope in granted
        if smart(scope) is None or covers(person, scope) or (chosen and covers(person, _of_any_patient(scope)))
    }
    if "scope_all" in granted:
        granted |= {scope for scope in person if smart(scope) is not None and covers(client, scope)}
    return frozenset(granted)


def _of_any_patient(scope: str) -> str:
    return f"user/{scope.removeprefix('patient/')}" if scope.startswith("patient/") else scope


def check_purpose(purpose: str, reason: str) -> tuple[str, str]:
    """The purpose and the reason, trimmed. Raises Invalid when the purpose is unknown or needs a reason that is missing."""
    purpose, reason = purpose.strip() or "normal", " ".join(reason.split())
    if purpose not in PURPOSES:
        raise Invalid(
            f"Le mode d'accès est l'un de : {', '.join(PURPOSES)}.", code="ACCOUNTS.PURPOSE", status=400, path="purpose"
        )
    if purpose == "bris_de_glace" and len(reason) < REASON_LENGTH[0]:
        raise Invalid(
            f"Le bris de glace demande un motif d'au moins {REASON_LENGTH[0]} caractères : il sera lu par le patient.",
            code="ACCOUNTS.REASON",
            status=400,
            path="reason",
        )
    if len(reason) > REASON_LENGTH[1]:
        raise Invalid(
            f"Le motif tient en {REASON_LENGTH[1]} caractères.", code="ACCOUNTS.REASON", status=400, path="reason"
        )
    return purpose, reason


def digest(secret: str) -> str:
    """What is kept of a random secret: its SHA-256 (a secret of 256 bits needs no slow digest)."""
    return hashlib.sha256(secret.encode()).hexdigest()


def matches(secret: str, kept: str) -> bool:
    """Whether a presented secret is the one whose digest is kept, in constant time; false where none is kept."""
    return hmac.compare_digest(digest(secret), kept) if kept else False


def pin_digest(pin: str, login: str, pepper: bytes) -> str:
    """What is kept of a four-digit PIN: an HMAC under a key outside the database, since 10,000 values hide from no digest."""
    return hmac.new(pepper, f"{login}\0{pin}".encode(), hashlib.sha256).hexdigest()


def challenge_of(verifier: str) -> str:
    """The S256 challenge of a PKCE verifier (RFC 7636, 4.2)."""
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def half_digest(value: str) -> str:
    """`at_hash` of an access token for an algorithm in SHA-256 (OpenID Connect Core, 3.1.3.6)."""
    return base64.urlsafe_b64encode(hashlib.sha256(value.encode()).digest()[:16]).rstrip(b"=").decode()
