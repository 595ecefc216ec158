"""Who asks: the one value that every action, trace and decision is about."""

from dataclasses import dataclass, field, replace
from typing import Literal

Kind = Literal["citizen", "professional", "agent", "software", "system"]


@dataclass(frozen=True, slots=True)
class Caller:
    """A person or a program whose identity was proved, with the purpose of this call.

    `subject` is stable: idNat_PS (`8` + RPPS) for a professional, the patient's logical id for a citizen, `client_id` for
    software, the login for an agent. `patient` is the logical id of a citizen's own Patient resource; `context` that of the
    patient whom somebody else chose for this token (SMART `launch/patient`), to whom its `patient/…` scopes are confined. `purpose` is a code of
    TRE_R248-ModeAcces (`normal`, `bris_de_glace`, `centre_15`); `reason` what the caller gave with it. `scopes` are the
    SMART scopes of the token, empty for a session of our own pages (where the kind decides). `client_id` is the software
    through which the call came.
    """

    kind: Kind
    subject: str
    name: str = ""
    login: str = ""
    role: str = ""
    profession: str = ""
    specialty: str = ""
    rpps: str = ""
    finess: str = ""
    structure: str = ""
    ins: str = ""
    ins_oid: str = ""
    patient: str = ""
    context: str = ""
    purpose: str = "normal"
    reason: str = ""
    client_id: str = ""
    scopes: frozenset[str] = field(default_factory=frozenset)

    def with_purpose(self, purpose: str, reason: str) -> "Caller":
        """The same caller, for another purpose: breaking the glass, medical regulation."""
        return replace(self, purpose=purpose, reason=reason)


def system(name: str) -> Caller:
    """The house itself, for work that no person asked for: a migration, a worker, the population of the sandbox."""
    return Caller(kind="system", subject=f"virage:{name}", name=name, scopes=frozenset({"system/*.cruds"}))
